"""What LinkedIn is told of somebody who is erased: nothing more, whatever was on its way in that moment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from capi import claiming, delivery, operations
from capi.models import Attempt, Connection, ConversionEvent, Delivery, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.actions import companies, deals, erase, leads
from crm.errors import Conflict
from crm.models import Company, Erasure, Lead, LeadStatus
from crm.tenancy import company_scope
from tests.chaos import dying
from tests.factories import SHELL, CompanyFactory, DealFactory, LeadFactory, RuleFactory, connect

Deliver = Callable[[], int]
Capture = Any


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def test_what_waits_is_cancelled_and_nothing_is_sent(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    lead = LeadFactory(company=company)
    deals.win_deal(DealFactory(company=company, lead=lead), SHELL)
    waiting = ConversionEvent.objects.count()
    erase.erase_lead(lead, SHELL)
    assert ConversionEvent.objects.filter(status="cancelled", reason="erased").count() == waiting == 3
    deliver()
    assert sandbox.control.stats().unique == 0


def test_what_was_accepted_keeps_its_count_and_loses_the_person(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    lead = LeadFactory(company=company, attribution={"event_id": "browser.123"})
    deliver()
    before = ConversionEvent.objects.get()
    assert before.event_id == "browser.123"
    erase.erase_lead(lead, SHELL)
    event = ConversionEvent.objects.get()
    assert (event.status, event.accepted_at) == ("accepted", before.accepted_at)
    assert (event.element, event.identifiers, event.lead, event.told_lead) == ("", [], None, None)
    assert event.event_id.startswith("lm_")


def test_a_person_told_of_in_place_of_another_is_forgotten_too(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    nobody = LeadFactory(company=company, email="")
    partner = LeadFactory(company=company, email="partner@customer.test")
    deal = DealFactory(company=company, lead=nobody)
    deals.add_person(deal, partner, "Buyer", SHELL)
    deliver()
    event = ConversionEvent.objects.get(deal=deal)
    assert event.told_lead == partner
    erase.erase_lead(partner, SHELL)
    event.refresh_from_db()
    assert (event.element, event.status) == ("", "accepted")


@pytest.mark.parametrize("status", ["rejected", "skipped"])
def test_nothing_of_an_erased_person_is_sent_again(
    company: Company, rules: dict[str, Rule], deliver: Deliver, status: str
) -> None:
    lead = LeadFactory(company=company)
    ConversionEvent.objects.update(status=status, reason="refused", message="No.", element='{"user": 1}')
    erase.erase_lead(lead, SHELL)
    event = ConversionEvent.objects.get()
    assert (event.status, event.element) == (status, "")
    with pytest.raises(Conflict, match="erased"):
        operations.resend(event, SHELL)
    assert operations.resend_all(ConversionEvent.objects.all(), SHELL) == 0
    operations.update_rule(rules["lead_created"], {"conversion_id": "23948812"}, SHELL)
    assert ConversionEvent.objects.count() == 1
    assert deliver() == 0


def test_consent_withdrawn_while_held_cancels(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    companies.update_company(company, {"consent_policy": "hold"}, SHELL)
    lead = LeadFactory(company=company)
    deliver()
    assert ConversionEvent.objects.get().status == "held"
    leads.set_consent(lead, "denied", SHELL)
    assert ConversionEvent.objects.get().reason == "consent_denied"
    assert ConversionEvent.objects.get().status == "cancelled"
    assert sandbox.control.stats().unique == 0


# --- the same address again


def again(company: Company, **more: Any) -> Lead:
    return LeadFactory(company=company, email="Back@Customer.test", **more)


def erased_once(company: Company) -> None:
    erase.erase_lead(LeadFactory(company=company, email="back@customer.test"), SHELL)


def test_the_same_address_is_a_lead_again_and_skipped(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    erased_once(company)
    lead = again(company)
    deliver()
    event = ConversionEvent.objects.get(lead=lead)
    assert (event.status, event.reason) == ("skipped", "erased")


def test_consent_from_before_the_erasure_does_not_count(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    erased_once(company)
    lead = again(company, consent="granted", occurred_at=timezone.now() - timedelta(days=1))
    deliver()
    assert ConversionEvent.objects.get(lead=lead).reason == "erased"


def test_consent_given_since_lets_new_conversions_go(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    erased_once(company)
    lead = again(company)
    deliver()
    leads.set_consent(lead, "granted", SHELL)
    leads.change_status(lead, LeadStatus.objects.get(key="qualified"), SHELL)
    deliver()
    states = ConversionEvent.objects.filter(lead=lead).values_list("event", "status")
    assert dict(states) == {"lead_created": "skipped", "lead_qualified": "accepted"}


def test_an_address_added_later_is_known_again(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    erased_once(company)
    lead = LeadFactory(company=company, email="")
    leads.update_lead(lead, {"email": "back@customer.test"}, SHELL)
    deliver()
    assert ConversionEvent.objects.get(lead=lead).reason == "erased"


# --- in the moment of sending


def claimed(company: Company) -> claiming.Batch:
    batch = claiming.claim(company, timezone.now())
    assert isinstance(batch, claiming.Batch)
    return batch


def test_erased_between_claim_and_send_is_not_sent(
    company: Company,
    rules: dict[str, Rule],
    sandbox: RunningSandbox,
    django_capture_on_commit_callbacks: Capture,
) -> None:
    lead, other = LeadFactory(company=company), LeadFactory(company=company)
    batch = claimed(company)
    erasure = erase.erase_lead(lead, SHELL)
    assert erase.finish(company) == 1, "its event is taken, and may be on its way"
    with django_capture_on_commit_callbacks(execute=True):
        delivery._deliver(batch)
    assert sandbox.control.stats().unique == 1
    assert ConversionEvent.objects.get(lead=other).status == "accepted"
    assert ConversionEvent.objects.get(erasure=erasure).status == "cancelled"
    erasure.refresh_from_db()
    assert erasure.state == "completed"


def test_a_stored_element_is_not_sent_either(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox
) -> None:
    lead = LeadFactory(company=company)
    ConversionEvent.objects.update(element='{"a": 1}', told_lead=lead)
    batch = claimed(company)
    erase.erase_lead(lead, SHELL)
    delivery._deliver(batch)
    assert sandbox.control.stats().requests == 0
    assert ConversionEvent.objects.get().status == "cancelled"


@pytest.mark.parametrize("answer", ["accepted", "unanswered"])
def test_what_is_on_its_way_is_awaited(
    company: Company,
    rules: dict[str, Rule],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Capture,
    settings: Any,
    answer: str,
) -> None:
    lead = LeadFactory(company=company)
    if answer == "unanswered":
        settings.LINKEDIN_API_URL = "http://127.0.0.1:9"
    send = delivery._send
    seen: list[Erasure] = []

    def erase_then_send(*args: Any) -> Any:
        seen.append(erase.erase_lead(lead, SHELL))
        assert erase.finish(company) == 1
        return send(*args)

    monkeypatch.setattr(delivery, "_send", erase_then_send)
    batch = claimed(company)
    with django_capture_on_commit_callbacks(execute=True):
        delivery._deliver(batch)
    [erasure] = seen
    erasure.refresh_from_db()
    event = ConversionEvent.objects.get()
    assert event.status == ("accepted" if answer == "accepted" else "cancelled")
    assert (event.element, event.identifiers, event.told_lead) == ("", [], None)
    assert erasure.state == "completed"
    assert Attempt.objects.count() == 1


def test_a_sender_that_died_holds_the_erasure_up_until_its_lease_ends(
    company: Company, rules: dict[str, Rule]
) -> None:
    lead = LeadFactory(company=company)
    delivery._prepare(claimed(company))
    erasure = erase.erase_lead(lead, SHELL)
    assert erase.finish(company) == 1
    ConversionEvent.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert erase.finish(company) == 0
    erasure.refresh_from_db()
    assert erasure.state == "completed"
    assert ConversionEvent.objects.get().status == "cancelled"


def test_the_sweep_completes_what_a_dead_sender_left(
    company: Company, rules: dict[str, Rule], deliver: Deliver, django_capture_on_commit_callbacks: Capture
) -> None:
    lead = LeadFactory(company=company)
    delivery._prepare(claimed(company))
    erase.erase_lead(lead, SHELL)
    ConversionEvent.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        deliver()
    assert Erasure.objects.get().state == "completed"
    assert ConversionEvent.objects.get().status == "cancelled"


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_erasing_races_the_claim(sandbox: RunningSandbox) -> None:
    """Twenty times, or CHAOS_RACES: no request that names the person is noted after their erasure is completed."""
    company = CompanyFactory()
    chance = dying.seed()
    with company_scope(company):
        connect(company)
        RuleFactory(company=company)
    for round_ in range(int(os.environ.get("CHAOS_RACES", "20"))):
        with company_scope(company):
            lead = LeadFactory(company=company, email=f"racer{round_}@customer.test")
            event = ConversionEvent.objects.get(lead=lead)

        def work(pause: float = chance.random() / 40) -> None:
            try:
                time.sleep(pause)
                delivery.deliver_turn(company.pk)
            finally:
                database.close()

        sender = threading.Thread(target=work)
        sender.start()
        time.sleep(chance.random() / 40)
        with company_scope(company):
            erasure = erase.erase_lead(lead, SHELL)
            sender.join()
            assert erase.finish(company) == 0
            erasure.refresh_from_db()
            event.refresh_from_db()
            assert event.status in (Status.ACCEPTED, Status.CANCELLED)
            assert event.element == ""
            noted = Delivery.objects.filter(event=event).values_list("attempt__at", flat=True)
            assert all(at < erasure.completed_at for at in noted)
            assert event.status == Status.CANCELLED or noted
            Connection.objects.update(waits_until=None)
