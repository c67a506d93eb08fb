"""The firms: their list, the page of one, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.actions import organizations as actions
from crm.actions.timeline import add_note
from crm.models import Company, Lead, Organization, User
from crm.views.organizations import PAGE_ROWS
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory, LeadFactory


@pytest.fixture
def firm(lead: Lead) -> Organization:
    """Fjordline, Annika's firm."""
    assert lead.organization is not None
    return lead.organization


def test_a_firm_has_its_people_deals_and_story(
    alice: Browser, lead: Lead, firm: Organization, deal: object
) -> None:
    add_note(lead, "Wants twelve docks.", SHELL)
    page = alice.seen("organization", firm.pk)
    for word in ("Fjordline", "Annika Sorensen", "Twelve docks", "Wants twelve docks.", "wrote a note"):
        assert word in page


def test_the_list_counts_people_and_open_deals(alice: Browser, firm: Organization, deal: object) -> None:
    row = alice.get("organizations").context["rows"][0]
    assert (row.organization, row.people, row.deals) == (firm, 1, 1)
    assert "Fjordline" in alice.seen("organizations", query="?search=FJORD")
    assert "No match" in alice.seen("organizations", query="?search=nobody")


def test_the_list_is_paged_by_name_without_a_gap(company: Company, alice: Browser) -> None:
    Organization.objects.bulk_create(
        Organization(company=company, name=f"Firm {n % 30}", name_key=f"firm {n % 30}")
        for n in range(PAGE_ROWS + 20)
    )
    first = alice.get("organizations").context
    second = alice.get("organizations", query=first["next_url"]).context
    seen = [row.organization.pk for row in (*first["rows"], *second["rows"])]
    assert len(seen) == len(set(seen)) == PAGE_ROWS + 20
    assert second["next_url"] == ""
    assert alice.get("organizations", query="?after=nonsense").status_code == 200
    # What can be exported from there is all of them, not what is left from here on.
    assert first["count"] == second["count"] == PAGE_ROWS + 20


def test_an_agent_sees_the_firms_of_own_records(
    company: Company, owner: User, agent: User, bob: Browser, firm: Organization
) -> None:
    assert bob.get("organization", firm.pk).status_code == 404
    assert bob.post("organization_edit", firm.pk, name="x").status_code == 404
    assert "Fjordline" not in bob.seen("organizations")
    mine = LeadFactory(company=company, owner=agent, organization="Fjordline", first_name="Mine")
    secret = DealFactory(company=company, owner=owner, lead=mine, title="QUARTZ")
    add_note(secret, "QUARTZ price", SHELL)
    page = bob.seen("organization", firm.pk)
    assert "Mine" in page
    assert "Annika" not in page
    assert "QUARTZ" not in page
    row = bob.get("organizations").context["rows"][0]
    assert (row.people, row.deals) == (1, 0)


def test_name_and_domain_are_mended(alice: Browser, firm: Organization, lead: Lead) -> None:
    alice.post(
        "organization_edit", firm.pk, name=" Fjordline  Freight", domain="https://www.Fjordline.no/about"
    )
    firm.refresh_from_db()
    assert (firm.name, firm.name_key, firm.domain) == (
        "Fjordline Freight",
        "fjordline freight",
        "fjordline.no",
    )
    new = LeadFactory(company=lead.company, email="new@fjordline.no")
    assert new.organization == firm, "the domain finds it"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("domain", "gmail.com", "mail provider"),
        ("domain", "no domain", "such as fjordline.no"),
        ("domain", "a" * 260 + ".no", "such as fjordline.no"),
        ("domain", "taken.test", "Another organization"),
        ("name", "taken ltd", "Another organization"),
        ("name", "", "Enter the name"),
        ("name", "a\x00b", ""),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    company: Company, alice: Browser, firm: Organization, field: str, value: str, words: str
) -> None:
    actions.create_organization(company, {"name": "Taken Ltd", "domain": "taken.test"})
    answer = alice.post("organization_edit", firm.pk, **{"name": "Fjordline", "domain": "", field: value})
    assert answer.status_code == 422
    assert words in str(answer.context["form"].errors[field])
    firm.refresh_from_db()
    assert (firm.name, firm.domain) == ("Fjordline", "customer.test")


def test_pages_of_another_company_are_not_found(charlie: Browser, firm: Organization) -> None:
    for name in ("organization", "organization_edit"):
        assert charlie.get(name, firm.pk).status_code == 404
    assert charlie.get("organization", uuid4()).status_code == 404


