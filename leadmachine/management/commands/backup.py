"""`manage.py backup FILE`: everything but the keys, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leadmachine import backups
from leadmachine.management.auditing import tell_every_company


class Command(BaseCommand):
    """May run while everything else does."""

    help = "Writes database and uploads, but no keys, to one file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            manifest = backups.backup(file)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        tell_every_company("backup_made")
        self.stdout.write(f"Wrote {file} ({file.stat().st_size:,} bytes).")
        self.stdout.write(
            f"It needs FIELD_KEYS with {', '.join(manifest.key_ids)} to be of full use. The keys are not in it: "
            "keep a copy of them in another place."
        )
