"""A Django project as `startproject` makes one, on LeadMachine's tables: what its views cost is the floor."""
