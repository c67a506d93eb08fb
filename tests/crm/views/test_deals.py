"""The board and the list of deals."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm import panels
from crm.actions import deals as actions
from crm.models import Company, Deal, Stage, User
from crm.panels import Badge
from crm.views.deals import next_step_of
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory

TODAY = dt.date(2026, 11, 20)


def test_the_board_shows_stages_and_cards(alice: Browser, deal: Deal) -> None:
    page = alice.seen("deals")
    for name in ("Qualification", "Discovery", "Proposal", "Negotiation", "Closed Won", "Closed Lost"):
        assert name in page
    assert "Twelve docks" in page
    assert "Fjordline" in page


@pytest.mark.parametrize("query", ["", "?view=list"])
def test_it_answers_get_only(alice: Browser, query: str) -> None:
    assert alice.post("deals", query=query).status_code == 405


@pytest.mark.parametrize("query", ["", "?view=list", "?view=list&pipeline=all"])
def test_deals_of_another_company_are_not_there(charlie: Browser, deal: Deal, query: str) -> None:
    assert "Twelve docks" not in charlie.seen("deals", query=query)


@pytest.mark.parametrize("query", ["", "?view=list"])
def test_an_agent_sees_own_deals_and_sums_only(
    bob: Browser, agent: User, company: Company, deal: Deal, query: str
) -> None:
    DealFactory(company=company, title="Mine", owner=agent, amount="7.00")
    page = bob.seen("deals", query=query)
    assert "Mine" in page
    assert "Twelve docks" not in page
    assert "€1,007" not in page


def test_sums_and_weighted_sums_keep_currencies_apart(
    alice: Browser, company: Company, stages: dict[str, Stage]
) -> None:
    for amount, currency in (("1000", "USD"), ("100.10", "EUR"), ("200.20", "EUR"), (None, "EUR")):
        DealFactory(company=company, amount=amount, currency=currency, stage=stages["discovery"])
    page = alice.seen("deals")
    assert "€300.30 + $1,000" in page
    assert "€60.06 + $200 at 20&nbsp;%" in page
    assert "<b>€300.30 and $1,000</b> open in 4 deals" in page


def test_the_won_column_is_about_this_month(
    alice: Browser, company: Company, stages: dict[str, Stage]
) -> None:
    _won(company, "Longago", timezone.now() - dt.timedelta(days=40))
    _won(company, "Fresh", timezone.now())
    page = alice.seen("deals")
    assert "Fresh" in page
    assert "Longago" not in page
    assert "Longago" in alice.seen("deals", query="?view=list&stage=closed-won")


def _won(company: Company, title: str, at: dt.datetime) -> Deal:
    deal = DealFactory(company=company, title=title, at=at)
    return actions.win_deal(deal, SHELL, at=at)


def test_lost_deals_are_folded_until_asked_for(alice: Browser, deal: Deal) -> None:
    actions.lose_deal(deal, "Price", SHELL)
    assert "Twelve docks" not in alice.seen("deals")
    shown = alice.seen("deals", query="?lost=shown")
    assert "Twelve docks" in shown
    assert "Price" in shown


def test_a_column_shows_some_cards_and_says_how_many_more(alice: Browser, company: Company) -> None:
    for number in range(11):
        DealFactory(company=company, title=f"Deal number {number};")
    page = alice.seen("deals")
    assert "Show 3 more" in page
    assert page.count('class="deal"') == 8
    assert alice.seen("deals", query="?show-qualification=28").count('class="deal"') == 11


def test_a_long_column_shows_fifty_more_at_a_time(alice: Browser, company: Company) -> None:
    for _ in range(62):
        DealFactory(company=company)
    assert "Show 50 of 54 more" in alice.seen("deals")
    more = alice.seen("deals", query="?show-qualification=58")
    assert more.count('class="deal"') == 58
    assert "Show 4 more" in more


def test_a_column_reads_only_the_deals_it_shows(alice: Browser, company: Company) -> None:
    DealFactory(company=company)
    with CaptureQueriesContext(connection) as queries:
        alice.seen("deals")
    columns = [query["sql"] for query in queries if 'ORDER BY "crm_deal"."stage_since" DESC' in query["sql"]]
    assert len(columns) == 5  # lost is folded
    assert all(" LIMIT 8" in sql and "ROW_NUMBER" not in sql for sql in columns)


@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 30, "²"])
def test_a_nonsense_number_of_cards_is_left_out(alice: Browser, deal: Deal, value: str) -> None:
    assert "Twelve docks" in alice.seen("deals", query=f"?show-qualification={value}")


def test_other_pipelines_have_boards_of_their_own(alice: Browser, deal: Deal) -> None:
    page = alice.seen("deals", query="?pipeline=onboarding")
    assert "Twelve docks" not in page
    assert "No deals yet" in page
    assert "Twelve docks" in alice.seen("deals", query="?pipeline=nonsense")


def test_the_glyph_marks_stages_that_linkedin_is_told_of(
    alice: Browser, deal: Deal, stages: dict[str, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "LinkedIn is told" not in alice.seen("deals")
    monkeypatch.setattr(panels, "told_stages", [lambda pipeline: frozenset({stages["closed-won"].pk})])
    page = alice.seen("deals")
    assert "LinkedIn is told when a deal enters this stage" in page
    assert page.count('title="A LinkedIn rule listens to this stage"') == 1


def test_closed_deals_say_what_became_of_them(
    alice: Browser, deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions.win_deal(deal, SHELL)
    badge = Badge("LinkedIn accepted", "good", "check-circle")
    monkeypatch.setattr(panels, "deal_badges", [lambda deals: {deal.pk: badge for deal in deals}])
    assert "LinkedIn accepted" in alice.seen("deals")
    assert "LinkedIn accepted" in alice.seen("deals", query="?view=list")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?step=late", "Late"),
        ("?step=none", "Stepless"),
        ("?search=late+deal", "Late"),
        ("?view=list&step=late", "Late"),
        ("?view=list&status=won", "Won"),
        ("?view=list&status=closed&closed=90-days", "Won"),
        ("?view=list&status=won&closed=this-month", "Won"),
        ("?view=list&stage=closed-won", "Won"),
        ("?view=list&pipeline=all&status=won", "Won"),
        ("?owner=nobody", "Stepless"),
    ],
)
def test_filters_find_what_they_say(alice: Browser, company: Company, query: str, expected: str) -> None:
    yesterday = timezone.localdate() - dt.timedelta(days=2)
    DealFactory(company=company, title="Late deal", next_step="Call", next_step_on=yesterday)
    DealFactory(company=company, title="Stepless deal", owner=None)
    _won(company, "Won deal", timezone.now())
    page = alice.seen("deals", query=query)
    found = [name for name in ("Late", "Stepless", "Won") if f"{name} deal</" in page]
    assert found == [expected]


def test_last_month_is_not_this_month(alice: Browser, deal: Deal) -> None:
    actions.win_deal(deal, SHELL)
    assert "Twelve docks" not in alice.seen("deals", query="?view=list&closed=last-month")


def test_the_list_sorts_by_what_is_allowed(alice: Browser, company: Company) -> None:
    for title, amount in (("Big", "900"), ("Small", "1"), ("None", None)):
        DealFactory(company=company, title=f"{title} one", amount=amount)
    up, down = (alice.seen("deals", query=f"?view=list&sort={sort}") for sort in ("amount", "-amount"))
    assert up.index("Small one") < up.index("Big one") < up.index("None one")
    assert down.index("Big one") < down.index("Small one") < down.index("None one")
    assert alice.get("deals", query="?view=list&sort=company__name").status_code == 200


def test_the_list_says_so_when_nothing_fits(alice: Browser, deal: Deal) -> None:
    assert "Nothing matches" in alice.seen("deals", query="?view=list&search=zebra")
    assert "No deals yet" in alice.seen("deals", query="?view=list&pipeline=renewal")


def test_the_list_has_pages(alice: Browser, company: Company) -> None:
    for _ in range(51):
        DealFactory(company=company)
    assert "Showing 1–50 of 51 deals" in alice.seen("deals", query="?view=list")


@pytest.mark.parametrize("query", ["", "?view=list"])
def test_htmx_gets_the_part_without_its_frame(alice: Browser, deal: Deal, query: str) -> None:
    answer = alice.get("deals", query=query, HX_Request="true", HX_Target="deals")
    assert answer.content.decode().strip().startswith('<div id="deals"')


@pytest.mark.parametrize("query", ["", "?view=list"])
def test_the_number_of_queries_does_not_grow(
    alice: Browser, company: Company, owner: User, deal: Deal, query: str
) -> None:
    few = _queries(alice, query)
    for _ in range(40):
        DealFactory(company=company, owner=owner, lead=deal.lead)
    assert _queries(alice, query) <= few


def _queries(browser: Browser, query: str) -> int:
    browser.seen("deals", query=query)
    with CaptureQueriesContext(connection) as queries:
        browser.seen("deals", query=query)
    return len(queries)


@pytest.mark.parametrize(
    ("step", "days", "text", "state"),
    [
        ("", None, "No next step", "none"),
        ("Call", None, "Call", ""),
        ("Call", 0, "Call · today", "today"),
        ("Call", -1, "Call · 1 day late", "late"),
        ("Call", -3, "Call · 3 days late", "late"),
        ("Call", 1, "Call · tomorrow", ""),
        ("Call", 4, "Call · 24 Nov", ""),
        ("Call", 60, "Call · 19 Jan 2027", ""),
    ],
)
def test_a_next_step_says_how_urgent_it_is(step: str, days: int | None, text: str, state: str) -> None:
    day = None if days is None else TODAY + dt.timedelta(days=days)
    found = next_step_of(Deal(next_step=step, next_step_on=day), TODAY)
    assert (found.text, found.state) == (text, state)
