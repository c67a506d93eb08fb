"""The data map names every field there is, and an export holds what the map says."""

from __future__ import annotations

from pathlib import Path

from django.apps import apps

from capi.models import Rule
from crm import datamap, personal_export
from crm.actions import timeline
from crm.models import Company
from tests.factories import SHELL, DealFactory, LeadFactory

MAP = {table.label: table for table in datamap.tables()}


def test_every_table_is_in_the_map() -> None:
    models = {model._meta.label for model in apps.get_models() if model._meta.managed}
    assert models - set(MAP) == set(), "Say in a data map what these tables hold (crm/datamap.py)."
    assert set(MAP) - models == set()


def test_every_field_with_words_is_named_once_and_exists() -> None:
    for table in MAP.values():
        fields = {field.name: field for field in table.model._meta.concrete_fields}
        named = [
            name
            for kind in ("person", "mention", "staff", "secret", "plain")
            for name in getattr(table, kind).split()
        ]
        assert len(named) == len(set(named)), f"{table.label} names a field twice."
        assert set(named) - set(fields) == set(), f"{table.label} names what it does not have."
        speaking = {name for name, field in fields.items() if not datamap.is_mute(field)}
        assert speaking - set(named) == set(), f"Say whose data these fields of {table.label} hold."


def test_whatever_is_about_a_person_can_be_found_by_them() -> None:
    for table in MAP.values():
        if table.person:
            assert table.rows is not None, f"{table.label} is about people, and an export would miss it."


def test_an_export_has_every_table_that_holds_the_person(company: Company, rules: dict[str, Rule]) -> None:
    lead = LeadFactory(
        company=company, organization="Firm", phones=[], tags=["VIP"], attribution={"utm_source": "spring"}
    )
    other = LeadFactory(company=company, email="other@customer.test")
    DealFactory(company=company, lead=lead)
    timeline.add_note(lead, "Prefers mail.", SHELL)
    timeline.add_note(other, "Somebody else.", SHELL)
    found = personal_export.export_lead(lead, SHELL)
    text = personal_export.JSONEncoder().encode(found)
    assert {
        "crm.Lead",
        "crm.LeadEmail",
        "crm.LeadTag",
        "crm.LeadStatusChange",
        "crm.Activity",
        "crm.Deal",
        "crm.DealStageChange",
        "crm.Organization",
        "crm.AuditEntry",
        "capi.ConversionEvent",
    } == set(found["tables"])
    assert "Prefers mail." in text
    assert "spring" in text
    assert "other@customer.test" not in text
    assert "Somebody else." not in text


def test_the_page_of_the_data_map_is_current() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "privacy" / "data-map.md"
    assert page.read_text(encoding="utf-8") == datamap.as_page(), (
        "Write it anew: manage.py shell -c 'from crm import datamap; print(datamap.as_page(), end=\"\")'"
    )
