"""`manage.py retention`: removes what is past its time, as the schedule does each night."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from crm.actions import erase, retention


class Command(BaseCommand):
    """Every company by its own rules. Doing it twice removes nothing more."""

    help = "Removes what every company has kept long enough."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        found = retention.apply_everywhere(dry_run=dry_run)
        if not dry_run:
            erase.finish_all()
        verb = "would be" if dry_run else "were"
        self.stdout.write(
            f"{found.leads} archived leads {verb} erased, {found.conversions} conversions {verb} stripped of the "
            f"person, {found.answers} kept answers {verb} deleted."
        )
