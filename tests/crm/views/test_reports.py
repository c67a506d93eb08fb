"""The reports' pages: who may read them, where their numbers lead, their files."""

from __future__ import annotations

import csv
import datetime as dt
import re
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.actions import tasks
from crm.actions.deals import archive_deal, lose_deal, move_deal, win_deal
from crm.actions.leads import archive_lead
from crm.actions.people import add_member
from crm.actions.timeline import add_note
from crm.actor import Actor
from crm.models import Company, LeadStatus, Stage, User
from crm.views.reports.sheet import Sheet
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory, LeadFactory, UserFactory

ROUTES = ("reports", "reports_sources", "reports_funnel", "reports_team")


def ago(days: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


@pytest.fixture
def work(company: Company, owner: User, agent: User, stages: dict[str, Stage]) -> None:
    """Something of everything, in two currencies and of two people."""
    qualified = LeadStatus.objects.get(key="qualified")
    for number, (source, who) in enumerate([("LinkedIn form", owner), ("Web & more", agent), ("", None)]):
        actor = Actor("web", user=who) if who else SHELL
        options: dict[str, Any] = {"company": company, "owner": who, "actor": actor}
        lead = LeadFactory(**options, source=source, status=qualified, occurred_at=ago(60))
        LeadFactory(**options, source=source, occurred_at=ago(20 + number))
        won = DealFactory(company=company, owner=who, lead=lead, amount="1000.50", at=ago(50))
        win_deal(won, SHELL, at=ago(10))
        dollars = DealFactory(company=company, owner=who, lead=lead, amount="70", currency="USD", at=ago(50))
        win_deal(dollars, SHELL, at=ago(3))
        lose_deal(DealFactory(company=company, owner=who, lead=lead, at=ago(50)), "Price", SHELL, at=ago(5))
        for days in (1, 8, 15, 40):
            moved = DealFactory(company=company, owner=who, lead=lead, amount="20", at=ago(days))
            move_deal(moved, stages["discovery"], SHELL, at=ago(days / 2))
            DealFactory(company=company, owner=who, currency="USD", amount="5", at=ago(days))
        if who:
            for kind in ("note", "call", "meeting", "email"):
                add_note(lead, "Talked", actor, kind, at=ago(4))
            tasks.finish_task(tasks.create_task(company, {"title": "Ring", "lead": lead}, actor), actor)
    win_deal(DealFactory(company=company, owner=owner), SHELL)
    archive_deal(win_deal(DealFactory(company=company, owner=owner), SHELL), SHELL)
    archive_lead(LeadFactory(company=company, source="LinkedIn form", occurred_at=ago(20)), SHELL)
    live = Stage.objects.get(pipeline__key="onboarding", kind="won")
    DealFactory(company=company, owner=owner, stage=live, amount="12345")


def sheet_of(browser: Browser, route: str, query: str = "") -> Sheet:
    answer = browser.get(route, query=query)
    assert answer.status_code == 200
    found: Sheet = answer.context["sheet"]
    return found


def text_of_table(browser: Browser, route: str, query: str = "") -> str:
    page = browser.seen(route, query=query)
    return page[page.index("<table") : page.index("</table>")]


# --- Who may ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("query", ["", "?format=csv"])
def test_an_agent_reads_no_report(bob: Browser, work: None, route: str, query: str) -> None:
    assert bob.get(route, query=query).status_code == 403


@pytest.mark.parametrize("route", ROUTES)
def test_a_manager_reads_every_report(manager: User, browser_of: Any, work: None, route: str) -> None:
    page = browser_of(manager).seen(route)
    assert 'role="img"' in page
    assert "<table" in page


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("query", ["?range=last-year", "?range=this-year", "?format=csv"])
def test_another_company_s_numbers_are_not_there(
    charlie: Browser, work: None, owner: User, route: str, query: str
) -> None:
    page = charlie.seen(route, query=query)
    for word in ("LinkedIn form", "1,000", "1000.50", str(owner)):
        assert word not in page


def test_only_who_may_read_them_finds_the_reports(alice: Browser, bob: Browser) -> None:
    assert 'href="/reports/"' in alice.seen("leads")
    assert 'href="/reports/"' not in bob.seen("leads")


@pytest.mark.parametrize("route", ROUTES)
def test_they_answer_get_only(alice: Browser, route: str) -> None:
    assert alice.post(route).status_code == 405


# --- Every number opens its rows ----------------------------------------------------------------------------


def rows_at(browser: Browser, url: str) -> Any:
    answer = browser.client.get(url)
    assert answer.status_code == 200, url
    return answer.context


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "query", ["", "?range=30-days", "?owner=nobody", "?owner={owner}", "?pipeline=sales"]
)
def test_every_number_opens_exactly_its_rows(
    alice: Browser, owner: User, work: None, route: str, query: str
) -> None:
    sheet = sheet_of(alice, route, query.format(owner=owner.pk))
    assert sheet.total
    followed = 0
    for line in (*sheet.lines, sheet.total):
        for cell in line.cells:
            if not cell.url:
                continue
            context = rows_at(alice, cell.url)
            if cell.text.replace(",", "").isdecimal():
                assert context["page"].paginator.count == int(cell.text.replace(",", "")), cell
            else:
                assert context["sums"] == cell.text.replace(" + ", " and "), cell
            followed += 1
    assert followed >= 3


