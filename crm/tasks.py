"""Celery's part of the CRM: what has to be done by time. Doing it twice is harmless."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from crm import import_work, turns, webhook_delivery
from crm.actions import automations, bulk_runs, erase, reminders, retention
from crm.models import Company

# A turn is short, so that two imports take turns and conversions never wait for long.
TURN_SECONDS = 15


@shared_task
def work_on_import(company: str, pk: str, baton: str = "") -> None:
    """A turn for an import; if there is more, it queues up again behind the others."""
    work = f"import:{pk}"
    if turns.is_needless(work, baton):
        return
    if import_work.work(Company.objects.get(pk=company), UUID(pk), TURN_SECONDS):
        turns.go_on(work, lambda baton: work_on_import.apply_async(args=(company, pk, baton), retry=False))


@shared_task
def work_on_imports() -> None:
    """Find the imports that a nudge was lost for, or that a worker left."""
    for company, pk in import_work.waiting():
        work_on_import.apply_async(args=(str(company.pk), str(pk)), retry=False)


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


@shared_task
def deliver_webhooks(company: str, baton: str = "") -> None:
    """A turn for the webhooks of a company; if more is due, it queues up again behind the others."""
    work = f"webhooks:{company}"
    if turns.is_needless(work, baton):
        return
    if webhook_delivery.deliver_turn(UUID(company)):
        turns.go_on(work, lambda baton: deliver_webhooks.apply_async(args=(company, baton), retry=False))


@shared_task
def deliver_due_webhooks() -> None:
    """Find the webhooks that became due by time, or that a nudge was lost for."""
    for company in webhook_delivery.companies_with_work():
        deliver_webhooks.apply_async(args=(str(company),), retry=False)
