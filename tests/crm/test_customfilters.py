"""Filters by custom fields: what an address says, and which records fit."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from crm.actions import customfields
from crm.customfilters import read_custom
from crm.models import Company, CustomField, Lead, custom_fields_of
from tests.factories import SHELL, LeadFactory

pytestmark = pytest.mark.django_db
KINDS = ("text", "long_text", "number", "date", "yes_no", "choice", "choices", "url")
VALUES: dict[str, Any] = {
    "text": "100% Größe_x",
    "long_text": "One line\nand another",
    "number": -2.5,
    "date": "2026-02-28",
    "yes_no": False,
    "choice": "Größe",
    "choices": ["Größe", "Tempo"],
    "url": "https://fjordline.test/a",
}


@pytest.fixture
def fields(company: Company) -> list[CustomField]:
    """A field of every kind, whose key is the kind."""
    return [make(company, kind, kind) for kind in KINDS]


def make(company: Company, name: str, kind: str) -> CustomField:
    options = ["Größe", "Tempo"] if kind.startswith("choice") else []
    wanted: Any = {"entity": "lead", "name": name, "kind": kind, "options": options}
    return customfields.add_field(company, wanted, SHELL)


def found(query: str) -> list[Lead]:
    filters = read_custom((field.values for field in custom_fields_of("lead")), QueryDict(query))
    assert not filters.wrong
    return list(filters.narrow(Lead.objects.all()))


@pytest.mark.parametrize(
    "query",
    [
        "cf_text=SSE_X".replace("SSE", "gr%C3%B6%C3%9Fe"),
        "cf_text=%25",  # a sign of LIKE is a letter like any other
        "cf_text-is=100%25+Gr%C3%B6%C3%9Fe_X",
        "cf_long_text=another",
        "cf_number=-2.5",
        "cf_number-from=-3",
        "cf_number-to=-2.5",
        "cf_number-from=-2.5&cf_number-to=0",
        "cf_date=2026-02-28",
        "cf_date-from=2026-02-28&cf_date-to=2026-03-01",
        "cf_yes_no=no",
        "cf_yes_no=FALSE",
        "cf_choice=gr%C3%B6%C3%9Fe",
        "cf_choice=Tempo&cf_choice=Gr%C3%B6%C3%9Fe",
        "cf_choice=Tempo,Gr%C3%B6%C3%9Fe",
        "cf_choices=Tempo",
        "cf_url=FJORDLINE",
        "cf_text=",
    ],
)
def test_filters_that_fit_find_the_record(company: Company, fields: list[CustomField], query: str) -> None:
    lead = LeadFactory(company=company, custom=VALUES)
    assert found(query) == [lead]


@pytest.mark.parametrize(
    "query",
    [
        "cf_text=zebra",
        "cf_text=1__%25",
        "cf_text-is=100%25",
        "cf_number=2.5",
        "cf_number-from=-2.4",
        "cf_number-to=-10",
        "cf_date-from=2026-03-01",
        "cf_date-to=2026-02-27",
        "cf_yes_no=yes",
        "cf_choice=Tempo",
        "cf_url=http:",
    ],
)
def test_filters_that_do_not_fit_leave_it_out(
    company: Company, fields: list[CustomField], query: str
) -> None:
    LeadFactory(company=company, custom=VALUES)
    assert found(query) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_without_a_value_is_not_found(
    company: Company, fields: list[CustomField], kind: str
) -> None:
    LeadFactory(company=company)
    value = {"number": "0", "date": "2026-01-01", "yes_no": "no"}.get(kind, "Tempo")
    assert found(f"cf_{kind}={value}") == []


def test_what_is_left_of_another_kind_breaks_nothing(company: Company, fields: list[CustomField]) -> None:
    lead = LeadFactory(company=company)
    Lead.objects.filter(pk=lead.pk).update(custom={kind: ["x"] if kind != "choices" else 3 for kind in KINDS})
    for query in ("cf_number-from=1", "cf_number=1", "cf_choice=Tempo", "cf_choices=Tempo", "cf_yes_no=yes"):
        assert found(query) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("cf_number=many", "number: Enter a number such as 1234.5."),
        ("cf_number-from=1e9", "number: Enter a number"),
        ("cf_number-to=%D9%A1", "number: Enter a number"),
        ("cf_date-from=yesterday", "date: Enter a date such as 2026-11-20."),
        ("cf_date=2026-02-30", "date: Enter a date"),
        ("cf_yes_no=maybe", "yes_no: Say yes or no."),
        ("cf_choice=Size", "choice: Choose from Größe, Tempo."),
        ("cf_choices=Tempo,Size", "choices: Choose from Größe, Tempo."),
        ("cf_choice=,", "choice: Give a value."),
        ("cf_text=" + "x" * 301, "text: At most 300 characters."),
        ("cf_text=a%00", "text: Remove the characters that cannot be stored"),
        ("cf_text-from=a", "a custom field that is no longer there"),
        ("cf_gone=a", "a custom field that is no longer there"),
    ],
)
def test_a_value_that_will_not_do_is_told_and_left_out(
    company: Company, fields: list[CustomField], query: str, said: str
) -> None:
    filters = read_custom((field.values for field in fields), QueryDict(query))
    assert not filters.filters
    assert said in filters.wrong[0].sentence


@pytest.mark.parametrize("name", ["予算", "2026", "contains", "isnull"])
def test_any_name_makes_a_key_that_can_be_asked_for(company: Company, name: str) -> None:
    field = make(company, name, "text")
    lead = LeadFactory(company=company, custom={field.key: "x"})
    LeadFactory(company=company)
    assert found(f"cf_{field.key}=x") == [lead]


def test_several_filters_all_hold(company: Company, fields: list[CustomField]) -> None:
    one = LeadFactory(company=company, custom={"number": 5, "choice": "Tempo"})
    LeadFactory(company=company, custom={"number": 5, "choice": "Größe"})
    LeadFactory(company=company, custom={"number": 4, "choice": "Tempo"})
    assert found("cf_number-from=5&cf_choice=Tempo") == [one]
