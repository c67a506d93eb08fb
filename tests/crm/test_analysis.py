"""The numbers of the reports, worked out by hand beside the code that has the database work them out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine

from crm import analysis
from crm.actions import tasks
from crm.actions.deals import archive_deal, lose_deal, move_deal, reopen_deal, win_deal
from crm.actions.leads import archive_lead
from crm.actions.timeline import add_note
from crm.actor import Actor
from crm.analysis import Stay
from crm.models import Company, Deal, Lead, LeadStatus, Pipeline, Stage, Task, User
from crm.reports import Money
from tests.factories import SHELL, DealFactory, LeadFactory

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
SPAN = (dt.datetime(2026, 11, 1, tzinfo=dt.UTC), dt.datetime(2026, 12, 1, tzinfo=dt.UTC))


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def stages(company: Company) -> dict[str, Stage]:
    return {stage.key: stage for stage in Stage.objects.filter(pipeline__key="sales")}


@pytest.fixture
def sales(stages: dict[str, Stage]) -> Pipeline:
    return stages["proposal"].pipeline


def on(month: int, day: int, hour: int = 12) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


def euros(amount: str) -> Money:
    return Money("EUR", Decimal(amount))


# --- Pipeline and ageing ------------------------------------------------------------------------------------


def lines_by_key(company: Company, stages: dict[str, Stage]) -> dict[str, analysis.StageLine]:
    found = analysis.stage_lines(Deal.objects.current(), list(stages.values()), SPAN, NOW, "EUR")
    return {line.stage.key: line for line in found}


def test_the_days_in_a_stage_come_from_the_history(company: Company, stages: dict[str, Stage]) -> None:
    # 14, 10 and 1 days in Qualification; 5 and 30 in Discovery. Carl left Qualification in October.
    anna, bert, carl, dora = (
        DealFactory(company=company, at=at) for at in (on(10, 20), on(10, 31), on(10, 1), on(11, 1))
    )
    for deal, key, at in (
        (anna, "discovery", on(11, 3)),
        (anna, "proposal", on(11, 8)),
        (bert, "discovery", on(11, 10)),
        (carl, "discovery", on(10, 15)),
        (carl, "proposal", on(11, 14)),
        (dora, "discovery", on(11, 2)),
    ):
        move_deal(deal, stages[key], SHELL, at=at)
    lines = lines_by_key(company, stages)
    assert lines["qualification"].stay == Stay(3, pytest.approx(25 / 3), pytest.approx(10))
    assert lines["discovery"].stay == Stay(2, pytest.approx(17.5), pytest.approx(17.5))
    assert lines["proposal"].stay == Stay(0, None, None)
    assert list(lines) == ["qualification", "discovery", "proposal", "negotiation"]


def test_a_second_stay_in_a_stage_counts_apart(company: Company, stages: dict[str, Stage]) -> None:
    deal = DealFactory(company=company, at=on(11, 1))
    for key, day in (("discovery", 3), ("qualification", 4), ("proposal", 14)):
        move_deal(deal, stages[key], SHELL, at=on(11, day))
    assert lines_by_key(company, stages)["qualification"].stay == Stay(2, pytest.approx(6), pytest.approx(6))


def test_open_deals_are_sorted_into_ages(company: Company, stages: dict[str, Stage]) -> None:
    # Six days and 23 hours, exactly seven days, 13, 14, 29 and 30 days ago.
    moments = (on(11, 13, 13), on(11, 13), on(11, 7), on(11, 6), on(10, 22), on(10, 21))
    for at in moments:
        DealFactory(company=company, at=at)
    win_deal(DealFactory(company=company, at=on(9, 1)), SHELL)
    archive_deal(DealFactory(company=company, at=on(9, 1)), SHELL)
    line = lines_by_key(company, stages)["qualification"]
    assert line.ages == (1, 2, 2, 1)
    assert line.total.count == 6


def test_each_deal_has_exactly_one_age(company: Company) -> None:
    for days in range(45):
        DealFactory(company=company, at=NOW - dt.timedelta(days=days))
    for deal in Deal.objects.all():
        held = [
            name for name, age in analysis.AGES.items() if Deal.objects.filter(age.holds(NOW), pk=deal.pk)
        ]
        assert len(held) == 1


def test_sums_of_stages_keep_currencies_apart(company: Company, stages: dict[str, Stage]) -> None:
    DealFactory(company=company, amount="1000", stage=stages["proposal"])
    DealFactory(company=company, amount="30", currency="USD", stage=stages["proposal"])
    DealFactory(company=company, amount=None, currency="EUR", stage=stages["proposal"])
    total = lines_by_key(company, stages)["proposal"].total
    assert total.count == 3
    assert total.sums == (euros("1000.00"), Money("USD", Decimal("30.00")))
    assert total.weighted == (euros("500.00"), Money("USD", Decimal("15.00")))


# --- Win rate and sales cycle -------------------------------------------------------------------------------


@pytest.fixture
def closed(company: Company, stages: dict[str, Stage]) -> None:
    """LinkedIn: won after 35 and 20 days, lost one. Web: lost one. Nobody: won after 10. Others not in November."""
    linkedin = LeadFactory(company=company, source="LinkedIn")
    web = LeadFactory(company=company, source="Web")
    win_deal(DealFactory(company=company, lead=linkedin, amount="1000", at=on(10, 1)), SHELL, at=on(11, 5))
    dollars = DealFactory(company=company, lead=linkedin, amount="500", currency="USD", at=on(10, 20))
    win_deal(dollars, SHELL, at=on(11, 9))
    lose_deal(DealFactory(company=company, lead=linkedin, at=on(10, 1)), "Price", SHELL, at=on(11, 10))
    lose_deal(DealFactory(company=company, lead=web, at=on(10, 1)), "Price", SHELL, at=on(11, 30, 23))
    win_deal(DealFactory(company=company, amount="10", at=on(11, 1)), SHELL, at=on(11, 11))
    win_deal(DealFactory(company=company, lead=web, at=on(10, 1)), SHELL, at=on(10, 31, 23))
    lose_deal(DealFactory(company=company, lead=web, at=on(10, 1)), "Price", SHELL, at=on(12, 1, 0))
    DealFactory(company=company, lead=web, at=on(10, 1))


def test_win_rate_and_cycle_by_source(closed: None) -> None:
    found = analysis.source_lines(Deal.objects.current(), SPAN, "EUR")
    linkedin, nobody, web = found.lines
    assert (linkedin.source, linkedin.won, linkedin.lost) == ("LinkedIn", 2, 1)
    assert linkedin.rate == pytest.approx(200 / 3)
    assert linkedin.sums == (euros("1000.00"), Money("USD", Decimal("500.00")))
    assert linkedin.cycle == Stay(2, pytest.approx(27.5), pytest.approx(27.5))
    assert (nobody.source, nobody.won, nobody.rate, nobody.cycle.median) == ("", 1, 100, pytest.approx(10))
    assert (web.source, web.won, web.lost, web.rate) == ("Web", 0, 1, 0)
    assert web.cycle == Stay(0, None, None)


def test_all_sources_have_a_median_of_their_own(closed: None) -> None:
    total = analysis.source_lines(Deal.objects.current(), SPAN, "EUR").total
    assert (total.won, total.lost, total.rate) == (3, 2, 60)
    assert total.cycle == Stay(3, pytest.approx(65 / 3), pytest.approx(20))
    assert total.sums == (euros("1010.00"), Money("USD", Decimal("500.00")))


def test_a_reopened_deal_is_not_closed(company: Company) -> None:
    deal = DealFactory(company=company, at=on(11, 1))
    win_deal(deal, SHELL, at=on(11, 5))
    reopen_deal(deal, SHELL)
    assert analysis.source_lines(Deal.objects.current(), SPAN, "EUR").total.closed == 0


def test_of_nothing_there_is_no_rate(company: Company) -> None:
    total = analysis.source_lines(Deal.objects.current(), SPAN, "EUR").total
    assert (total.rate, total.cycle) == (None, Stay(0, None, None))


# --- From source to revenue ---------------------------------------------------------------------------------


def test_the_funnel_says_what_became_of_the_leads(company: Company) -> None:
    qualified = LeadStatus.objects.get(key="qualified")
    plain, good, bought = (
        LeadFactory(company=company, source="LinkedIn", status=status, occurred_at=on(11, 3))
        for status in (None, qualified, qualified)
    )
    for amount, currency in (("1000", "EUR"), ("50", "EUR"), ("7", "USD")):
        deal = DealFactory(company=company, lead=bought, amount=amount, currency=currency)
        win_deal(deal, SHELL)
    lose_deal(DealFactory(company=company, lead=good), "Price", SHELL)
    DealFactory(company=company, lead=plain)
    onboarding = Stage.objects.get(pipeline__key="onboarding", kind="won")
    DealFactory(company=company, lead=plain, stage=onboarding, amount="99")
    web = LeadFactory(company=company, source="Web", occurred_at=on(11, 20))
    archive_lead(LeadFactory(company=company, source="Web", occurred_at=on(11, 3)), SHELL)
    archive_deal(win_deal(DealFactory(company=company, lead=web), SHELL), SHELL)
    LeadFactory(company=company, source="LinkedIn", occurred_at=on(10, 31))
    leads = Lead.objects.current().filter(occurred_at__gte=SPAN[0], occurred_at__lt=SPAN[1])
    first, second = lines = analysis.funnel_lines(leads, Deal.objects.current().sold(), "EUR")
    assert (first.source, first.leads, first.qualified, first.won) == ("LinkedIn", 3, 2, 1)
    assert first.sums == (euros("1050.00"), Money("USD", Decimal("7.00")))
    assert (second.source, second.leads, second.qualified, second.won, second.sums) == ("Web", 1, 0, 0, ())
    total = analysis.whole_funnel(lines, "EUR")
    assert (total.leads, total.qualified, total.won, total.sums) == (4, 2, 1, first.sums)


# --- Activity by person -------------------------------------------------------------------------------------


def test_what_each_person_did(company: Company, owner: User, agent: User) -> None:
    alice, bob = Actor("web", user=owner), Actor("web", user=agent)
    lead = LeadFactory(company=company, actor=alice, occurred_at=on(11, 3), owner=agent)
    LeadFactory(company=company, actor=alice, occurred_at=on(10, 3))
    LeadFactory(company=company, occurred_at=on(11, 3))
    for actor, kind, at in (
        (alice, "note", on(11, 4)),
        (alice, "note", on(11, 5)),
        (alice, "call", on(11, 5)),
        (alice, "call", on(10, 31)),
        (bob, "meeting", on(11, 6)),
        (bob, "email", on(11, 19)),
    ):
        add_note(lead, "Talked", actor, kind, at=at)
    for actor in (alice, bob):
        tasks.finish_task(tasks.create_task(company, {"title": "Ring", "lead": lead}, SHELL), actor)
    Task.objects.filter(done_by=agent).update(done_at=on(10, 30))
    for amount, currency in (("10", "EUR"), ("5", "USD")):
        won = DealFactory(company=company, owner=agent, amount=amount, currency=currency, at=on(11, 1))
        win_deal(won, SHELL, at=on(11, 9))
    nobody_s = DealFactory(company=company, owner=None, amount="3", at=on(11, 1))
    win_deal(nobody_s, SHELL, at=on(11, 9))
    first, second, third = analysis.person_lines(
        [owner, agent], Lead.objects.current(), Task.objects.current(), Deal.objects.current(), SPAN, "EUR"
    )
    assert (first.user, first.leads, first.tasks, first.won) == (owner, 1, 1, 0)
    assert first.written == {"note": 2, "call": 1}
    assert (second.user, second.leads, second.tasks, second.won) == (agent, 0, 0, 2)
    assert second.written == {"meeting": 1, "email": 1}
    assert second.sums == (euros("10.00"), Money("USD", Decimal("5.00")))
    assert (third.user, third.won, third.sums) == (None, 1, (euros("3.00"),))


def test_who_left_the_company_is_still_in_the_numbers(company: Company, owner: User, agent: User) -> None:
    add_note(LeadFactory(company=company), "Bye", Actor("web", user=agent), at=on(11, 4))
    found = analysis.person_lines(
        [owner], Lead.objects.current(), Task.objects.current(), Deal.objects.current(), SPAN, "EUR"
    )
    assert [(line.user, line.is_idle) for line in found] == [(owner, True), (agent, False)]
