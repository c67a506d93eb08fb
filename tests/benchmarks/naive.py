"""The naive way as people write it: a Celery task, a row and a request for each event."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from leadmachine.celery import app
from tests.benchmarks import ways

__all__ = ["app", "tell"]


@shared_task
def tell(event: str) -> None:
    """Tell LinkedIn of one event."""
    from crm.tenancy import every_company

    with every_company():
        ways.naive(UUID(event))
