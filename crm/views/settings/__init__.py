"""The pages of the settings area."""
