"""Searching everything: the page, and what the palette lists."""

from __future__ import annotations

import pytest
from django.db import connection
from django.template import Context, Template
from pytest_django import DjangoAssertNumQueries

from crm.models import Company, Deal, Lead, User
from tests.crm.views.conftest import Browser
from tests.factories import DealFactory, LeadFactory

PAGES = ("search", "palette")
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="the index is PostgreSQL's")


@pytest.fixture
def docks(company: Company, lead: Lead) -> Deal:
    deal: Deal = DealFactory(
        company=company, title="Twelve docks", lead=lead, organization=lead.organization, amount="48000"
    )
    return deal


@pytest.mark.parametrize("page", PAGES)
def test_it_answers_get_only(alice: Browser, page: str) -> None:
    assert alice.post(page).status_code == 405


@pytest.mark.parametrize("page", PAGES)
def test_nobody_signed_out_sees_it(alice: Browser, page: str) -> None:
    alice.client.logout()
    assert alice.get(page).status_code == 302


@pytest.mark.parametrize("page", PAGES)
def test_people_deals_and_organizations_are_found(alice: Browser, docks: Deal, page: str) -> None:
    seen = alice.seen(page, query="?q=fjordline")
    assert "Annika Sorensen" in seen
    assert "Twelve docks" in seen
    assert "€48,000" in seen
    assert "1 lead" in seen
    assert "<mark>Fjordline</mark>" in seen
    assert f'href="/organizations/{docks.organization_id}/"' in seen


@pytest.mark.parametrize("page", PAGES)
def test_an_agent_finds_own_records_only(
    bob: Browser, company: Company, agent: User, docks: Deal, page: str
) -> None:
    assert "Fjordline" not in bob.seen(page, query="?q=fjordline")
    LeadFactory(company=company, owner=agent, first_name="Olivier", organization=docks.organization.name)
    seen = bob.seen(page, query="?q=fjordline")
    assert "Olivier" in seen
    assert "1 lead" in seen
    assert "Annika" not in seen
    assert "docks" not in seen


@pytest.mark.parametrize("page", PAGES)
def test_another_company_finds_nothing(charlie: Browser, docks: Deal, page: str) -> None:
    seen = charlie.seen(page, query="?q=fjordline")
    assert "Annika" not in seen
    assert "Nothing" in seen


def test_who_is_found_by_their_address_is_shown_with_it(alice: Browser, lead: Lead) -> None:
    address = lead.email
    assert address not in alice.seen("search", query="?q=annika")
    assert "<mark>" in alice.seen("search", query=f"?q={address}")


def test_an_empty_search_says_what_can_be_typed(alice: Browser) -> None:
    assert "Who are you looking for?" in alice.seen("search")


def test_more_than_fit_lead_to_all_of_them(alice: Browser, company: Company) -> None:
    for _ in range(6):
        LeadFactory(company=company, first_name="Same")
    seen = alice.seen("palette", query="?q=same")
    assert seen.count("<mark>Same</mark>") == 5
    assert "/leads/?view=all&amp;search=same" in seen
    for number in range(6):
        LeadFactory(company=company, organization=f"Kaldvik {number}")
    assert "/organizations/?search=kaldvik" in alice.seen("palette", query="?q=kaldvik")


def test_the_empty_palette_lists_what_happened_last_and_what_can_be_done(alice: Browser, docks: Deal) -> None:
    seen = alice.seen("palette")
    for line in (
        "Recent",
        "Annika Sorensen",
        "Twelve docks",
        "New lead",
        "New deal",
        "Go to Deals",
        "Go to Settings",
    ):
        assert line in seen, line


def test_only_permitted_actions_appear(bob: Browser) -> None:
    seen = bob.seen("palette")
    assert "Go to Leads" in seen
    assert "Settings" not in seen


def test_actions_are_found_by_their_words(alice: Browser) -> None:
    seen = alice.seen("palette", query="?q=new le")
    assert "New</mark> <mark>le</mark>ad" in seen
    assert "Go to" not in seen


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "@@@", "%25", "x" * 5000, "%3Cscript%3E", "' OR 1=1"])
@pytest.mark.parametrize("page", PAGES)
def test_whatever_is_typed_is_answered(alice: Browser, lead: Lead, page: str, text: str) -> None:
    seen = alice.seen(page, query=f"?q={text}")
    assert "<script>" not in seen
    assert "Annika" not in seen or text == "%00"


@on_postgresql
@pytest.mark.parametrize("page", PAGES)
def test_a_slip_of_the_fingers_is_a_guess(alice: Browser, lead: Lead, page: str) -> None:
    seen = alice.seen(page, query="?q=anika")
    assert "Annika Sorensen" in seen
    assert "Did you mean" in seen or "nearly called so" in seen


@on_postgresql
@pytest.mark.parametrize("page", PAGES)
def test_a_guess_shows_own_records_only(bob: Browser, lead: Lead, page: str) -> None:
    assert "Annika" not in bob.seen(page, query="?q=anika")


@pytest.mark.parametrize("page", PAGES)
def test_it_asks_as_often_for_many_as_for_few(
    alice: Browser, company: Company, page: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def asked() -> int:
        alice.seen(page, query="?q=same")
        with django_assert_max_num_queries(40) as queries:
            alice.seen(page, query="?q=same")
        return len(queries)

    for place in range(3):
        _same(company, place)
    few = asked()
    for place in range(3, 63):
        _same(company, place)
    assert asked() == few


def _same(company: Company, place: int) -> None:
    lead = LeadFactory(company=company, first_name="Same", organization=f"Same {place}")
    DealFactory(company=company, title=f"Same {place}", lead=lead, organization=lead.organization)


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("Annika", ["nik"], "An<mark>nik</mark>a"),
        ("<b>", ["b"], "&lt;<mark>b</mark>&gt;"),
        ("a.c abc", ["a.c"], "<mark>a.c</mark> abc"),
        ("as it is", [], "as it is"),
    ],
)
def test_words_are_marked(text: str, words: list[str], shown: str) -> None:
    template = Template("{% load searching %}{{ text|marked:words }}")
    assert template.render(Context({"text": text, "words": words})) == shown