@pytest.mark.parametrize("route", ROUTES)
def test_the_opening_sentence_opens_its_rows_too(alice: Browser, work: None, route: str) -> None:
    for fact in sheet_of(alice, route).facts:
        if fact.url and fact.number.isdecimal():
            assert rows_at(alice, fact.url)["page"].paginator.count == int(fact.number)


def test_counts_without_a_list_are_plain(alice: Browser, work: None) -> None:
    notes = [line.cells[1] for line in sheet_of(alice, "reports_team").lines]
    assert [cell.url for cell in notes] == ["", "", "", ""][: len(notes)]


def test_numbers_of_who_left_are_plain(alice: Browser, company: Company, owner: User, work: None) -> None:
    gone = UserFactory(first_name="Gone", last_name="Girl")
    membership = add_member(company, gone, "agent")
    LeadFactory(company=company, actor=Actor("web", user=gone))
    membership.is_active = False
    membership.save()
    line = next(line for line in sheet_of(alice, "reports_team").lines if line.label == "Gone Girl")
    assert (line.cells[0].text, line.cells[0].url) == ("1", "")


# --- What is asked for --------------------------------------------------------------------------------------


def test_days_are_those_of_the_company(alice: Browser, company: Company) -> None:
    company.time_zone = "Pacific/Auckland"
    company.save()
    lead = LeadFactory(
        company=company, source="Fair", occurred_at=dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)
    )
    march = "?range=custom&from=2026-03-01&to=2026-03-31"
    april = "?range=custom&from=2026-04-01&to=2026-04-30"
    assert lead.source not in alice.seen("reports_funnel", query=march)
    assert lead.source in alice.seen("reports_funnel", query=april)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=2026-03-02&to=2026-03-01", "The last day is before the first."),
        ("from=2026-03-02", "Give the first and the last day."),
        ("from=x&to=%00", "Give the first and the last day."),
        ("from=0001-01-01&to=9999-12-31", "Give days between 1900 and 2200."),
    ],
)
def test_days_that_make_no_sense_are_named(alice: Browser, work: None, query: str, sentence: str) -> None:
    page = alice.seen("reports", query=f"?range=custom&{query}")
    assert sentence in page
    assert "last 90 days" in page


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("query", ["?range=x&owner=x&pipeline=x", "?owner=%00&pipeline=%00", "?format=x"])
def test_values_that_do_not_exist_are_left_out(alice: Browser, work: None, route: str, query: str) -> None:
    assert text_of_table(alice, route, query) == text_of_table(alice, route)


def test_a_pipeline_that_is_no_sale_counts_only_when_asked_for(alice: Browser, work: None) -> None:
    assert "12,345" not in text_of_table(alice, "reports_sources")
    assert "€12,345" in text_of_table(alice, "reports_sources", "?pipeline=onboarding")


def test_filters_go_along_from_tab_to_tab(alice: Browser, work: None) -> None:
    page = alice.seen("reports", query="?range=last-year&owner=nobody")
    assert f'href="{reverse("reports_funnel")}?range=last-year&amp;owner=nobody"' in page


@pytest.mark.parametrize(
    ("route", "sentence", "url"),
    [
        ("reports", "No deals yet", "/deals/new/"),
        ("reports_sources", "Nothing was closed from", "/deals/?view=list"),
        ("reports_funnel", "No leads came from", "/leads/new/"),
        ("reports_team", "Nothing was written down from", "/leads/"),
    ],
)
def test_without_anything_it_says_what_to_do(alice: Browser, route: str, sentence: str, url: str) -> None:
    page = alice.seen(route)
    assert sentence in page
    assert f'href="{url}' in page[page.index(sentence) :]
    assert "<table" not in page


