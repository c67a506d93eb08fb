"""What people, firms and deals are found by."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from crm import search
from crm.actions.leads import PhoneEntry, update_lead
from crm.models import Company, Deal, Found, Lead, Organization, SearchEntry
from crm.tenancy import company_scope
from tests.factories import SHELL, DealFactory, LeadFactory

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="the index is PostgreSQL's")


@pytest.fixture
def annika(company: Company) -> Lead:
    lead: Lead = LeadFactory(
        company=company,
        first_name="Annika",
        last_name="Sørensen",
        email="Annika.S@fjordline-freight.test",
        phones=[PhoneEntry("+47 22 15 48 99")],
        organization="Fjordline Freight & Co.",
    )
    LeadFactory(company=company, first_name="Zoë", last_name="Other", email="zoe@other.test", phones=[])
    return lead


def found(text: str) -> list[str]:
    return sorted(lead.first_name for lead in search.search_leads(Lead.objects.all(), text))


@pytest.mark.parametrize(
    "text",
    [
        "annika",
        "ANNIKA",
        "nnik",  # anywhere in a name
        "an",  # short ones where a word begins
        "Sørensen",
        "SØRENSEN",
        "annika.s@fjord",
        "fjordline-freight.test",
        "freight",
        "+47 22 15 48 99",
        "4899",
        "(22)1548",
        "annika fjord 4899",
        "fjordline annika",
    ],
)
def test_a_lead_is_found_by_name_firm_address_and_number(annika: Lead, text: str) -> None:
    assert found(text) == ["Annika"]


@pytest.mark.parametrize("text", ["zebra", "annika zebra", "annika zoe", "999999", "@", "-- &", "\x00zebra"])
def test_every_word_has_to_be_found(annika: Lead, text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_asked_is_everything(annika: Lead, text: str) -> None:
    assert len(found(text)) == 2


@pytest.mark.parametrize("text", ["\ud800annika", "annika\x00", "annika %", "annika _"])
def test_what_cannot_be_found_is_not_looked_for(annika: Lead, text: str) -> None:
    assert found(text) == ["Annika"]


@on_postgresql
@pytest.mark.parametrize("text", ["sorensen", "ZOE"])
def test_accents_do_not_matter_on_postgresql(annika: Lead, text: str) -> None:
    assert len(found(text)) == 1


def test_a_deal_is_found_by_title_firm_and_primary_lead(company: Company, annika: Lead) -> None:
    DealFactory(company=company, lead=annika, title="Twelve docks", organization=annika.organization)
    for text in ("docks", "freight", "annika", "annika.s@", "dock 4899"):
        assert [deal.title for deal in search.search_deals(Deal.objects.all(), text)] == ["Twelve docks"], (
            text
        )
    assert not search.search_deals(Deal.objects.all(), "docks zebra").exists()


def test_an_organization_is_found_by_name_and_domain(company: Company, annika: Lead) -> None:
    Organization.objects.filter(name__startswith="Fjordline").update(domain="fjl.test")
    for text in ("fjord", "fjl.test", "freight co"):
        assert search.search_organizations(Organization.objects.all(), text).count() == 1, text


def test_another_company_s_records_are_not_found(annika: Lead, other_company: Company) -> None:
    with company_scope(other_company):
        assert found("annika") == []
        assert search.nearly(Found.LEAD, "annikka") == []


def test_it_is_narrowed_to_the_rows_it_is_given(annika: Lead) -> None:
    assert not search.search_leads(Lead.objects.exclude(pk=annika.pk), "annika").exists()


def test_many_are_found_as_well_as_few(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        LeadFactory(company=company, first_name="Same")
    monkeypatch.setattr(search, "MOST_NAMED", 2)
    assert found("same") == ["Same"] * 3


def test_a_changed_name_is_found_and_the_old_one_is_not(annika: Lead) -> None:
    update_lead(annika, {"first_name": "Berit"}, SHELL)
    assert found("berit") == ["Berit"]
    Lead.objects.filter(pk=annika.pk).update(first_name="Cecilie")
    annika.emails.all().delete()
    assert found("cecilie") == ["Cecilie"]
    assert found("berit") == []
    assert found("annika") == []


@on_postgresql
def test_what_is_deleted_leaves_no_entry(annika: Lead) -> None:
    assert SearchEntry.objects.filter(record=annika.pk).count() == 3
    annika.delete()
    assert not SearchEntry.objects.filter(record=annika.pk).exists()


@on_postgresql
def test_entries_hold_nothing_to_read_and_differ_between_companies(
    annika: Lead, other_company: Company
) -> None:
    with company_scope(other_company):
        twin = LeadFactory(company=other_company, first_name="Annika", last_name="Sørensen")
    with connection.cursor() as cursor:
        cursor.execute("SELECT grams FROM crm_searchentry WHERE source IN (%s, %s)", [annika.pk, twin.pk])
        one, other = (set(grams) for (grams,) in cursor.fetchall())
    assert all(isinstance(gram, int) for gram in one)
    assert not one & other


@on_postgresql
@pytest.mark.parametrize("text", ["anika", "sorenson", "Annica"])
def test_a_slip_of_the_fingers_finds_who_was_meant(annika: Lead, text: str) -> None:
    assert search.nearly(Found.LEAD, text) == [annika.pk]


@pytest.mark.parametrize("text", ["", "zzzz", "an", "@@@@", "\x00"])
def test_nothing_like_it_finds_nobody(annika: Lead, text: str) -> None:
    assert search.nearly(Found.LEAD, text) == []


@on_postgresql
def test_a_search_asks_its_index(annika: Lead, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1) as asked:
        search.search_organizations(Organization.objects.all(), "fjord")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {asked[0]['sql']}")
        assert "search_by_grams" in str(cursor.fetchall())
