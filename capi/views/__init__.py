"""The pages of the LinkedIn area, by page: setup, rules, events."""
