"""Between claim and request: one event's trouble is not the others', and nothing goes round for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from capi import claiming, delivery, identity, operations, payload
from capi.models import Connection, ConversionEvent, Rule
from crm.actions import erase
from crm.models import Company, Lead
from leadmachine import env
from tests.factories import SHELL, LeadFactory

Deliver = Callable[[], int]


def test_a_slow_start_does_not_eat_up_the_lease(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=2))
    batch = claiming.claim(company, timezone.now() - timedelta(seconds=80))
    assert isinstance(batch, claiming.Batch)
    delivery._prepare(batch)
    left = ConversionEvent.objects.get().lease_until - timezone.now()  # type: ignore[operator]
    assert left > timedelta(seconds=claiming.LEASE_SECONDS - 5)


def test_a_test_event_whose_token_cannot_be_read_is_answered_once(
    company: Company, rules: dict[str, Rule], settings: Any
) -> None:
    """It waits for no hold, so it would be taken again at once, for an hour."""
    event = operations.send_test(rules["lead_created"], SHELL)
    settings.FIELD_KEYS = [env.new_field_key()]
    assert delivery.deliver_turn(company.pk) is False
    event.refresh_from_db()
    assert (event.status, event.reason) == ("rejected", "token_unreadable")


def test_an_erased_person_s_event_does_not_wait_for_an_unreadable_token(
    company: Company, rules: dict[str, Rule], settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    lead = LeadFactory(company=company)
    batch = claiming.claim(company, timezone.now())
    assert isinstance(batch, claiming.Batch)
    erase.erase_lead(lead, SHELL)
    delivery._hold_unreadable(batch, "No key.")
    event = ConversionEvent.objects.get()
    assert (event.status, event.reason) == ("cancelled", "erased")
    assert Connection.objects.get().held_reason == "token_unreadable"


def test_one_event_that_cannot_be_built_holds_up_no_other(
    company: Company, rules: dict[str, Rule], deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = LeadFactory(company=company, first_name="Bad")
    LeadFactory(company=company)
    person_of = identity.person_of

    def fails(lead: Lead) -> payload.Person:
        if lead.pk == bad.pk:
            raise TypeError("Bad john@customer.test")
        return person_of(lead)

    monkeypatch.setattr(identity, "person_of", fails)
    deliver()
    assert set(ConversionEvent.objects.values_list("lead__first_name", "status", "reason")) == {
        ("Bad", "skipped", "not_built"),
        ("John", "accepted", ""),
    }


def test_what_became_too_old_within_a_turn_is_not_taken(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.update(expires_at=timezone.now())
    assert isinstance(claiming.claim(company, timezone.now(), tidy_first=False), claiming.Nothing)
