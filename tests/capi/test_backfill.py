"""What happened before a rule listened is told as it would have been then, and nothing is told twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from capi import backfill, operations
from capi.models import ConversionEvent, Lane, Rule
from crm.actions import deals
from crm.errors import Conflict
from crm.models import AuditEntry, Company, Lead, LeadStatus
from crm.tenancy import company_scope
from tests.crm.api.caller import Api, code
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory, connect

pytestmark = pytest.mark.django_db


def counts(rule: Rule) -> dict[str, int]:
    """What the preview says, without what is nothing."""
    found = backfill.preview(Rule.objects.get(pk=rule.pk), timezone.now())
    return {name: count for name, count in asdict(found).items() if count}


def run(rule: Rule) -> None:
    backfill.start(rule, SHELL)
    assert not backfill.work(rule.company_id, rule.pk, 60)


def events() -> list[ConversionEvent]:
    return list(ConversionEvent.objects.order_by("next_attempt_at", "pk"))


def ids() -> set[tuple[str, Any, Any]]:
    return {(event.event_id, event.happened_at, event.value) for event in events()}


@pytest.fixture
def past(company: Company) -> list[Lead]:
    """Three people who were there before the rule, the oldest last."""
    connect(company)
    now = timezone.now()
    return [LeadFactory(company=company, occurred_at=now - timedelta(days=days)) for days in (1, 20, 80)]


def test_the_preview_counts_each_fact_once(company: Company, past: list[Lead]) -> None:
    LeadFactory(company=company, email="")
    LeadFactory(company=company, consent="denied")
    LeadFactory(company=company, is_test=True)
    LeadFactory(company=company, status=LeadStatus.objects.filter(category="lost").first())
    LeadFactory(company=company, is_sample=True)
    LeadFactory(company=company, occurred_at=timezone.now() - timedelta(days=100))
    rule = RuleFactory(company=company)
    LeadFactory(company=company)
    assert counts(rule) == {
        "already_sent": 1,
        "too_old": 1,
        "excluded": 2,
        "no_consent": 1,
        "no_identifier": 1,
        "eligible": 4,
    }
    assert ConversionEvent.objects.count() == 1


def test_consent_that_is_open_counts_by_the_policy(company: Company, past: list[Lead]) -> None:
    company.consent_policy = "hold"
    company.save()
    assert counts(RuleFactory(company=company)) == {"no_consent": 3}


def test_it_records_with_its_own_time_oldest_first_in_the_slow_lane(
    company: Company, past: list[Lead]
) -> None:
    rule = RuleFactory(company=company)
    run(rule)
    assert [event.happened_at for event in events()] == [lead.occurred_at for lead in reversed(past)]
    assert {(event.lane, event.status, event.settles_at) for event in events()} == {
        (Lane.BACKFILL, "pending", None)
    }
    assert Rule.objects.get().backfill_until is None
    assert counts(rule) == {"already_sent": 3}


def test_it_tells_nothing_twice(company: Company, past: list[Lead]) -> None:
    rule = RuleFactory(company=company)
    run(rule)
    run(rule)
    assert ConversionEvent.objects.count() == 3


def test_what_another_conversion_was_told_is_not_told_again(company: Company) -> None:
    connect(company)
    rule = RuleFactory(company=company)
    LeadFactory(company=company)
    ConversionEvent.objects.update(status="accepted", accepted_at=timezone.now())
    operations.update_rule(rule, {"conversion_id": "23948817"}, SHELL)
    assert counts(rule) == {"already_sent": 1}


def test_another_rule_for_the_same_conversion_tells_it_once(company: Company, past: list[Lead]) -> None:
    run(RuleFactory(company=company))
    run(RuleFactory(company=company))
    assert ConversionEvent.objects.count() == 3


def test_its_ids_are_those_of_live_events(company: Company) -> None:
    connect(company)
    qualified = LeadStatus.objects.get(key="qualified")
    rules = [
        RuleFactory(company=company, event=event)
        for event in ("lead_created", "lead_qualified", "deal_created", "deal_won", "deal_lost")
    ]
    lead = LeadFactory(company=company, status=qualified, attribution={"event_id": "web-1"})
    deal = deals.win_deal(DealFactory(company=company, lead=lead), SHELL)
    deals.lose_deal(DealFactory(company=company, lead=lead), "Too dear", SHELL)
    assert "web-1" in {event.event_id for event in events()}
    live = ids()
    assert len(live) == 6
    ConversionEvent.objects.all().delete()
    for rule in rules:
        run(rule)
    assert ids() == live
    # Won again: another occurrence, as live events count it.
    ConversionEvent.objects.all().delete()
    operations.update_rule(rules[3], {"repeat": "each_cycle"}, SHELL)
    deals.win_deal(deals.reopen_deal(deal, SHELL), SHELL)
    [again] = [event for event in events() if event.event == "deal_won"]
    ConversionEvent.objects.all().delete()
    run(rules[3])
    assert [event.event_id for event in events()] == [again.event_id]


def test_a_deal_that_was_reopened_is_not_told(company: Company) -> None:
    connect(company)
    deal = deals.win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)
    deals.reopen_deal(deal, SHELL)
    DealFactory(company=company)  # about nobody
    assert counts(RuleFactory(company=company, event="deal_won")) == {}


@pytest.mark.parametrize(
    ("conditions", "eligible"),
    [
        ({"sources": ["FAIR"]}, 1),
        ({"countries": ["DE"]}, 1),
        ({"tags": ["VIP"]}, 1),
        ({"tags": ["vip"], "countries": ["FR"]}, 0),
        ({"sources": []}, 2),
    ],
)
def test_conditions_leave_out_what_they_would_have_left_out(
    company: Company, conditions: dict[str, Any], eligible: int
) -> None:
    LeadFactory(company=company, source="Fair", country_code="DE", tags=["vip"])
    LeadFactory(company=company, source="Web")
    rule = RuleFactory(company=company, conditions=conditions)
    assert counts(rule).get("eligible", 0) == eligible


def test_an_amount_may_be_asked_of_deals(company: Company) -> None:
    for amount in ("50.00", "1000.00"):
        DealFactory(company=company, lead=LeadFactory(company=company), amount=amount)
    rule = RuleFactory(company=company, event="deal_created", conditions={"min_amount": "100.00"})
    assert counts(rule) == {"eligible": 1, "excluded": 1}


def test_many_of_one_moment_are_all_recorded(
    company: Company, past: list[Lead], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "CHUNK", 2)
    Lead.objects.update(occurred_at=timezone.now() - timedelta(days=3))
    run(RuleFactory(company=company))
    assert ConversionEvent.objects.count() == 3


def test_stopped_it_goes_on_with_the_rest(
    company: Company, past: list[Lead], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "CHUNK", 2)
    rule = RuleFactory(company=company)
    backfill.start(rule, SHELL)
    assert backfill.work(company.pk, rule.pk, 0)
    backfill.stop(rule, SHELL)
    assert not backfill.work(company.pk, rule.pk, 60)
    assert ConversionEvent.objects.count() == 2
    run(rule)
    assert ConversionEvent.objects.count() == 3
    done = AuditEntry.objects.filter(action__startswith="backfill").order_by("pk")
    assert [entry.action for entry in done] == ["backfill_started", "backfill_stopped", "backfill_started"]


def test_a_rule_that_is_off_begins_nothing_and_goes_on_with_nothing(
    company: Company, past: list[Lead]
) -> None:
    rule = RuleFactory(company=company)
    backfill.start(rule, SHELL)
    assert backfill.running() == [(company.pk, rule.pk)]
    operations.update_rule(rule, {"is_active": False}, SHELL)
    assert backfill.running() == []
    assert not backfill.work(company.pk, rule.pk, 60)
    assert not ConversionEvent.objects.exists()
    with pytest.raises(Conflict):
        backfill.start(rule, SHELL)


def test_another_company_s_past_stays_there(
    company: Company, other_company: Company, past: list[Lead]
) -> None:
    with company_scope(other_company):
        LeadFactory(company=other_company)
        rule = RuleFactory(company=other_company)
        assert counts(rule) == {"eligible": 1}
        run(rule)
        assert ConversionEvent.objects.count() == 1
    assert not ConversionEvent.objects.exists()


def test_the_api_counts_starts_and_stops(
    company: Company, past: list[Lead], api: Api, caller_of: Callable[..., Api]
) -> None:
    rule = RuleFactory(company=company)
    path = f"capi/rules/{rule.pk}/backfill/"
    none = {
        "state": "none",
        "eligible": 3,
        "no_identifier": 0,
        "no_consent": 0,
        "too_old": 0,
        "already_sent": 0,
        "excluded": 0,
    }
    assert api.get(path).json() == none
    started = api.post(path)
    assert (started.status_code, started.json()) == (202, {**none, "state": "running"})
    assert api.delete(path).status_code == 204
    assert api.get(path).json() == none
    assert code(caller_of(company, "read", "write").post(path), 403) == "permission_denied"
    operations.update_rule(rule, {"is_active": False}, SHELL)
    assert code(api.post(path), 409) == "rule_off"
