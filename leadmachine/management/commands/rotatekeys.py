"""`manage.py rotatekeys`: brings every stored secret under the first key of FIELD_KEYS."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from capi import rotation
from leadmachine import second_step
from leadmachine.management.auditing import tell_every_company


class Command(BaseCommand):
    """May be killed and started again at any time: every secret is readable before, during and after."""

    help = "Re-encrypts every secret under the first key of FIELD_KEYS."

    def handle(self, **options: Any) -> None:
        total = rotation.Count()
        for count in chain(rotation.rotate(), second_step.rotate()):
            total += count
        tell_every_company("keys_rotated", {"secrets": (None, total.rotated)})
        self.stdout.write(
            f"{total.rotated} secrets were re-encrypted, {total.current} were under the first key already, "
            f"{total.unreadable} cannot be read."
        )
        if total.unreadable:
            raise CommandError(
                "Some secrets are under a key that is not in FIELD_KEYS. Add that key at the end of the list "
                "and run this again, or enter those secrets anew."
            )
