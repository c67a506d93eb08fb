"""The pages on which two leads become one, and two again."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.actions import customfields
from crm.actions.leads import PhoneEntry
from crm.actions.merge import merge_leads
from crm.models import Company, Lead, Merge, User
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, LeadFactory


@pytest.fixture
def twin(company: Company, owner: User) -> Lead:
    """Annika a second time, with a title."""
    return LeadFactory(
        company=company,
        first_name="A.",
        last_name="Sorensen",
        email="annika@private.test",
        title="Head of Logistics",
        owner=owner,
    )


def test_the_page_of_a_lead_names_its_duplicates_and_why(
    company: Company, owner: User, alice: Browser, lead: Lead
) -> None:
    LeadFactory(company=company, first_name="Mail", email=lead.email.upper(), owner=owner)
    LeadFactory(
        company=company,
        first_name="annika",
        last_name="SORENSEN",
        organization="Fjordline",
        email="",
        owner=owner,
    )
    page = alice.seen("lead", lead.pk)
    assert "Possible duplicates" in page
    assert "Same e-mail" in page
    assert "Same name and organization" in page


def test_the_same_digits_are_the_same_number(
    company: Company, owner: User, alice: Browser, lead: Lead
) -> None:
    for number in ("+47 22 15 48 90", "(47) 2215-4890", "+4712"):
        LeadFactory(company=company, phones=[PhoneEntry(number)], owner=owner)
    first = Lead.objects.filter(phones__number__startswith="+47 22").get()
    page = alice.seen("lead", first.pk)
    assert page.count("Same phone") == 1


def test_no_duplicate_is_named_that_one_may_not_see(
    company: Company, owner: User, agent: User, bob: Browser
) -> None:
    mine = LeadFactory(company=company, email="same@x.test", owner=agent)
    LeadFactory(company=company, first_name="QUARTZ", email="same@x.test", owner=owner)
    page = bob.seen("lead", mine.pk)
    assert "Possible duplicate" not in page
    assert "QUARTZ" not in page


def test_both_are_shown_field_by_field(alice: Browser, lead: Lead, twin: Lead) -> None:
    page = alice.seen("lead_merge", lead.pk, f"?with={twin.pk}")
    assert "Head of Logistics" in page
    assert "annika@private.test" in page
    assert 'name="title" value="theirs" checked' in page
    assert 'name="first_name" value="ours" checked' in page


def test_fields_of_one_s_own_are_chosen_where_both_say_something_else(
    company: Company, alice: Browser, lead: Lead, twin: Lead
) -> None:
    for name in ("Budget", "Plan", "Region", "Team"):
        customfields.add_field(company, {"entity": "lead", "name": name, "kind": "text"}, SHELL)
    Lead.objects.filter(pk=lead.pk).update(custom={"budget": "Ten", "plan": "Pro", "team": "North"})
    Lead.objects.filter(pk=twin.pk).update(custom={"budget": "Twelve", "plan": "Basic", "region": "Oslo"})
    page = alice.seen("lead_merge", lead.pk, f"?with={twin.pk}")
    for word in ("Ten", "Twelve", "Pro", "Basic", "Oslo", "North"):
        assert f'<span class="clip">{word}</span>' in page
    assert 'name="cf_budget" value="ours" checked' in page
    assert 'name="cf_region"' not in page  # only one of them knows, so there is nothing to choose
    alice.post(
        "lead_merge",
        lead.pk,
        **{"with": str(twin.pk), "cf_budget": "theirs", "cf_plan": "ours", "cf_no": "theirs"},
    )
    lead.refresh_from_db()
    assert lead.custom == {"budget": "Twelve", "plan": "Pro", "region": "Oslo", "team": "North"}
    alice.post("lead_unmerge", lead.pk)
    lead.refresh_from_db()
    assert lead.custom == {"budget": "Ten", "plan": "Pro", "team": "North"}


def test_what_was_chosen_is_merged_and_can_be_undone(alice: Browser, lead: Lead, twin: Lead) -> None:
    answer = alice.post(
        "lead_merge", lead.pk, **{"with": str(twin.pk), "first_name": "theirs", "title": "ours"}
    )
    assert answer.headers["Location"] == f"/leads/{lead.pk}/"
    lead.refresh_from_db()
    assert (lead.first_name, lead.title) == ("A.", "")
    page = alice.seen("lead", lead.pk)
    assert "merged <b>A. Sorensen</b> into this lead" in page
    assert "can be undone until" in page
    alice.post("lead_unmerge", lead.pk)
    assert "is a lead of its own again" in alice.said()
    lead.refresh_from_db()
    assert lead.first_name == "Annika"
    assert alice.get("lead", twin.pk).status_code == 200


def test_an_old_link_finds_whoever_they_are_now(alice: Browser, lead: Lead, twin: Lead) -> None:
    merge_leads(lead, twin, SHELL)
    assert alice.get("lead", twin.pk).headers["Location"] == f"/leads/{lead.pk}/"


def test_there_is_somebody_to_look_for(alice: Browser, lead: Lead, twin: Lead) -> None:
    assert "A. Sorensen" in alice.seen("lead_merge", lead.pk, "?search=Sorensen")
    assert "Nobody is found" in alice.seen("lead_merge", lead.pk, "?search=Nobodyhere")


def test_a_refusal_says_why_and_merges_nothing(alice: Browser, lead: Lead) -> None:
    answer = alice.post("lead_merge", lead.pk, **{"with": str(lead.pk)})
    assert answer.status_code == 422
    assert "same one" in answer.content.decode()
    alice.post("lead_unmerge", lead.pk)
    assert "no merge that could be undone" in alice.said()


@pytest.mark.parametrize("other", ["x", "01890000-0000-7000-8000-000000000000"])
def test_nobody_to_merge_with_is_not_found(alice: Browser, lead: Lead, other: str) -> None:
    assert alice.post("lead_merge", lead.pk, **{"with": other}).status_code == 404


def test_without_the_other_one_the_page_asks_for_it(alice: Browser, lead: Lead) -> None:
    answer = alice.post("lead_merge", lead.pk)
    assert answer.status_code == 422
    assert "Merge Annika Sorensen with…" in answer.content.decode()


def test_an_agent_merges_own_leads_only(
    company: Company, agent: User, bob: Browser, alice: Browser, lead: Lead
) -> None:
    mine, also = (LeadFactory(company=company, owner=agent) for _ in range(2))
    assert bob.post("lead_merge", mine.pk, **{"with": str(lead.pk)}).status_code == 404
    assert bob.get("lead_merge", mine.pk, f"?with={lead.pk}").status_code == 404
    assert bob.post("lead_merge", lead.pk, **{"with": str(mine.pk)}).status_code == 404
    assert not Merge.objects.exists()
    assert bob.post("lead_merge", mine.pk, **{"with": str(also.pk)}).status_code == 302
    assert Merge.objects.count() == 1
    assert bob.post("lead_unmerge", lead.pk).status_code == 404


def test_duplicates_cost_the_same_few_queries_however_many(
    company: Company, owner: User, alice: Browser, lead: Lead
) -> None:
    counts = []
    for many in (2, 12):
        for _ in range(many):
            LeadFactory(company=company, email=lead.email, owner=owner)
        alice.seen("lead", lead.pk)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            alice.seen("lead", lead.pk)
        counts.append(len(queries))
    assert counts[0] == counts[1]
