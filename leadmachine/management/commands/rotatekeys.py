"""`manage.py rotatekeys`: brings every stored secret under the first key of FIELD_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from capi import rotation


class Command(BaseCommand):
    """May be killed and started again at any time: every secret is readable before, during and after."""

    help = "Re-encrypts every secret under the first key of FIELD_KEYS."

    def handle(self, **options: Any) -> None:
        total = rotation.Count()
        for count in rotation.rotate():
            total += count
        self.stdout.write(
            f"{total.rotated} secrets were re-encrypted, {total.current} were under the first key already, "
            f"{total.unreadable} cannot be read."
        )
        if total.unreadable:
            raise CommandError(
                "Some secrets are under a key that is not in FIELD_KEYS. Add that key at the end of the list "
                "and run this again, or enter those secrets anew."
            )
