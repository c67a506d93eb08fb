"""Imports into the company's own fields: found by name, checked by kind, written over, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crm.access import Principal
from crm.actions import customfields, imports
from crm.exporting import export_leads
from crm.importing import Choices, Dialect, Reader, Row, Table, matches
from crm.models import Company, CustomField, ImportRow, Lead, User, custom_fields_of
from tests.crm.actions.test_imports import checked, counts, imported, undone, uploaded
from tests.factories import SHELL, LeadFactory

pytestmark = pytest.mark.django_db
HEAD = "Last name,E-mail,Budget,Plan,Renewal,VIP,Wants,Portal\n"
FULL = HEAD + "Berg,zoe@firm.test,12.5,pro,20.11.2026,yes,Tempo; price,portal.test/a\n"
STORED = {
    "budget": 12.5,
    "plan": "Pro",
    "renewal": "2026-11-20",
    "vip": True,
    "wants": ["Price", "Tempo"],
    "portal": "https://portal.test/a",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def alice(company: Company, owner: User) -> Principal:
    return Principal(company, owner, "owner")


@pytest.fixture(autouse=True)
def fields(company: Company) -> dict[str, CustomField]:
    kinds = {
        "Budget": "number",
        "Plan": "choice",
        "Renewal": "date",
        "VIP": "yes_no",
        "Wants": "choices",
        "Portal": "url",
    }
    options = {"Plan": ["Basic", "Pro"], "Wants": ["Price", "Tempo"]}
    return {name: make(company, name, kind, options.get(name, [])) for name, kind in kinds.items()}


def make(company: Company, name: str, kind: str, options: list[str] | None = None) -> CustomField:
    wanted: Any = {"entity": "lead", "name": name, "kind": kind, "options": options or []}
    return customfields.add_field(company, wanted, SHELL)


def test_columns_are_found_by_name_and_values_stored_by_kind(alice: Principal) -> None:
    batch = imported(alice, FULL)
    assert counts(batch) == (1, 0, 0, 0)
    assert Lead.objects.get().custom == STORED


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Budget", "lots", "Budget: Enter a number such as 1234.5."),
        ("Plan", "Free", "Plan: Choose from Basic, Pro."),
        ("Renewal", "31.02.2026", "Renewal: There is no such day or time."),
        ("VIP", "perhaps", "VIP: Say yes or no."),
        ("Wants", "Tempo; all", "Wants: Choose from Price, Tempo."),
        ("Portal", "no address", "Portal: Enter an address such as https://example.com/."),
    ],
)
def test_a_wrong_value_fails_its_row_by_number(alice: Principal, column: str, value: str, said: str) -> None:
    text = f"Last name,{column}\nBerg,\nQuist,{value}\n"
    batch = checked(uploaded(alice, text))
    assert counts(batch) == (1, 0, 0, 1)
    fault = ImportRow.objects.get(batch=batch)
    assert (fault.number, fault.reason) == (3, said)
    lenient = imported(alice, text, lenient=True)
    assert counts(lenient) == (2, 0, 0, 0)
    assert all(lead.custom == {} for lead in Lead.objects.all())


@pytest.mark.parametrize(
    ("way", "after"),
    [
        ("skip", {"budget": 1, "remark": "x"}),
        ("fill", {**STORED, "budget": 1, "remark": "x"}),
        ("overwrite", {**STORED, "remark": "x"}),
    ],
)
def test_a_match_is_skipped_filled_or_written_over(
    alice: Principal, company: Company, way: str, after: dict[str, Any]
) -> None:
    make(company, "Remark", "text")
    lead = LeadFactory(company=company, email="zoe@firm.test", custom={"budget": 1, "remark": "x"})
    imported(alice, FULL, on_match=way)
    lead.refresh_from_db()
    assert lead.custom == after


def test_what_was_written_over_is_on_the_timeline(alice: Principal, company: Company) -> None:
    lead = LeadFactory(company=company, last_name="Berg", email="zoe@firm.test", custom={"budget": 1})
    imported(alice, HEAD + "Berg,zoe@firm.test,2,,,,,\n", on_match="overwrite")
    line = lead.activities.get(field="Budget")
    assert (line.old, line.new) == ("1", "2")


def test_a_row_that_says_the_same_is_skipped(alice: Principal, company: Company) -> None:
    LeadFactory(company=company, last_name="Berg", email="zoe@firm.test", custom=STORED)
    assert counts(imported(alice, FULL, on_match="overwrite")) == (0, 0, 1, 0)


def test_undoing_puts_old_values_back_and_keeps_what_was_changed_since(
    alice: Principal, company: Company
) -> None:
    lead = LeadFactory(company=company, email="zoe@firm.test", custom={"budget": 1, "plan": "Basic"})
    batch = imported(alice, FULL, on_match="overwrite")
    lead.refresh_from_db()
    Lead.objects.filter(pk=lead.pk).update(custom={**lead.custom, "plan": "Basic", "vip": False})
    batch = undone(alice, batch)
    lead.refresh_from_db()
    assert lead.custom == {"budget": 1, "plan": "Basic", "vip": False}
    assert batch.kept == 1


def test_an_import_is_undone_though_its_field_is_gone(
    alice: Principal, company: Company, fields: dict[str, CustomField]
) -> None:
    lead = LeadFactory(company=company, last_name="Berg", email="zoe@firm.test", custom={"vip": False})
    batch = imported(alice, HEAD + "Berg,zoe@firm.test,2,,,yes,,\n", on_match="overwrite")
    customfields.delete_field(fields["Budget"], SHELL)
    batch = undone(alice, batch)
    lead.refresh_from_db()
    assert lead.custom == {"vip": False}
    assert batch.kept == 0


def test_a_field_that_went_after_the_mapping_is_left_out(
    alice: Principal, fields: dict[str, CustomField]
) -> None:
    batch = uploaded(alice, FULL)
    customfields.delete_field(fields["Plan"], SHELL)
    batch = checked(batch)
    assert "cf_plan" not in batch.mapping
    assert counts(batch) == (1, 0, 0, 0)


def test_another_file_takes_the_mapping_along(alice: Principal, fields: dict[str, CustomField]) -> None:
    from io import BytesIO

    text = "Name,Money,Gone\nZoë Berg,5,x\n"
    batch = checked(uploaded(alice, text), mapping=["full_name", "cf_budget", "cf_portal"])
    customfields.delete_field(fields["Portal"], SHELL)
    fresh = imports.again(batch, alice, alice.actor("web"), "b.csv", BytesIO(text.encode()))
    assert fresh.mapping == ["full_name", "cf_budget", ""]


def test_two_columns_cannot_go_to_one_field(alice: Principal) -> None:
    batch = uploaded(alice, "Name,A,B\nZoë,1,2\n")
    with pytest.raises(ValidationError) as refusal:
        checked(batch, mapping=["full_name", "cf_budget", "cf_budget"])
    assert "Two columns go to Budget." in str(refusal.value)


def test_our_own_export_is_read_back(alice: Principal, company: Company) -> None:
    make(company, "Status", "text")
    lead = LeadFactory(company=company, email="zoe@firm.test", custom={**STORED, "status": "Gold"})
    made = export_leads(alice, SHELL, Lead.objects.all(), kind="csv", every_column=True)
    with made.file as file:
        text = file.read().decode()
    Lead.objects.filter(pk=lead.pk).update(custom={})
    imported(alice, text)
    lead.refresh_from_db()
    assert lead.custom == {**STORED, "status": "Gold"}


@pytest.mark.parametrize(
    ("header", "preset", "goes_to"),
    [
        ("Budget", "", "cf_budget"),
        ("budget", "", "cf_budget"),
        ("Position", "", "cf_position"),  # another program's name for the title
        ("Title", "", "title"),
        ("Status", "", "status"),
        ("Status (own)", "", "cf_status"),
        ("Lead ID", "salesforce", "external_id"),  # a preset is unaffected
    ],
)
def test_names_decide_where_a_column_goes(company: Company, header: str, preset: str, goes_to: str) -> None:
    for name in ("Position", "Status", "Lead ID"):
        make(company, name, "text")
    table = Table(Dialect("utf-8", ","), (header, "Last name"), True, ((), ()), 1)
    assert matches(table, preset, imports.own_fields())[0].field == goes_to


def test_days_are_read_month_first_where_the_file_says_so() -> None:
    from datetime import UTC, datetime

    own = imports.own_fields()
    reader = Reader(["cf_renewal"], Choices(own=own, month_first=True), datetime.now(UTC))
    assert reader.read(Row(2, ("11/20/2026",))).custom == {"renewal": "2026-11-20"}


def test_the_page_offers_the_fields(alice: Principal, client_of: Any, owner: User) -> None:
    batch = uploaded(alice, FULL)
    page = client_of(owner).get(f"/imports/{batch.pk}/").content.decode()
    assert '<optgroup label="Your own fields"><option value="cf_budget"' in page
    assert '<option value="cf_budget" selected>Budget</option>' in page
    assert len(custom_fields_of("lead")) == 6
