"""`manage.py restore FILE`: puts a backup in the place of what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from leadmachine import backups
from leadmachine.management.auditing import tell_every_company


class Command(BaseCommand):
    """Stop LeadMachine first. What LinkedIn accepted since the backup was made is sent again, with the same ids."""

    help = "Restores a backup into an empty database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="replace a database that is not empty")
        parser.add_argument(
            "--without-secrets",
            action="store_true",
            help="restore although FIELD_KEYS cannot read the stored tokens",
        )

    def handle(self, *, file: Path, force: bool, without_secrets: bool, **options: Any) -> None:
        try:
            manifest = backups.restore(file, force=force, without_secrets=without_secrets)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        # A backup of an older version lacks what was added since.
        call_command("migrate", interactive=False, verbosity=0)
        tell_every_company("backup_restored")
        self.stdout.write(
            f"Restored the backup of {manifest.created_at}. Run doctor, then start LeadMachine."
        )
