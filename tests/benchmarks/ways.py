"""Two other ways to deliver the same rows to the same LinkedIn, for comparison only.

    bare    claim, build, post and mark in batches with the plain ORM: no lease that anybody looks at, no holds, no
            consent, no attempts, no limit. What it leaves out is what our guarantees cost.
    naive   read a row, build, post and save it, one event at a time.

`python -m tests.benchmarks.ways bare BATCH COMPANY…` prints "ready", waits for a line, and works until nothing is due.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import lru_cache
from uuid import UUID, uuid4

import requests


def bare(company: UUID, size: int) -> int:
    """Deliver one batch; returns how many events it had."""
    from django.db import transaction
    from django.utils import timezone

    from capi.models import ConversionEvent, Status

    now = timezone.now()
    with transaction.atomic():
        due = ConversionEvent.objects.select_for_update(skip_locked=True).filter(company=company).due(now)
        ids = list(due.values_list("pk", flat=True)[:size])
        # The lease is set because the table wants one beside this status; nobody reads it.
        ConversionEvent.objects.filter(pk__in=ids).update(
            status=Status.SENDING, lease=uuid4(), lease_until=now + timedelta(seconds=90)
        )
    if not ids:
        return 0
    events = (
        ConversionEvent.objects.filter(pk__in=ids).select_related("lead").prefetch_related("lead__emails")
    )
    _post([_element(event) for event in events])
    ConversionEvent.objects.filter(pk__in=ids).update(
        status=Status.ACCEPTED, accepted_at=timezone.now(), lease=None, lease_until=None
    )
    return len(ids)


def naive(event_id: UUID | str) -> None:
    """Deliver one event."""
    from django.utils import timezone

    from capi.models import ConversionEvent, Status

    event = ConversionEvent.objects.select_related("lead").get(pk=event_id)
    _post([_element(event)])
    event.status, event.accepted_at = Status.ACCEPTED, timezone.now()
    event.save()


def _element(event: object) -> str:
    from django.conf import settings

    from capi import payload
    from capi.models import ConversionEvent

    assert isinstance(event, ConversionEvent)
    assert event.lead is not None
    facts = payload.Facts(event.conversion_id, event.event_id, event.happened_at, event.value, event.currency)
    person = payload.Person(email=event.lead.email)
    return payload.build(facts, person, enhanced=False, version=settings.LINKEDIN_VERSION).text


def _post(elements: list[str]) -> None:
    from django.conf import settings

    answer = _session().post(
        f"{settings.LINKEDIN_API_URL}/conversionEvents",
        data=f'{{"elements":[{",".join(elements)}]}}',
        timeout=30,
    )
    answer.raise_for_status()


@lru_cache
def _session() -> requests.Session:
    from django.conf import settings

    from capi.sandbox import SANDBOX_TOKEN

    session = requests.Session()
    session.trust_env = False
    session.headers.update(
        {
            "Authorization": f"Bearer {SANDBOX_TOKEN}",
            "LinkedIn-Version": settings.LINKEDIN_VERSION,
            "X-Restli-Protocol-Version": "2.0.0",
            "Content-Type": "application/json",
            "X-RestLi-Method": "BATCH_CREATE",
        }
    )
    return session


def main() -> None:
    """See the module's docstring."""
    import django

    django.setup()
    from django.utils import timezone

    from capi.models import ConversionEvent
    from crm.tenancy import every_company

    way, size, companies = sys.argv[1], int(sys.argv[2]), [UUID(word) for word in sys.argv[3:]]
    with every_company():
        ids: list[UUID] = []
        if way == "naive":
            due = ConversionEvent.objects.filter(company__in=companies).due(timezone.now())
            ids = list(due.values_list("pk", flat=True))
        print("ready", flush=True)
        sys.stdin.readline()
        for event_id in ids:
            naive(event_id)
        while way == "bare" and companies:
            companies = [company for company in companies if bare(company, size)]


if __name__ == "__main__":
    main()
