#!/usr/bin/env python3
"""Django's command line for LeadMachine."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadmachine.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is missing. Run `make env`, then use .venv/bin/python manage.py …")
    from leadmachine.env import Misconfigured

    try:
        execute_from_command_line(sys.argv)
    except Misconfigured as error:
        sys.exit(f"LeadMachine cannot start: {error}")
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell reports for Ctrl-C


if __name__ == "__main__":
    main()
