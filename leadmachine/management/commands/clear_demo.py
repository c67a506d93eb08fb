"""`manage.py clear_demo`: takes every sample company out again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from leadmachine import demo


class Command(BaseCommand):
    """Never touches what people entered: a sample company that holds such records stays, without its samples."""

    help = "Removes the sample data and nothing else."

    def handle(self, **options: Any) -> None:
        cleared = demo.clear()
        for name in cleared.removed:
            self.stdout.write(f"Removed {name}.")
        for name, added in cleared.kept.items():
            self.stdout.write(f"Kept {name} without its sample data, for people added {added} records to it.")
        if not cleared.removed and not cleared.kept:
            self.stdout.write("There was no sample data.")
