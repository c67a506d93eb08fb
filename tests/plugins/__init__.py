"""What the test run needs before Django is set up."""
