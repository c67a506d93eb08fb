"""`manage.py automations`: does the night's work at once, as the schedule does by each company's clock."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from crm.actions import automations, reminders


class Command(BaseCommand):
    """Every company by its own switches. Doing it twice does nothing more."""

    help = "Cleans spam up, reminds of untouched leads and of due tasks, and mails digests that are due."

    def handle(self, **options: Any) -> None:
        done, told = automations.run_now(), reminders.remind_everywhere()
        mailed = reminders.mail_digests_everywhere()
        self.stdout.write(f"{done} leads were dealt with, {told} reminders given, {mailed} digests mailed.")
