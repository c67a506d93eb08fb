"""Exports: everything that the filters found, of what one may see, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any

import openpyxl
import pytest
from django.test import Client

from crm.mass_insert import Table
from crm.models import AuditEntry, Company, Lead, LeadStatus, User
from crm.spreadsheets import write_xlsx
from tests.crm.views.conftest import Browser
from tests.factories import DealFactory, LeadFactory, UserFactory

MANY = 3000


@pytest.fixture
def browser_of(client_of: Callable[[User], Client]) -> Callable[[User], Browser]:
    return lambda user: Browser(client_of(user))


@pytest.fixture
def alice(owner: User, browser_of: Callable[[User], Browser]) -> Browser:
    return browser_of(owner)


def table_of(answer: Any) -> list[list[str]]:
    """The rows of a file, its head first."""
    content = b"".join(answer)
    if "spreadsheetml" in answer["Content-Type"]:
        sheet = openpyxl.load_workbook(BytesIO(content), read_only=True).worksheets[0]
        return [
            ["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)
        ]
    return list(csv.reader(StringIO(content.decode(), newline="")))


def records_of(answer: Any) -> list[dict[str, str]]:
    head, *rows = table_of(answer)
    return [dict(zip(head, row, strict=False)) for row in rows]


def many_leads(company: Company, status: LeadStatus, count: int = MANY) -> None:
    table = Table(Lead)
    for number in range(count):
        lead = Lead(company=company, first_name="Jo", last_name=f"N{number}", status=status)
        lead.created_at = lead.updated_at = lead.occurred_at
        table.add_instance(lead)
    table.flush()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_has_as_many_rows_as_the_filters_find(company: Company, alice: Browser, kind: str) -> None:
    contacted = LeadStatus.objects.get(key="contacted")
    many_leads(company, contacted)
    many_leads(company, LeadStatus.objects.get(key="lost"), 40)
    page = alice.get("leads", query="?status=contacted")
    assert page.context["page"].paginator.count == MANY
    assert f'Export<span class="hush"> {MANY} leads</span>' in page.content.decode()
    answer = alice.post("leads_export", status="contacted", format=kind)
    assert f"-{MANY}-rows.{kind}" in answer["Content-Disposition"]
    assert answer["X-Row-Count"] == str(MANY)
    found = records_of(answer)
    assert len(found) == MANY
    assert {row["Status"] for row in found} == {"Contacted"}


def test_rows_are_in_the_order_of_the_list(company: Company, alice: Browser) -> None:
    for name in ("Berg", "Zorn", "Adam"):
        LeadFactory(company=company, first_name="Jo", last_name=name)
    answer = alice.post("leads_export", view="all", sort="name")
    assert [row["Last name"] for row in records_of(answer)] == ["Adam", "Berg", "Zorn"]


def test_a_lead_is_there_with_all_that_is_known_of_them(
    company: Company, owner: User, alice: Browser
) -> None:
    LeadFactory(
        company=company,
        first_name="Zoë",
        organization="Kaldvik",
        email="zoe@kaldvik.test",
        owner=owner,
        tags=["VIP", "Warm"],
        consent="granted",
        attribution={"utm_campaign": "spring"},
    )
    [row] = records_of(alice.post("leads_export"))
    assert row["First name"] == "Zoë"
    assert row["Organization"] == "Kaldvik"
    assert row["E-mail"] == "zoe@kaldvik.test"
    assert row["Owner"] == "alice@acme.test"
    assert row["Tags"] == "VIP; Warm"
    assert row["Consent"] == "granted"
    assert row["UTM campaign"] == "spring"


def test_only_the_columns_of_the_list_on_request(company: Company, alice: Browser) -> None:
    LeadFactory(company=company)
    head, *_ = table_of(alice.post("leads_export", columns="shown"))
    assert "Organization" in head
    assert "UTM campaign" not in head


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-2", "@SUM(1)", "  =1", "＝1"])
def test_no_cell_is_a_formula(company: Company, alice: Browser, kind: str, text: str) -> None:
    LeadFactory(company=company, title=text, first_name=text, organization=text)
    [row] = records_of(alice.post("leads_export", format=kind))
    for column in ("Title", "First name", "Organization"):
        assert row[column] in (f"'{text.strip()}", f"'{text}")


def test_a_sheet_holds_what_xml_cannot(company: Company) -> None:
    file = BytesIO()
    write_xlsx(file, [["a\x01b", "<&>", "ü \U0001f600", "two\nlines", ""]])
    [row] = openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True)
    assert row == ("ab", "<&>", "ü \U0001f600", "two\nlines", None)


def test_an_agent_takes_along_their_own_alone(
    company: Company, owner: User, agent: User, browser_of: Callable[[User], Browser]
) -> None:
    LeadFactory(company=company, owner=owner, first_name="Theirs")
    lead = LeadFactory(company=company, owner=agent, first_name="Mine")
    DealFactory(company=company, owner=owner, title="Theirs")
    DealFactory(company=company, owner=agent, lead=lead, title="Mine")
    bob = browser_of(agent)
    assert [row["First name"] for row in records_of(bob.post("leads_export", view="all"))] == ["Mine"]
    assert [row["Deal"] for row in records_of(bob.post("deals_export", view="list"))] == ["Mine"]


def test_an_agent_learns_no_address_of_a_colleague_s_lead(
    company: Company, owner: User, agent: User, alice: Browser, browser_of: Callable[[User], Browser]
) -> None:
    theirs = LeadFactory(company=company, owner=owner, first_name="Zoë", last_name="Berg", email="zoe@x.test")
    mine = LeadFactory(company=company, owner=agent, email="jo@x.test")
    DealFactory(company=company, owner=agent, lead=theirs, title="A")
    DealFactory(company=company, owner=agent, lead=mine, title="B")
    for browser, first in ((browser_of(agent), ""), (alice, "zoe@x.test")):
        rows = records_of(browser.post("deals_export", view="list", sort="title"))
        assert [(row["Deal"], row["Lead e-mail"]) for row in rows] == [("A", first), ("B", "jo@x.test")]
        assert rows[0]["Lead"] == "Zoë Berg"


def test_archived_and_foreign_leads_stay_at_home(
    company: Company, alice: Browser, other_company: Company
) -> None:
    from crm.actions.leads import archive_lead
    from tests.factories import SHELL

    archive_lead(LeadFactory(company=company), SHELL)
    assert records_of(alice.post("leads_export", view="all")) == []


def test_it_is_written_down_with_how_many(company: Company, owner: User, alice: Browser) -> None:
    LeadFactory(company=company)
    alice.post("leads_export", format="xlsx")
    entry = AuditEntry.objects.get(action="leads_exported")
    assert entry.changes == {"count": [None, 1], "kind": [None, "xlsx"]}
    assert entry.actor_id == owner.pk


def test_deals_are_exported_as_they_are_filtered(company: Company, alice: Browser) -> None:
    lead = LeadFactory(company=company, first_name="Jo", last_name="Berg", email="jo@berg.test")
    DealFactory(company=company, title="Docks", lead=lead, amount="1234.50", currency="EUR")
    DealFactory(company=company, title="Silo", amount="1000", currency="JPY")
    [row] = records_of(alice.post("deals_export", view="list", search="docks"))
    assert (row["Deal"], row["Amount"], row["Currency"]) == ("Docks", "1234.50", "EUR")
    assert (row["Lead"], row["Lead e-mail"]) == ("Jo Berg", "jo@berg.test")
    amounts = {row["Amount"] for row in records_of(alice.post("deals_export", view="list"))}
    assert amounts == {"1234.50", "1000"}


def test_looking_does_not_export(alice: Browser) -> None:
    assert alice.get("leads_export").status_code == 405
    assert alice.get("deals_export").status_code == 405


def test_queries_do_not_grow_with_the_rows_of_a_chunk(
    company: Company, alice: Browser, django_assert_max_num_queries: Any
) -> None:
    many_leads(company, LeadStatus.objects.get(key="new"), 60)
    with django_assert_max_num_queries(40):
        assert len(records_of(alice.post("leads_export"))) == 60


def test_a_manager_takes_along_everybody_s(
    company: Company, agent: User, browser_of: Callable[[User], Browser]
) -> None:
    LeadFactory(company=company, owner=agent)
    mia = browser_of(UserFactory(company=company, role="manager"))
    assert len(records_of(mia.post("leads_export"))) == 1


# --- a selection


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_selected_leads_are_exported_in_the_order_of_the_list(
    company: Company, alice: Browser, kind: str
) -> None:
    a, b, c = (LeadFactory(company=company, first_name="", last_name=name) for name in "ABC")
    answer = alice.post("leads_export", selected=kind, lead=[c.pk, a.pk], next="/leads/?sort=name")
    assert kind in answer["Content-Disposition"]
    assert [row["Last name"] for row in records_of(answer)] == ["A", "C"]
    assert b.last_name == "B"


def test_all_that_match_the_list_are_exported(company: Company, alice: Browser) -> None:
    picked = [LeadFactory(company=company, last_name=name, source="Fair") for name in "AB"]
    LeadFactory(company=company, last_name="C", source="Web")
    answer = alice.post(
        "leads_export", selected="csv", all="1", lead=[picked[0].pk], next="/leads/?source=Fair&sort=name"
    )
    assert [row["Last name"] for row in records_of(answer)] == ["A", "B"]


def test_selected_deals_are_exported_too(company: Company, alice: Browser) -> None:
    lead = LeadFactory(company=company)
    one, two, _ = (
        DealFactory(company=company, lead=lead, title=title) for title in ("One", "Ox two", "Ox three")
    )
    there = "/deals/?view=list&sort=title"
    answer = alice.post("deals_export", selected="csv", deal=[two.pk, one.pk], next=there)
    assert [row["Deal"] for row in records_of(answer)] == ["One", "Ox two"]
    answer = alice.post("deals_export", selected="csv", all="1", next=f"{there}&search=Ox")
    assert [row["Deal"] for row in records_of(answer)] == ["Ox three", "Ox two"]


def test_an_empty_selection_is_told(company: Company, alice: Browser) -> None:
    LeadFactory(company=company)
    for name, back in (("leads_export", "/leads/?view=all"), ("deals_export", "/deals/?view=list")):
        answer = alice.post(name, selected="csv", next=back)
        assert answer["Location"] == back
        assert "Select rows first." in alice.said()


def test_an_agent_s_selection_holds_their_own_records(
    company: Company, owner: User, agent: User, browser_of: Callable[[User], Browser]
) -> None:
    theirs, own = (LeadFactory(company=company, owner=who) for who in (owner, agent))
    answer = browser_of(agent).post("leads_export", selected="csv", lead=[theirs.pk, own.pk], next="/leads/")
    assert [row["E-mail"] for row in records_of(answer)] == [own.email]
