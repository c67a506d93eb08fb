"""Celery's part: three lines each. Arguments are ids only; doing a task twice is harmless."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from capi import delivery


@shared_task
def deliver(company: str) -> None:
    """Take one turn for a company; if more is due, queue up again behind the others."""
    if delivery.deliver_turn(UUID(company)):
        deliver.apply_async(args=(company,), retry=False)


@shared_task
def deliver_due() -> None:
    """Find what became due by time, or what a nudge was lost for."""
    for company in delivery.companies_with_work():
        deliver.apply_async(args=(str(company),), retry=False)
