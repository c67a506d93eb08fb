"""Celery's part of the CRM: what has to be done by time. Doing it twice is harmless."""

from __future__ import annotations

from celery import shared_task

from crm.actions import automations, bulk_runs, erase, reminders, retention


@shared_task
def finish_erasures() -> None:
    """The net below what delivery does at once: complete what nothing is on its way of any more."""
    erase.finish_all()


@shared_task(soft_time_limit=3600, time_limit=3700)
def apply_retention() -> None:
    """Each night: remove what every company has kept long enough."""
    retention.apply_everywhere()


@shared_task
def work_bulk_runs() -> None:
    """Go on with the changes to many records that nobody is at."""
    bulk_runs.work_everywhere()


@shared_task(soft_time_limit=280, time_limit=300)
def remind() -> None:
    """Every few minutes: tell people of what is due."""
    reminders.remind_everywhere()


@shared_task(soft_time_limit=1700, time_limit=1800)
def mail_digests() -> None:
    """Every few minutes: mail the digests of the companies where it is eight."""
    reminders.mail_digests_everywhere()


@shared_task(soft_time_limit=3400, time_limit=3500)
def run_automations() -> None:
    """Each hour: the night work of the companies where it is the hour for it."""
    automations.run_due()
