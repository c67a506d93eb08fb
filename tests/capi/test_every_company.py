"""What is done for every company is done for every other, too, when it fails in one."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from capi import alarms, delivery, erasing, holds, tasks
from capi.models import Alarm, Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.actions import retention
from crm.models import Company, User
from crm.tenancy import company_scope
from leadmachine.management.commands import deliver as deliver_command
from tests.factories import CompanyFactory, LeadFactory, RuleFactory, connect


@pytest.fixture
def companies(db: None, sandbox: RunningSandbox) -> list[Company]:
    """Three with an event that is due; the first in the order of any loop is the one that fails."""
    made = sorted((CompanyFactory() for _ in range(3)), key=lambda company: company.pk)
    for company in made:
        with company_scope(company):
            connect(company)
            RuleFactory(company=company)
            LeadFactory(company=company)
    return made


@pytest.mark.parametrize(
    "error", [ValueError("John"), OperationalError("canceling statement due to timeout")]
)
def test_an_alarm_that_cannot_be_looked_for_keeps_no_other_company_from_its_own(
    companies: list[Company], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    seen = []

    def watch(company: Company, now: object) -> None:
        seen.append(company)
        if company == Company.objects.all()[0]:
            raise error

    monkeypatch.setattr(alarms, "watch", watch)
    tasks.watch()
    assert set(seen) == set(companies)


def test_accounts_that_cannot_be_added_up_keep_no_other_company_from_it(
    companies: list[Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look_back(company: Company, now: object) -> None:
        seen.append(company)
        raise KeyError

    monkeypatch.setattr(alarms, "look_back", look_back)
    tasks.look_back()
    assert set(seen) == set(companies)


@pytest.mark.parametrize("error", [ValueError("John"), OperationalError("deadlock detected")])
def test_without_celery_a_company_whose_turn_fails_holds_up_no_other(
    companies: list[Company], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    turn = delivery.deliver_turn

    def fails_for_the_first(company: UUID) -> bool:
        if company == companies[0].pk:
            raise error
        return turn(company)

    monkeypatch.setattr(delivery, "deliver_turn", fails_for_the_first)
    monkeypatch.setattr("leadmachine.management.commands.deliver.connection.close", lambda: None)
    with pytest.raises(type(error)):
        call_command("deliver", "--until-empty")
    found = {}
    for company in companies:
        with company_scope(company):
            found[company] = ConversionEvent.objects.get().status
    assert list(found.values()) == [Status.PENDING, Status.ACCEPTED, Status.ACCEPTED]


def test_retention_that_fails_in_one_company_is_done_in_the_others(
    companies: list[Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def apply(company: Company, *, dry_run: bool) -> retention.Outlived:
        seen.append(company)
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(retention, "apply_retention", apply)
    retention.apply_everywhere()
    assert set(seen) == set(companies)


def test_a_long_log_is_stripped_in_parts(
    company: Company, rules: dict[str, Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one statement, a company with millions of rows would be broken off by its time limit, each night again."""
    monkeypatch.setattr(erasing, "_STRIPPED_AT_ONCE", 2)
    for _ in range(5):
        LeadFactory(company=company)
    delivery.deliver_turn(company.pk)
    later = timezone.now() + timedelta(days=1)
    assert erasing.strip_settled(later, dry_run=True) == 5
    assert erasing.strip_settled(later, dry_run=False) == 5
    assert erasing.strip_settled(later, dry_run=False) == 0
    assert set(ConversionEvent.objects.values_list("element", "status")) == {("", "accepted")}


def test_without_celery_alarms_are_raised_all_the_same(
    company: Company, owner: User, rules: dict[str, Rule], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds.hold(Connection.objects.get(), "token_revoked", "Revoked.", timezone.now())
    stopped = threading.Event()
    monkeypatch.setattr(deliver_command, "_stop_on_signal", lambda: stopped)
    monkeypatch.setattr(deliver_command, "close_old_connections", stopped.set)
    settings.DELIVERY_POLL_SECONDS = 0
    call_command("deliver")
    assert Alarm.objects.get().kind == "token"
