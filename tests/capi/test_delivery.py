"""From a change in the CRM to LinkedIn's answer, against the strict sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from capi import operations
from capi.models import Attempt, Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from capi.sandbox.world import SANDBOX_TOKEN
from crm.actions import companies, deals, leads
from crm.actor import SYSTEM
from crm.models import Company, LeadStatus
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory, connect

Deliver = Callable[[], int]


def due_now() -> None:
    ConversionEvent.objects.update(next_attempt_at=timezone.now())


def only_event(**filters: object) -> ConversionEvent:
    return ConversionEvent.objects.get(**filters)


def unpause() -> None:
    Connection.objects.update(waits_until=None)


def test_four_facts_become_four_accepted_conversions(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    company.settle_minutes = 0
    company.save()
    lead = LeadFactory(company=company, email=" John@Example.com ")
    leads.change_status(lead, LeadStatus.objects.get(key="qualified"), SHELL)
    deal = DealFactory(company=company, lead=lead, amount="62000", currency="USD")
    deals.win_deal(deal, SHELL)
    deliver()
    events = ConversionEvent.objects.order_by("created_at")
    assert [(event.event, event.status) for event in events] == [
        ("lead_created", "accepted"),
        ("lead_qualified", "accepted"),
        ("deal_created", "accepted"),
        ("deal_won", "accepted"),
    ]
    assert sandbox.control.stats().unique == 4
    won = only_event(event="deal_won")
    assert '"conversionValue":{"currencyCode":"USD","amount":"62000.00"}' in won.element
    assert "855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4" in won.element
    assert won.attempts == 1
    assert Attempt.objects.get(deliveries__event=won).status_code == 200


def test_won_settles_before_it_is_sent(company: Company, rules: dict[str, Rule], deliver: Deliver) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    deals.win_deal(deal, SHELL)
    deliver()
    won = only_event(event="deal_won")
    assert won.status == Status.PENDING
    assert won.is_settling
    due_now()
    deliver()
    assert only_event(event="deal_won").status == Status.ACCEPTED


def test_an_undone_win_is_cancelled_and_a_later_one_is_sent(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    deals.win_deal(deal, SHELL)
    deals.reopen_deal(deal, SHELL)
    deals.win_deal(deal, SHELL)
    due_now()
    deliver()
    first, second = ConversionEvent.objects.filter(event="deal_won").order_by("occurrence")
    assert (first.status, first.reason) == ("cancelled", "undone")
    assert (second.status, second.occurrence) == ("accepted", 2)
    assert first.event_id != second.event_id


def test_without_a_token_events_are_held_and_flow_once_there_is_one(
    company: Company, sandbox: RunningSandbox, deliver: Deliver
) -> None:
    RuleFactory(company=company)
    LeadFactory(company=company)
    deliver()
    event = only_event()
    assert (event.status, event.held_by, event.reason) == ("held", "connection", "no_token")
    connect(company)
    deliver()
    assert only_event().status == Status.ACCEPTED


def test_a_revoked_token_holds_everything_and_a_new_one_frees_it(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    for _ in range(5):
        LeadFactory(company=company)
    sandbox.control.revoke_token(SANDBOX_TOKEN)
    deliver()
    connection = Connection.objects.get()
    assert (connection.state, connection.held_reason) == ("paused", "token_revoked")
    assert set(ConversionEvent.objects.values_list("status", "held_by", "reason")) == {
        ("held", "connection", "token_revoked")
    }
    LeadFactory(company=company)
    sandbox.control.add_token("a-fresh-token-of-acme", [507404993])
    operations.save_token(company, "a-fresh-token-of-acme", SHELL)
    deliver()
    assert set(ConversionEvent.objects.values_list("status", flat=True)) == {"accepted"}


def test_one_bad_event_among_a_hundred_costs_one_request_more(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    for _ in range(100):
        LeadFactory(company=company)
    bad = ConversionEvent.objects.order_by("id")[41]
    sandbox.control.poison([bad.event_id], indices=True, status=422)
    assert deliver() == 2
    assert only_event(status="rejected").pk == bad.pk
    assert ConversionEvent.objects.filter(status="accepted").count() == 99


def test_a_refusal_without_indices_is_isolated_by_halving(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    for _ in range(100):
        LeadFactory(company=company)
    bad = ConversionEvent.objects.order_by("id")[67]
    sandbox.control.poison([bad.event_id])
    requests = 0
    while ConversionEvent.objects.filter(status="pending").exists() and requests < 30:
        requests += deliver()
    assert requests <= 15
    assert only_event(status="rejected").pk == bad.pk
    assert ConversionEvent.objects.filter(status="accepted").count() == 99


def test_an_unknown_rule_is_held_alone(company: Company, rules: dict[str, Rule], deliver: Deliver) -> None:
    unknown = RuleFactory(company=company, event="lead_created", conversion_id="999")
    LeadFactory(company=company)
    deliver()
    assert only_event(rule=rules["lead_created"]).status == Status.ACCEPTED
    held = only_event(rule=unknown)
    assert (held.status, held.held_by, held.reason) == ("held", "rule", "rule_unknown")


def test_editing_the_conversion_id_reissues_what_was_never_accepted(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    unknown = RuleFactory(company=company, event="deal_won", conversion_id="999")
    company.settle_minutes = 0
    company.save()
    deals.win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)
    deliver()
    operations.update_rule(unknown, {"conversion_id": "23948820"}, SHELL)
    deliver()
    old, new = ConversionEvent.objects.filter(rule=unknown).order_by("created_at")
    assert (old.status, old.reason, old.conversion_id) == ("cancelled", "rule_changed", "999")
    assert (new.status, new.conversion_id, new.value) == ("accepted", "23948820", old.value)
    assert new.happened_at == old.happened_at
    assert new.event_id != old.event_id


def test_a_fault_pauses_the_connection_and_charges_nothing(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    LeadFactory(company=company)
    sandbox.control.fault("status", status=503, count=1)
    deliver()
    event, connection = only_event(), Connection.objects.get()
    assert (event.status, event.failures, event.attempts) == ("pending", 0, 1)
    assert connection.waits_until is not None
    assert connection.failures == 1
    unpause()
    deliver()
    assert only_event().status == Status.ACCEPTED
    assert Connection.objects.get().failures == 0


def test_a_cut_line_after_acceptance_is_a_counted_duplicate(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    LeadFactory(company=company)
    sandbox.control.fault("reset", after_accept=True, count=1)
    deliver()
    event = only_event()
    assert (event.status, event.possible_duplicate, event.reason) == ("pending", True, "no_answer")
    first = event.element
    unpause()
    deliver()
    event = only_event()
    assert (event.status, event.possible_duplicate, event.element) == ("accepted", True, first)
    assert sandbox.control.stats().duplicates == 1


def test_a_dead_worker_s_batch_is_taken_up_after_its_lease(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    from capi import claiming, delivery

    LeadFactory(company=company)
    batch = claiming.claim(company, timezone.now())
    assert isinstance(batch, claiming.Batch)
    delivery._prepare(batch)  # noted, then killed
    assert deliver() == 0
    ConversionEvent.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    deliver()
    event = only_event()
    assert (event.status, event.unknown_outcomes, event.attempts) == ("accepted", 1, 2)


def test_a_frozen_worker_writes_nothing_after_its_lease(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    from capi import claiming, delivery

    LeadFactory(company=company)
    batch = claiming.claim(company, timezone.now())
    assert isinstance(batch, claiming.Batch)
    events = delivery._prepare(batch)
    ConversionEvent.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    deliver()
    late = delivery.outcome.of_not_sent(delivery.NotSent("late"), len(events))
    delivery.settle(batch, events, late, timezone.now(), status_code=None, duration_ms=1)
    assert only_event().status == Status.ACCEPTED


def test_a_test_event_goes_out_while_the_connection_is_held(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    operations.pause_connection(Connection.objects.get(), SHELL)
    LeadFactory(company=company)
    operations.send_test(rules["lead_created"], SHELL)
    deliver()
    assert only_event(is_test=True).status == Status.ACCEPTED
    assert only_event(is_test=False).reason == "paused_by_person"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"email": ""}, "no_identifier"),
        ({"consent": "denied"}, "consent_denied"),
        ({"is_test": True}, "test_lead"),
        ({"email": "me@acme-internal.test"}, "internal_lead"),
    ],
)
def test_what_must_not_be_sent_is_skipped_with_its_reason(
    company: Company, rules: dict[str, Rule], deliver: Deliver, changes: dict[str, object], reason: str
) -> None:
    company.internal_domains = ["acme-internal.test"]
    company.save()
    LeadFactory(company=company, **changes)
    deliver()
    assert (only_event().status, only_event().reason) == ("skipped", reason)


def test_unknown_consent_waits_where_the_policy_says_so(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    company.consent_policy = "hold_eea"
    company.save()
    german = LeadFactory(company=company, country_code="DE")
    LeadFactory(company=company, country_code="US")
    deliver()
    assert (only_event(lead=german).status, only_event(lead=german).held_by) == ("held", "lead")
    assert only_event(lead__country_code="US").status == Status.ACCEPTED
    leads.set_consent(german, "granted", SHELL, source="phone")
    deliver()
    assert only_event(lead=german).status == Status.ACCEPTED


def test_the_linked_person_with_an_identifier_stands_in_for_the_primary_one(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    primary, other = LeadFactory(company=company, email=""), LeadFactory(company=company)
    deal = DealFactory(company=company, lead=primary)
    deals.add_person(deal, other, "decides", SHELL)
    deliver()
    event = only_event(event="deal_created")
    assert (event.status, event.told_lead) == ("accepted", other)


def test_too_old_facts_are_recorded_as_expired(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company, occurred_at=timezone.now() - timedelta(days=89, hours=1))
    assert (only_event().status, only_event().reason) == ("expired", "too_old")


def test_nothing_is_sent_after_its_deadline(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.update(expires_at=timezone.now())
    deliver()
    assert only_event().status == Status.EXPIRED
    assert sandbox.control.stats().accepted == 0


def test_a_new_policy_lets_go_of_what_it_held(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    company = companies.update_company(company, {"consent_policy": "hold"}, SYSTEM)
    LeadFactory(company=company)
    deliver()
    assert only_event().held_by == "lead"
    companies.update_company(company, {"consent_policy": "send"}, SYSTEM)
    deliver()
    assert only_event().status == Status.ACCEPTED


def test_a_country_outside_europe_lets_go_of_what_waits_for_consent(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    company = companies.update_company(company, {"consent_policy": "hold_eea"}, SYSTEM)
    lead = LeadFactory(company=company)
    deliver()
    assert only_event().held_by == "lead"
    leads.update_lead(lead, {"country_code": "US"}, SHELL)
    deliver()
    assert only_event().status == Status.ACCEPTED
