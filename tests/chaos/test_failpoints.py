"""Killed at each place where it hurts: what is lost (nothing), what goes out twice, and that the counter says so.

CHAOS_KILLS sets how often: 10 unless said otherwise, 100 in the long form.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from django.db import connection as database
from django.utils import timezone

from capi import claiming, delivery
from capi.models import Attempt, ConversionEvent, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from crm.tenancy import company_scope
from tests.chaos import dying
from tests.factories import CompanyFactory, LeadFactory, RuleFactory, connect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql, pytest.mark.chaos]

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))
BATCH = 10


@pytest.fixture
def due(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A company with more events due than all the kills can touch; its scope is open."""
    monkeypatch.setattr(claiming, "LIVE_BATCH", BATCH)
    company = CompanyFactory()
    with company_scope(company):
        connect(company)
        RuleFactory(company=company)
        LeadFactory(company=company)
        dying.multiply(company, KILLS * BATCH + 5)
        yield company


def deliver_the_rest(company: Company) -> None:
    for _ in range(KILLS + 10):
        dying.leases_end()
        delivery.deliver_turn(company.pk)
        if not ConversionEvent.objects.exclude(status=Status.ACCEPTED).exists():
            return


def possible_duplicates() -> int:
    return sum(ConversionEvent.objects.values_list("unknown_outcomes", flat=True))


@pytest.mark.parametrize(
    ("failpoint", "left", "stored"),
    [
        ("after_claim", False, False),
        ("before_post", True, False),
        ("after_post", True, True),
        ("before_record", True, True),
    ],
)
def test_nothing_is_lost_and_every_duplicate_is_counted(
    due: Company, sandbox: RunningSandbox, failpoint: str, left: bool, stored: bool
) -> None:
    """`left`: whether the attempt was noted, so that nobody can know; `stored`: whether LinkedIn has it."""
    ids = set(ConversionEvent.objects.values_list("event_id", flat=True))
    for _ in range(KILLS):
        dying.leases_end()
        assert dying.run(lambda: delivery.deliver_turn(due.pk), failpoint) == -signal.SIGKILL
    deliver_the_rest(due)

    stats = sandbox.control.stats()
    assert ConversionEvent.objects.filter(status=Status.ACCEPTED).count() == len(ids) == stats.unique
    assert {event_id for counts in sandbox.control.accepted().values() for event_id in counts} == ids
    assert stats.duplicates == (KILLS * BATCH if stored else 0)
    assert possible_duplicates() == (KILLS * BATCH if left else 0)
    assert Attempt.objects.filter(outcome="unknown").count() == (KILLS if left else 0)


def test_a_retry_sends_the_same_bytes(due: Company, sandbox: RunningSandbox) -> None:
    dying.run(lambda: delivery.deliver_turn(due.pk), "after_post")
    deliver_the_rest(due)
    first, *others = sorted(sandbox.control.received(200), key=lambda request: request.id)
    # Not always in one batch again, nor in the same order: it is the elements that stay as they were.
    told = ConversionEvent.objects.filter(event_id__in=[event.event_id for event in first.events])
    elements = list(told.values_list("element", flat=True))
    assert len(elements) == BATCH
    for element in elements:
        assert element in first.body
        assert sum(element in request.body for request in others) == 1


def test_the_third_time_is_the_third_time(due: Company, sandbox: RunningSandbox) -> None:
    assert dying.run(lambda: delivery.deliver_turn(due.pk), "before_post:3") == -signal.SIGKILL
    assert sandbox.control.stats().accepted == 2 * BATCH
    deliver_the_rest(due)


def test_a_frozen_worker_changes_nothing_when_it_wakes_up(due: Company, sandbox: RunningSandbox) -> None:
    """Stopped while LinkedIn answers, past its lease; others send its batch; then it goes on."""
    deliver_the_rest(due)
    for number in range(max(2, KILLS * 2 // 5)):
        first = 100_000 + number * BATCH
        dying.multiply(due, first + BATCH - 1, first)
        sandbox.control.fault("slow", seconds=0.4, count=1)
        pid = dying.fork(lambda: claim_and_send_one(due))
        dying.wait_until(
            lambda: Attempt.objects.filter(answered_at=None).count() == 1,
            10,
            "a request on its way",
        )
        with dying.frozen(pid):
            dying.leases_end()
            assert claim_and_send_one(due) == 1
            before = finished()
        assert dying.end_of(pid) == 0
        assert finished() == before
    deliver_the_rest(due)
    assert sandbox.control.stats().duplicates == possible_duplicates()


def claim_and_send_one(company: Company) -> int:
    batch = claiming.claim(company, timezone.now())
    assert isinstance(batch, claiming.Batch)
    return delivery._deliver(batch)


def finished() -> list[tuple[object, ...]]:
    accepted = ConversionEvent.objects.filter(status=Status.ACCEPTED)
    return list(accepted.order_by("pk").values_list("pk", "accepted_at", "lease"))


def test_a_database_that_hangs_up_before_the_answer_is_written_loses_nothing(
    due: Company, sandbox: RunningSandbox
) -> None:
    """Row 27: the session of the worker is ended by the server while LinkedIn is answering."""
    sandbox.control.fault("slow", seconds=0.5, count=1)
    pid = dying.fork(lambda: claim_and_send_one(due))
    dying.wait_until(lambda: Attempt.objects.filter(answered_at=None).exists(), 10, "a request on its way")
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert dying.end_of(pid) == 1
    deliver_the_rest(due)
    stats = sandbox.control.stats()
    assert stats.unique == ConversionEvent.objects.filter(status=Status.ACCEPTED).count() == KILLS * BATCH + 5
    assert stats.duplicates == possible_duplicates() == BATCH
