"""The company's own fields as columns and filters of the lists, in saved views, changes of many, and files."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.actions import customfields
from crm.models import BulkRun, Company, CustomField, Deal, Lead, SavedView, User
from tests.crm.test_exporting import records_of
from tests.crm.views.conftest import Browser, url
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db
LISTS = [("leads", ""), ("deals", "view=list&")]


@pytest.fixture
def budget(company: Company) -> dict[str, CustomField]:
    """A number of leads, and one of deals."""
    return {entity: make(company, "Budget", "number", entity) for entity in ("lead", "deal")}


def make(
    company: Company, name: str, kind: str, entity: str = "lead", options: tuple[str, ...] = ()
) -> CustomField:
    wanted: Any = {"entity": entity, "name": name, "kind": kind, "options": list(options)}
    return customfields.add_field(company, wanted, SHELL)


def three(company: Company, owner: User | None = None) -> None:
    """A lead and a deal each with little, much and no budget."""
    for name, custom in (("Little", {"budget": 10}), ("Much", {"budget": 90210}), ("None", {})):
        LeadFactory(company=company, last_name=name, custom=custom, owner=owner)
        DealFactory(company=company, title=name, custom=custom, owner=owner)


@pytest.mark.parametrize(("name", "query"), LISTS)
def test_a_field_is_a_column_that_one_may_choose(
    alice: Browser, company: Company, budget: dict[str, CustomField], name: str, query: str
) -> None:
    three(company)
    usual = alice.seen(name, query=f"?{query}")
    assert 'name="col" value="cf_budget"' in usual
    assert "90210" not in usual
    chosen = alice.seen(name, query=f"?{query}col=stage&col=cf_budget")
    assert '<span class="clip" title="90210">90210</span>' in chosen
    assert '<span class="clip" title="Budget">Budget</span>' in chosen


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("yes_no", True, ">Yes<"),
        ("choices", ["Pro", "Basic"], ">Basic, Pro<"),
        ("url", "https://fjord.test/", 'href="https://fjord.test/"'),
        ("text", "<b>", "&lt;b&gt;"),
    ],
)
def test_a_column_shows_values_in_words(
    alice: Browser, company: Company, kind: str, value: object, shown: str
) -> None:
    make(company, "Own", kind, options=("Basic", "Pro") if kind == "choices" else ())
    LeadFactory(company=company, custom={"own": value})
    assert shown in alice.seen("leads", query="?col=cf_own")


@pytest.mark.parametrize(("name", "query"), LISTS)
def test_columns_and_filters_ask_a_fixed_number_of_queries(
    alice: Browser,
    company: Company,
    budget: dict[str, CustomField],
    name: str,
    query: str,
) -> None:
    asked = f"?{query}col=cf_budget&col=owner&cf_budget-from=1"
    counts = []
    for rows in (3, 57):
        for _ in range(rows):
            LeadFactory(company=company, custom={"budget": 5})
            DealFactory(company=company, custom={"budget": 5})
        alice.seen(name, query=asked)
        with CaptureQueriesContext(connection) as queries:
            alice.seen(name, query=asked)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_changed_row_keeps_the_columns_of_its_list(
    alice: Browser, company: Company, budget: dict[str, CustomField]
) -> None:
    lead = LeadFactory(company=company, custom={"budget": 90210})
    row = alice.htmx("lead_status", lead.pk, status="won", next="/leads/?col=cf_budget").content.decode()
    assert "90210" in row


@pytest.mark.parametrize(("name", "query"), LISTS)
def test_a_filter_has_a_chip_and_stays_in_the_form(
    alice: Browser, company: Company, budget: dict[str, CustomField], name: str, query: str
) -> None:
    three(company)
    page = alice.seen(name, query=f"?{query}cf_budget-from=50&cf_budget-to=100000")
    assert "Much" in page
    assert ">Little<" not in page
    assert "Budget from <b>50</b>" in page
    assert f'href="?{query.replace("&", "&amp;")}cf_budget-to=100000"' in page
    assert 'name="cf_budget-from" value="50"' in page


def test_the_board_is_filtered_too(alice: Browser, company: Company, budget: dict[str, CustomField]) -> None:
    three(company)
    page = alice.seen("deals", query="?cf_budget=10")
    assert "Little" in page
    assert "Much" not in page


@pytest.mark.parametrize(("name", "query"), LISTS)
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("cf_budget-from=lots", "Budget: Enter a number such as 1234.5."),
        ("cf_gone=1", "A filter is about a custom field that is no longer there."),
        ("col=cf_gone", "A column is of a custom field that is no longer there."),
    ],
)
def test_what_cannot_be_applied_is_told_and_left_out(
    alice: Browser,
    company: Company,
    budget: dict[str, CustomField],
    name: str,
    query: str,
    asked: str,
    said: str,
) -> None:
    three(company)
    page = alice.seen(name, query=f"?{query}{asked}&cf_budget-to=50")
    assert said in page
    assert "Little" in page
    assert ">Much<" not in page
    assert f'href="?{query.replace("&", "&amp;")}cf_budget-to=50"' in page


def test_a_wrong_value_stays_in_the_form_to_be_mended(
    alice: Browser, company: Company, budget: dict[str, CustomField]
) -> None:
    assert 'name="cf_budget-from" value="lots"' in alice.seen("leads", query="?cf_budget-from=lots")


def test_fields_of_deals_are_no_filters_of_leads(alice: Browser, company: Company) -> None:
    make(company, "Term", "text", "deal")
    assert "no longer there" in alice.seen("leads", query="?cf_term=x")


def test_fields_of_another_company_are_not_there(charlie: Browser, budget: dict[str, CustomField]) -> None:
    page = charlie.seen("leads", query="?cf_budget=1")
    assert "Budget" not in page
    assert "no longer there" in page


def test_a_saved_view_keeps_columns_and_filters_and_says_when_the_field_is_gone(
    alice: Browser, company: Company, budget: dict[str, CustomField]
) -> None:
    three(company)
    alice.client.post(
        f"{url('view_new')}?noun=lead&cf_budget-from=50&col=cf_budget&col=email", {"name": "Rich"}
    )
    view = SavedView.objects.get()
    page = str(alice.client.get(view.url).content.decode())
    assert "Much" in page
    assert "Little" not in page
    customfields.delete_field(budget["lead"], SHELL)
    page = str(alice.client.get(view.url).content.decode())
    assert "A filter is about a custom field that is no longer there." in page
    assert "Little" in page
    assert Lead.objects.count() == 3


@pytest.mark.parametrize(("noun", "query"), [("lead", ""), ("deal", "view=list&")])
def test_all_that_match_are_those_of_the_filter(
    alice: Browser, company: Company, owner: User, budget: dict[str, CustomField], noun: str, query: str
) -> None:
    three(company)
    back = f"/{noun}s/?{query}cf_budget-from=50"
    alice.post(f"{noun}s_bulk", do=f"assign:{owner.pk}", all="1", sure="1", next=back)
    model: Any = {"lead": Lead, "deal": Deal}[noun]
    assert [str(each) for each in model.objects.filter(owner=owner)] == (
        ["John Much"] if noun == "lead" else ["Much"]
    )


@pytest.mark.parametrize("asked", ["cf_gone=1", "cf_budget-from=lots"])
def test_nothing_is_done_to_many_where_a_filter_does_not_apply(
    alice: Browser, company: Company, owner: User, budget: dict[str, CustomField], asked: str
) -> None:
    three(company)
    for noun in ("lead", "deal"):
        back = f"/{noun}s/?view=list&{asked}"
        alice.post(f"{noun}s_bulk", do=f"assign:{owner.pk}", all="1", sure="1", next=back)
        name, _, value = asked.partition("=")
        answer = alice.post(f"{noun}s_export", **{name: value})
        assert answer.status_code == 302
    assert not BulkRun.objects.exists()
    assert "Nothing was done, since a filter does not apply." in alice.said()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("name", ["leads", "deals"])
def test_a_file_has_a_column_for_each_field_and_the_rows_of_the_filter(
    alice: Browser, company: Company, budget: dict[str, CustomField], name: str, kind: str
) -> None:
    three(company)
    rows = records_of(alice.post(f"{name}_export", format=kind, **{"cf_budget-from": "50"}))
    assert [row["Budget"] for row in rows] == ["90210"]
    shown = records_of(alice.post(f"{name}_export", format=kind, columns="shown"))
    assert "Budget" not in shown[0]
    shown = records_of(alice.post(f"{name}_export", format=kind, columns="shown", col="cf_budget"))
    assert sorted(row["Budget"] for row in shown) == ["", "10", "90210"]


def test_cells_of_own_fields_are_read_back_and_run_nothing(alice: Browser, company: Company) -> None:
    make(company, "Status", "text")
    make(company, "Wants", "choices", options=("A", "B"))
    make(company, "Vip", "yes_no")
    make(company, "Share", "number")
    LeadFactory(
        company=company,
        custom={"status": "=1+1", "wants": ["A", "B"], "vip": False, "share": 0.00001},
    )
    (row,) = records_of(alice.post("leads_export"))
    assert row["Status"] == "New"
    assert row["Status (own)"] == "'=1+1"
    assert (row["Wants"], row["Vip"], row["Share"]) == ("A; B", "no", "0.00001")


def test_an_agent_filters_own_records_only(
    bob: Browser, company: Company, owner: User, budget: dict[str, CustomField]
) -> None:
    three(company, owner)
    assert "Much" not in bob.seen("leads", query="?view=all&cf_budget-from=1")
