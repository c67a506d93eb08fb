"""A database that takes no connection or no write, and a backlog that is let go at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection
from django.test import Client

from capi import delivery, operations
from capi.claiming import BURST, REQUESTS_PER_SECOND
from capi.models import Attempt, Connection, ConversionEvent, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from crm.tenancy import company_scope
from tests.chaos import dying
from tests.chaos.test_fairness import accepted, company_with
from tests.factories import SHELL

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql, pytest.mark.chaos]

HELD = int(os.environ.get("CHAOS_HELD", "10000"))


@contextmanager
def no_connection_free() -> Iterator[None]:
    """As if all that PostgreSQL allows were taken; ours is given back first."""
    name = connection.settings_dict["NAME"]
    words = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    where = {
        word: str(connection.settings_dict[key])
        for word, key in words.items()
        if connection.settings_dict[key]
    }
    with psycopg.connect(**where, autocommit=True) as keeper:  # type: ignore[arg-type]
        keeper.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
        connection.close()
        try:
            yield
        finally:
            keeper.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


def test_with_no_connection_free_people_are_told_to_come_back_and_nothing_is_sent(
    sandbox: RunningSandbox, api_of: Callable[..., Client]
) -> None:
    """Row 31."""
    company = company_with(3)
    client = api_of(company)
    with no_connection_free():
        started = time.monotonic()
        answers = [
            client.get("/readyz"),
            client.get("/api/v1/leads/"),
        ]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert time.monotonic() - started < 5
        with pytest.raises(OperationalError):
            delivery.deliver_turn(company.pk)
        connection.close()
    assert sandbox.control.stats().requests == 0
    delivery.deliver_turn(company.pk)
    assert accepted(company) == 3


def test_nothing_is_sent_that_cannot_be_noted_first(sandbox: RunningSandbox) -> None:
    """Row 28: the disk is full, or the server has become a standby: it reads, and writes nothing."""
    company = company_with(3)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    with pytest.raises(DatabaseError):
        delivery.deliver_turn(company.pk)
    connection.close()
    assert sandbox.control.stats().requests == 0
    delivery.deliver_turn(company.pk)
    assert accepted(company) == 3
    assert sandbox.control.stats().duplicates == 0


def test_a_disk_that_is_full_when_the_answer_is_written_costs_one_batch_twice(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 28: LinkedIn has it, and that cannot be written down. It is sent again, with the same ids, and counted."""
    company = company_with(3)

    def full(*words: object, **more: object) -> None:
        raise OperationalError("could not extend file: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "settle", full)
        with pytest.raises(OperationalError):
            delivery.deliver_turn(company.pk)
    with company_scope(company):
        dying.leases_end()
        delivery.deliver_turn(company.pk)
        assert sum(ConversionEvent.objects.values_list("unknown_outcomes", flat=True)) == 3
    assert accepted(company) == sandbox.control.stats().unique == 3
    assert sandbox.control.stats().duplicates == 3


def test_a_backlog_that_is_let_go_leaves_at_the_pace_of_the_line(sandbox: RunningSandbox) -> None:
    """Row 62: no storm of requests, and nobody else waits for it."""
    large, small = company_with(HELD), company_with(1)
    with company_scope(large):
        operations.pause_connection(Connection.objects.get(), SHELL)
        assert held(large) == HELD
        started = time.monotonic()
        operations.release_connection(Connection.objects.get(), SHELL)
        print(f"{HELD} events were let go in {time.monotonic() - started:.1f} s")
        assert time.monotonic() - started < 25, "A statement may take 30 seconds."
    started = time.monotonic()
    for _ in range(2):
        delivery.deliver_turn(large.pk)
        delivery.deliver_turn(small.pk)
    took = time.monotonic() - started
    assert accepted(small) == 1
    with company_scope(large):
        assert Attempt.objects.count() <= BURST + REQUESTS_PER_SECOND * took + 1
        assert not Attempt.objects.filter(status_code=429).exists()
        assert set(ConversionEvent.objects.values_list("status", flat=True)) <= {
            Status.PENDING,
            Status.ACCEPTED,
        }


def held(company: Company) -> int:
    return ConversionEvent.objects.filter(company=company, status=Status.HELD).count()
