"""`manage.py work_imports`: the work of imports without Celery. It may run beside workers: the rows are the queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from crm import import_work


class Command(BaseCommand):
    """Whatever it is killed at goes on where it was, here or in a worker."""

    help = "Checks, writes and undoes the imports that wait, and stops when none does."

    def handle(self, **options: Any) -> None:
        while import_work.waiting():
            import_work.work_on_all()
        self.stdout.write("No import waits.")
