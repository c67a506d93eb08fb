"""Changes to deals: one road into every stage, and which facts it makes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crm import signals
from crm.actions import deals
from crm.errors import Conflict
from crm.models import Activity, Company, Deal, DealStageChange, Pipeline, Stage
from tests.factories import SHELL, DealFactory, LeadFactory

NAMES = ("deal_created", "deal_won", "deal_lost", "deal_reopened")


@pytest.fixture
def facts() -> Iterator[list[tuple[str, int]]]:
    """The facts sent during the test, as (name, occurrence)."""
    heard: list[tuple[str, int]] = []
    listeners = []
    for name in NAMES:

        def listen(sender: type, fact: Any, name: str = name, **kwargs: Any) -> None:
            heard.append((name, fact.occurrence))

        getattr(signals, name).connect(listen)
        listeners.append((name, listen))
    yield heard
    for name, listen in listeners:
        getattr(signals, name).disconnect(listen)


def stage(key: str, pipeline: str = "sales") -> Stage:
    return Stage.objects.get(key=key, pipeline__key=pipeline)


def test_a_deal_starts_in_the_first_open_stage_of_sales(
    company: Company, facts: list[tuple[str, int]]
) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    assert (deal.pipeline.key, deal.stage.key, deal.status) == ("sales", "qualification", "open")
    assert facts == [("deal_created", 1)]


def test_without_a_lead_it_fires_when_its_first_lead_comes(
    company: Company, facts: list[tuple[str, int]]
) -> None:
    deal = DealFactory(company=company)
    assert facts == []
    deals.update_deal(deal, {"lead": LeadFactory(company=company)}, SHELL)
    assert facts == [("deal_created", 1)]


def test_won_is_a_fact_once_however_often_it_is_said(company: Company, facts: list[tuple[str, int]]) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    deals.win_deal(deal, SHELL)
    won = deals.win_deal(deal, SHELL)
    assert (won.status, won.stage.key) == ("won", "closed-won")
    assert won.won_at is not None
    assert facts == [("deal_created", 1), ("deal_won", 1)]


def test_lost_needs_a_reason(company: Company) -> None:
    deal = DealFactory(company=company)
    with pytest.raises(ValidationError) as refused:
        deals.lose_deal(deal, "  ", SHELL)
    assert list(refused.value.message_dict) == ["reason"]
    lost = deals.lose_deal(deal, "Price", SHELL)
    assert (lost.status, lost.close_reason) == ("lost", "Price")


def test_won_cannot_become_lost_without_reopening(company: Company) -> None:
    deal = deals.win_deal(DealFactory(company=company), SHELL)
    with pytest.raises(Conflict):
        deals.lose_deal(deal, "Price", SHELL)
    with pytest.raises(Conflict):
        deals.move_deal(deal, stage("closed-lost"), SHELL, reason="Price")


def test_reopening_goes_back_to_the_stage_it_came_from(
    company: Company, facts: list[tuple[str, int]]
) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    deals.move_deal(deal, stage("negotiation"), SHELL)
    deals.win_deal(deal, SHELL)
    deal = deals.reopen_deal(deal, SHELL)
    assert (deal.stage.key, deal.status, deal.won_at) == ("negotiation", "open", None)
    assert facts[-1] == ("deal_reopened", 2)  # the second time it is open


def test_the_occurrence_counts_the_transitions(company: Company, facts: list[tuple[str, int]]) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    for _ in range(2):
        deals.win_deal(deal, SHELL)
        deals.reopen_deal(deal, SHELL)
    deals.lose_deal(deal, "Price", SHELL)
    assert [fact for fact in facts if fact[0] in ("deal_won", "deal_lost")] == [
        ("deal_won", 1),
        ("deal_won", 2),
        ("deal_lost", 1),
    ]


def test_only_sales_pipelines_report_their_outcome(company: Company, facts: list[tuple[str, int]]) -> None:
    onboarding = Pipeline.objects.get(key="onboarding")
    deals.win_deal(
        DealFactory(company=company, lead=LeadFactory(company=company), pipeline=onboarding), SHELL
    )
    assert facts == [("deal_created", 1)]


def test_a_deal_created_as_won_has_both_steps_in_its_history(
    company: Company, facts: list[tuple[str, int]]
) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company), stage=stage("closed-won"))
    assert deal.status == "won"
    assert facts == [("deal_created", 1), ("deal_won", 1)]
    assert [change.to_kind for change in DealStageChange.objects.filter(deal=deal)] == ["open", "won"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 161}, "title"),
        ({"amount": "1e30"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "1,000"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1.234"}, "amount"),
        ({"amount": "1" * 14}, "amount"),
        ({"amount": "10.5", "currency": "JPY"}, "amount"),
        ({"currency": "usd "}, "currency"),
        ({"currency": "ZZZ"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"next_step": "N\x00L"}, "next_step"),
    ],
)
def test_bad_input_names_its_field_and_leaves_nothing_behind(
    company: Company, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        DealFactory(company=company, **changes)
    assert list(refused.value.message_dict) == [field]
    assert not Deal.objects.exists()


@pytest.mark.parametrize(
    ("amount", "currency", "kept"),
    [("1234.5", "EUR", "1234.50"), ("12", "JPY", "12"), ("1.234", "KWD", "1.234")],
)
def test_amounts_are_exact(company: Company, amount: str, currency: str, kept: str) -> None:
    deal = DealFactory(company=company, amount=amount, currency=currency)
    assert Deal.objects.get(pk=deal.pk).amount == Decimal(kept)


def test_every_move_is_on_the_timeline(company: Company) -> None:
    deal = DealFactory(company=company)
    deals.lose_deal(deal, "No budget", SHELL)
    moved = Activity.objects.get(deal=deal, kind="stage")
    assert (moved.old, moved.new, moved.text) == ("Qualification", "Closed Lost", "No budget")


def test_a_person_is_on_a_deal_once(company: Company) -> None:
    deal, person = DealFactory(company=company), LeadFactory(company=company)
    deals.add_person(deal, person, "decides", SHELL)
    with pytest.raises(ValidationError):
        deals.add_person(deal, person, "pays", SHELL)
