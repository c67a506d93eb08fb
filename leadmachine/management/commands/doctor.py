"""`manage.py doctor`: one line for everything that was looked at, each with what to do if it is wrong."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from leadmachine import doctor


class Command(BaseCommand):
    """Ends with code 1 if anything is wrong."""

    help = "Checks configuration, database, migrations, broker, keys, API version and delivery."
    # It prints what the checks find itself.
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        wrong = 0
        for finding in doctor.examine():
            wrong += finding.is_wrong
            style = self.style.ERROR if finding.is_wrong else self.style.SUCCESS
            self.stdout.write(style(str(finding)))
        if wrong:
            sys.exit(1)