# --- Files --------------------------------------------------------------------------------------------------


def file_of(browser: Browser, route: str, query: str = "") -> list[list[str]]:
    answer = browser.get(route, query=f"?format=csv{query}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert re.fullmatch(
        r'attachment; filename="reports[a-z-]*-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv"',
        answer["Content-Disposition"],
    )
    return list(csv.reader(StringIO(answer.content.decode())))


def test_a_file_has_a_column_for_each_currency(alice: Browser, work: None) -> None:
    head, *rows = file_of(alice, "reports_sources")
    assert head == [
        "Source",
        "Won",
        "Lost",
        "Win rate",
        "Won amount EUR",
        "Won amount USD",
        "Median days to win",
        "Average days to win",
    ]
    assert ["LinkedIn form", "2", "1", "66.7", "1000.50", "70.00", "43.5", "43.5"] in rows


@pytest.mark.parametrize("route", ROUTES)
def test_every_row_of_a_file_has_every_column(alice: Browser, work: None, route: str) -> None:
    assert len({len(row) for row in file_of(alice, route)}) == 1


def test_no_cell_of_a_file_runs_as_a_formula(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, source='=HYPERLINK("http://evil.test")')
    assert [row[0] for row in file_of(alice, "reports_funnel")] == [
        "Source",
        '\'=HYPERLINK("http://evil.test")',
    ]


def test_a_source_is_text_on_the_page(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, source="<script>alert(1)</script>")
    assert "<script>alert" not in alice.seen("reports_funnel")


def test_a_long_table_is_cut_and_its_file_is_not(alice: Browser, company: Company) -> None:
    for number in range(63):
        LeadFactory(company=company, source=f"Source {number}", reported=False)
    assert "Showing 60 of 63" in alice.seen("reports_funnel")
    assert len(file_of(alice, "reports_funnel")) == 64


# --- Queries ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_the_number_of_queries_does_not_grow(
    alice: Browser, company: Company, owner: User, work: None, route: str
) -> None:
    few = _queries(alice, route)
    for number in range(57):
        person = UserFactory(company=company) if number < 10 else owner
        lead = LeadFactory(company=company, source=f"Source {number}", actor=Actor("web", user=person))
        add_note(lead, "Talked", Actor("web", user=person))
        win_deal(DealFactory(company=company, lead=lead, owner=person), SHELL)
        DealFactory(company=company, lead=lead, owner=person)
    assert _queries(alice, route) <= few


def _queries(browser: Browser, route: str) -> int:
    browser.seen(route)
    with CaptureQueriesContext(connection) as queries:
        browser.seen(route)
    return len(queries)


# --- The filters that the numbers use, in the hands of an agent ---------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "source=Secret%20fair",
        "lead_from=2020-01-01",
        "lead_to=2199-01-01",
        "lead_owner={owner}",
        "lead_owner=nobody",
        "source_is=none",
    ],
)
def test_an_agent_learns_nothing_of_a_lead_that_is_not_theirs(
    bob: Browser, company: Company, owner: User, agent: User, query: str
) -> None:
    for source, whose in (("Secret fair", owner), ("", owner), ("", None)):
        lead = LeadFactory(company=company, owner=whose, source=source)
        DealFactory(company=company, owner=agent, lead=lead)
    answer = bob.get("deals", query=f"?view=list&{query.format(owner=owner.pk)}")
    assert answer.context["page"].paginator.count == 0


def test_an_agent_s_won_leads_are_those_of_own_deals(
    bob: Browser, company: Company, owner: User, agent: User
) -> None:
    lead = LeadFactory(company=company, owner=agent)
    win_deal(DealFactory(company=company, owner=owner, lead=lead), SHELL)
    assert bob.get("leads", query="?view=all&reached=won").context["page"].paginator.count == 0


@pytest.mark.parametrize(
    "query", ["view=list&age=x&closed_from=x&closed_to=%00&lead_from=9", "view=list&source=%00"]
)
def test_nonsense_in_those_filters_is_left_out(alice: Browser, work: None, query: str) -> None:
    assert alice.get("deals", query=f"?{query}").context["chips"] == []


def test_a_chip_takes_such_a_filter_away(alice: Browser, work: None) -> None:
    page = alice.seen("deals", query="?view=list&pipeline=all&counts=sales&age=7-to-13&source=LinkedIn+form")
    for words in ("counts as sales", "7 to 13 days", "LinkedIn form"):
        assert words in page
    assert 'name="source" value="LinkedIn form"' in page
