"""The reports: what is asked for, a sheet for each, and the page."""
