"""`manage.py restore FILE`: puts a backup in the place of what is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm import tombstones
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

        parser.add_argument(
            "--erasures",
            type=Path,
            help="the list of erasures to do again; DATA_DIR/erasures if not given",
        )

    def handle(
        self, *, file: Path, force: bool, without_secrets: bool, erasures: Path | None, **options: Any
    ) -> None:
        known = self._erasures(erasures)
        try:
            manifest = backups.restore(file, force=force, without_secrets=without_secrets)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        # A backup of an older version lacks what was added since.
        call_command("migrate", interactive=False, verbosity=0)
        tell_every_company("backup_restored")
        if known:
            call_command("erase_again", known, stdout=self.stdout)
        self.stdout.write(
            f"Restored the backup of {manifest.created_at}. Run doctor, then start LeadMachine."
        )

    def _erasures(self, given: Path | None) -> Path | None:
        """Whom to erase again. Where there is no list, ask for one; a first restore on a new machine has none."""
        if given is None and tombstones.path().exists():
            return tombstones.path()
        if given is None and sys.stdin.isatty():
            asked = input(
                "Path of the list of erasures (DATA_DIR/erasures of the old installation), or Enter: "
            )
            given = Path(asked.strip()) if asked.strip() else None
        if given is None:
            self.stderr.write(
                "There is no list of erasures, so whoever was erased since the backup is back. Bring the file "
                "DATA_DIR/erasures of the old installation and call: manage.py erase_again FILE"
            )
            return None
        try:
            list(tombstones.read(given))
        except (OSError, ValueError) as error:
            raise CommandError(f"{given} cannot be read as a list of erasures: {error}") from error
        return given
