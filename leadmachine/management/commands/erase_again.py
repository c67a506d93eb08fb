"""`manage.py erase_again [FILE]`: erases everybody again whom a restored database brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm import tombstones
from leadmachine import erasures


class Command(BaseCommand):
    """`restore` does this by itself; this is for databases restored by other means. Doing it twice is harmless."""

    help = "Erases people again whom a restored database brought back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="DATA_DIR/erasures if not given")

    def handle(self, *, file: Path | None, **options: Any) -> None:
        file = file or tombstones.path()
        try:
            count = erasures.erase_again(file)
        except (OSError, ValueError) as error:
            raise CommandError(f"{file} cannot be read as a list of erasures: {error}") from error
        self.stdout.write(f"{count.known} erasures are known; {count.erased} people were erased again.")
