"""Companies take turns, live goes before backfill, and nobody's many delay another's one."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.utils import timezone

from capi import delivery
from capi.models import ConversionEvent, Lane, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from crm.tenancy import company_scope
from tests.chaos import dying
from tests.factories import CompanyFactory, LeadFactory, RuleFactory, connect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql, pytest.mark.chaos]

MANY = 20_000


def company_with(events: int) -> Company:
    company = CompanyFactory()
    with company_scope(company):
        connect(company)
        RuleFactory(company=company)
        LeadFactory(company=company)
        if events > 1:
            dying.multiply(company, events)
    return company


def accepted(company: Company, **filters: object) -> int:
    with company_scope(company):
        return ConversionEvent.objects.filter(status=Status.ACCEPTED, **filters).count()


def test_one_companys_many_do_not_delay_anothers_one(sandbox: RunningSandbox) -> None:
    """One worker, in the order that a queue of nudges gives: the large company goes on behind the small one."""
    large, small = company_with(MANY), company_with(1)
    started = time.monotonic()
    assert delivery.deliver_turn(large.pk), "More is due, so it queues up again."
    delivery.deliver_turn(small.pk)
    assert accepted(small) == 1
    assert time.monotonic() - started < 15
    assert 0 < accepted(large) < MANY


def test_a_company_s_turn_is_short_however_much_is_due(sandbox: RunningSandbox) -> None:
    large = company_with(MANY)
    started = time.monotonic()
    delivery.deliver_turn(large.pk)
    assert time.monotonic() - started < delivery.TURN_SECONDS + 3


def test_live_goes_before_backfill_that_has_waited_longer(sandbox: RunningSandbox) -> None:
    company = company_with(600)
    with company_scope(company):
        past = timezone.now() - timedelta(days=1)
        ConversionEvent.objects.update(lane=Lane.BACKFILL, next_attempt_at=past)
        live = LeadFactory(company=company)
        delivery.deliver_turn(company.pk)
        wanted = ConversionEvent.objects.get(lead=live).event_id
    first = min(sandbox.control.received(10), key=lambda request: request.id)
    assert [event.event_id for event in first.events] == [wanted]
    assert accepted(company, lane=Lane.BACKFILL) == 600


def test_backfill_goes_on_where_nothing_live_is_due(sandbox: RunningSandbox) -> None:
    company = company_with(600)
    with company_scope(company):
        ConversionEvent.objects.update(lane=Lane.BACKFILL)
        delivery.deliver_turn(company.pk)
    assert accepted(company) == 600
    assert max(len(request.events) for request in sandbox.control.received(10)) == 500


def test_a_row_that_somebody_holds_is_passed_by(sandbox: RunningSandbox) -> None:
    """Row 29: an administrator's open transaction on the oldest event stops neither its company nor others."""
    company, other = company_with(20), company_with(1)
    held, let_go = threading.Event(), threading.Event()
    with company_scope(company):
        oldest = ConversionEvent.objects.due(timezone.now()).first()
    assert oldest

    def hold() -> None:
        from django.db import transaction

        try:
            with company_scope(company), transaction.atomic():
                ConversionEvent.objects.select_for_update().get(pk=oldest.pk)
                held.set()
                let_go.wait(20)
        finally:
            database.close()

    administrator = threading.Thread(target=hold)
    administrator.start()
    try:
        assert held.wait(5)
        started = time.monotonic()
        delivery.deliver_turn(company.pk)
        delivery.deliver_turn(other.pk)
        assert time.monotonic() - started < 2.5  # a lock is waited for three seconds
        assert (accepted(company), accepted(other)) == (19, 1)
    finally:
        let_go.set()
        administrator.join()
    delivery.deliver_turn(company.pk)
    assert accepted(company) == 20


def test_a_claim_that_fails_is_made_again(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 30: a deadlock or a failed serialization in a claim costs that turn; the next one takes everything."""
    from django.db import OperationalError

    company = company_with(30)
    choose, failures = delivery.claim, iter([OperationalError("deadlock detected")] * 3)

    def claim(*words: object, **options: object) -> object:
        if error := next(failures, None):
            raise error
        return choose(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(delivery, "claim", claim)
    for _ in range(3):
        with pytest.raises(OperationalError):
            delivery.deliver_turn(company.pk)
    delivery.deliver_turn(company.pk)
    assert accepted(company) == 30
    assert sandbox.control.stats().duplicates == 0


def test_a_message_for_a_company_that_is_gone_is_nothing(sandbox: RunningSandbox) -> None:
    """Row 16: nobody raises, so nothing is tried again."""
    assert not delivery.deliver_turn(uuid4())