@pytest.mark.parametrize("name", ["organizations", "organization"])
def test_a_page_costs_the_same_however_many(
    company: Company, owner: User, alice: Browser, firm: Organization, name: str
) -> None:
    pk = firm.pk if name == "organization" else None
    counts = []
    for many in (3, 20):
        for n in range(many):
            lead = LeadFactory(company=company, organization=firm.name, owner=owner)
            LeadFactory(company=company, organization=f"Firm {many} {n}", owner=owner)
            DealFactory(company=company, lead=lead, owner=owner)
        alice.seen(name, pk)
        with CaptureQueriesContext(connection) as queries:
            alice.seen(name, pk)
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- API


def test_the_api_lists_adds_and_mends_firms(company: Company, api_of: Callable[..., Client]) -> None:
    api = api_of(company)
    made = api.post(
        "/api/v1/organizations/", {"name": "Nordic", "domain": "nordic.test"}, content_type="application/json"
    )
    assert made.status_code == 201
    url = f"/api/v1/organizations/{made.json()['id']}/"
    changed = api.patch(url, {"name": "Nordic Ltd"}, content_type="application/json")
    assert changed.json()["name"] == "Nordic Ltd"
    assert changed.json()["domain"] == "nordic.test"
    assert api.get(url).json() == changed.json()
    listed = api.get("/api/v1/organizations/?search=nord&ordering=name").json()["results"]
    assert [each["name"] for each in listed] == ["Nordic Ltd"]
    again = api.post("/api/v1/organizations/", {"name": "nordic ltd"}, content_type="application/json")
    assert (again.status_code, again.json()["errors"][0]["attr"]) == (400, "name")


def test_the_api_tells_what_happened(company: Company, lead: Lead, api_of: Callable[..., Client]) -> None:
    add_note(lead, "Rang.", SHELL, "call")
    found = api_of(company).get(f"/api/v1/activities/?lead={lead.pk}&kind=call").json()["results"]
    assert [(each["text"], each["lead"], each["actor"]) for each in found] == [
        ("Rang.", str(lead.pk), "Tests")
    ]


def test_an_agent_reads_of_own_records_alone(
    company: Company, agent: User, lead: Lead, client_of: Callable[[User], Client]
) -> None:
    client = client_of(agent)
    assert client.get("/api/v1/activities/").json()["results"] == []
    assert client.get("/api/v1/organizations/").json()["results"] == []


def test_a_firm_is_found_by_the_domain_but_no_mail_provider(company: Company) -> None:
    first = LeadFactory(company=company, email="a@gmail.com", organization="Sole Trader")
    assert first.organization.domain == ""
    assert LeadFactory(company=company, email="b@gmail.com").organization is None
    with pytest.raises(ValidationError):
        actions.update_organization(first.organization, {"domain": "@gmail.com"})


def test_a_firm_is_added_by_hand(alice: Browser) -> None:
    assert "New organization" in alice.seen("organizations")
    answer = alice.post("organization_new", name="  Kaldvik  AS ", domain="https://www.kaldvik.no/about")
    firm = Organization.objects.get()
    assert (firm.name, firm.domain) == ("Kaldvik AS", "kaldvik.no")
    assert answer["Location"] == f"/organizations/{firm.pk}/"
    assert "Kaldvik AS is there now." in alice.seen("organization", firm.pk)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "domain": ""}, "Enter the name."),
        ({"name": "x" * 161, "domain": ""}, "160"),
        ({"name": "Kaldvik", "domain": "not a domain"}, "Enter a domain such as fjordline.no."),
        ({"name": "Kaldvik", "domain": "gmail.com"}, "gmail.com is a mail provider"),
        ({"name": "a\x00b", "domain": ""}, "characters"),
    ],
)
def test_what_is_wrong_with_a_new_firm_stands_at_its_field(
    company: Company, alice: Browser, fields: dict[str, str], said: str
) -> None:
    answer = alice.post("organization_new", **fields)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Organization.objects.exists()


@pytest.mark.parametrize("fields", [{"name": "FJORDLINE"}, {"name": "Other", "domain": "fjord.no"}])
def test_a_firm_that_is_there_is_named_with_the_way_to_it(
    alice: Browser, firm: Organization, fields: dict[str, str]
) -> None:
    Organization.objects.update(domain="fjord.no")
    answer = alice.post("organization_new", **{"domain": "", **fields})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'href="/organizations/{firm.pk}/"' in page
    assert "is there already." in page
    assert fields["name"] in page, "what was typed is still there"
    assert Organization.objects.count() == 1


def test_an_agent_adds_firms_with_their_leads_alone(bob: Browser) -> None:
    assert bob.get("organization_new").status_code == 403
    assert "/organizations/new/" not in bob.seen("organizations")


def test_the_palette_offers_a_new_firm(alice: Browser, bob: Browser) -> None:
    assert "/organizations/new/" in alice.seen("palette", query="?q=new+org")
    assert "/organizations/new/" not in bob.seen("palette", query="?q=new+org")
