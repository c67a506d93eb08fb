"""Celery's part: a few lines each. Arguments are ids only; doing a task twice is harmless."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from capi import accounting, alarms, backfill, delivery, heartbeat, lead_forms
from crm import turns
from crm.models import Company
from crm.tenancy import company_scope

logger = logging.getLogger(__name__)

# A turn is short, so that companies take turns and live events never wait for long.
BACKFILL_SECONDS = 5


@shared_task
def deliver(company: str, baton: str = "") -> None:
    """Take one turn for a company; if more is due, queue up again behind the others."""
    work = f"deliver:{company}"
    if turns.is_needless(work, baton):
        return
    if delivery.deliver_turn(UUID(company)):
        turns.go_on(work, lambda baton: deliver.apply_async(args=(company, baton), retry=False))


@shared_task
def deliver_due() -> None:
    """Find what became due by time, or what a nudge was lost for."""
    heartbeat.asked()
    for company in delivery.companies_with_work():
        deliver.apply_async(args=(str(company),), retry=False)


@shared_task(soft_time_limit=280, time_limit=300)
def watch() -> None:
    """Every minute: tell those who manage LinkedIn what stops it."""
    _each_by_itself(lambda company: alarms.watch(company, timezone.now()))


@shared_task(soft_time_limit=3400, time_limit=3500)
def look_back() -> None:
    """Each night: add up every company's accounts, and look at what only days can show."""
    _each_by_itself(_look_back)


def _look_back(company: Company) -> None:
    accounting.fold()
    alarms.look_back(company, timezone.now())


def _each_by_itself(work: Callable[[Company], object]) -> None:
    """In the scope of every company; what fails in one of them is logged, and keeps no other from its alarms."""
    for company in Company.objects.all():
        try:
            with company_scope(company):
                work(company)
        except (DatabaseError, *delivery.FAULTS_OF_OURS):
            logger.exception("Company %s could not be looked after.", company.pk)


@shared_task
def fetch_forms(company: str, baton: str = "") -> None:
    """A turn for a company's lead forms; if there is more, it queues up again behind the others."""
    work = f"forms:{company}"
    if turns.is_needless(work, baton):
        return
    if lead_forms.work(UUID(company)):
        turns.go_on(work, lambda baton: fetch_forms.apply_async(args=(company, baton), retry=False))


@shared_task
def fetch_due_forms() -> None:
    """Find what LinkedIn has notified us of, and what it has not."""
    for company in lead_forms.companies_with_work():
        fetch_forms.apply_async(args=(str(company),), retry=False)


@shared_task
def go_on_with_backfill(company: str, rule: str) -> None:
    """A turn for a rule; if there is more, it queues up again behind the others."""
    if backfill.work(UUID(company), UUID(rule), BACKFILL_SECONDS):
        go_on_with_backfill.apply_async(args=(company, rule), retry=False)


@shared_task
def go_on_with_backfills() -> None:
    """Find the backfills that somebody began, or that a worker left."""
    for company, rule in backfill.running():
        go_on_with_backfill.apply_async(args=(str(company), str(rule)), retry=False)
