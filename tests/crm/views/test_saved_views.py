"""Columns, filters and saved views of the lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone

from crm.models import Company, Deal, Lead, LeadStatus, SavedView, User
from tests.crm.views.conftest import Browser, url
from tests.factories import DealFactory, LeadFactory

LONG_AGO = dt.timedelta(days=50)


def save(browser: Browser, query: str = "noun=lead&view=all&status=won", **fields: object) -> SavedView:
    answer = browser.client.post(f"{url('view_new')}?{query}", {"name": "Winners", **fields})
    assert answer.status_code == 302, answer.content.decode()
    return SavedView.objects.latest("pk")


def test_however_many_views_there_are_each_is_found_and_opens_first(alice: Browser, company: Company) -> None:
    LeadFactory(company=company)
    for number in range(15):
        save(alice, name=f"View {number}")
    last = save(alice, name="Zebra", is_default="on")
    assert alice.get("leads").headers["Location"] == last.url
    seen = alice.client.get(last.url)
    assert seen.context["saved"] == last
    assert [tab.label for tab in seen.context["tabs"] if tab.current] == ["Zebra"]


# ── Columns and filters ────────────────────────────────────────────────────────────────────────────────


def test_columns_are_chosen_in_the_address(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, email="annika@fjord.test", tags=["VIP"], source="Trade fair")
    usual = alice.seen("leads")
    assert "Trade fair</span>" in usual
    assert "annika@fjord.test" not in usual
    chosen = alice.seen("leads", query="?col=email&col=tags&col=nonsense")
    assert "annika@fjord.test" in chosen
    assert '<span class="clip">VIP</span>' in chosen
    assert "Trade fair</span>" not in chosen


def test_a_changed_row_keeps_the_columns_of_its_list(alice: Browser, company: Company) -> None:
    lead = LeadFactory(company=company, email="annika@fjord.test", source="Trade fair")
    row = alice.htmx("lead_status", lead.pk, status="won", next="/leads/?col=email").content.decode()
    assert "annika@fjord.test" in row
    assert "Trade fair" not in row


def test_any_choice_of_columns_asks_a_fixed_number_of_queries(
    alice: Browser, company: Company, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for _ in range(12):
        LeadFactory(company=company, tags=["VIP"], organization="Firm")
    query = "?" + "&".join(f"col={key}" for key in ("email", "tags", "type", "country", "owner", "ready"))
    alice.seen("leads", query=query)
    with django_assert_max_num_queries(30):  # type: ignore[attr-defined]
        alice.seen("leads", query=query)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("country=NO", True),
        ("country=DE", False),
        ("country=XX", True),
        ("consent=granted", True),
        ("consent=denied", False),
        ("touched=in-90", True),
        ("touched=in-30", False),
        ("touched=not-30", True),
        ("created_from=2026-01-01", True),
        ("created_to=2020-01-01", False),
        ("created_from=0001-01-01&created_to=9999-12-31", True),
        ("created_from=yesterday", True),
        ("linkedin=ready", True),
        ("linkedin=not", False),
        ("linkedin=nonsense", True),
    ],
)
def test_further_filters_narrow_the_list(alice: Browser, company: Company, query: str, found: bool) -> None:
    then = timezone.now() - LONG_AGO
    lead = LeadFactory(company=company, first_name="Annika", country_code="NO", consent="granted")
    Lead.objects.filter(pk=lead.pk).update(last_touch_at=then)
    assert ("Annika" in alice.seen("leads", query=f"?view=all&{query}")) is found


def test_what_linkedin_is_not_told_is_found_by_its_reason(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, first_name="Nomail", email="")
    LeadFactory(company=company, first_name="Denied", consent="denied")
    LeadFactory(company=company, first_name="Internal", email="me@acme.test")
    LeadFactory(company=company, first_name="Silent", country_code="DE")
    company.internal_domains, company.consent_policy = ["acme.test"], "hold_eea"
    company.save()
    reasons = {"no-identifier": "Nomail", "denied": "Denied", "never": "Internal", "unknown": "Silent"}
    for reason, name in reasons.items():
        page = alice.seen("leads", query=f"?view=all&linkedin={reason}")
        assert name in page
        assert [other for other in reasons.values() if other in page].count(name) == 1
    everyone = alice.seen("leads", query="?view=all&linkedin=not")
    assert all(name in everyone for name in reasons.values())


def test_what_the_filter_finds_is_what_the_badges_say(company: Company, owner: User) -> None:
    from capi.lead_filter import narrow
    from capi.readiness import readiness

    for policy in ("send", "hold_eea", "hold"):
        company.consent_policy, company.internal_domains = policy, ["acme.test"]
        company.save()
        for consent in ("granted", "denied", "unknown"):
            for country, email in (("", ""), ("DE", "a@x.test"), ("US", "b@acme.test"), ("US", "c@x.test")):
                LeadFactory(company=company, consent=consent, country_code=country, email=email)
        LeadFactory(company=company, attribution={"li_fat_id": "abc"}, email="")
        ready = set(narrow(Lead.objects.all(), company, "ready"))
        assert ready == {lead for lead in Lead.objects.all() if readiness(lead, company).can_be_sent}
        assert ready.isdisjoint(narrow(Lead.objects.all(), company, "not"))


# ── Saved views ────────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_view_is_a_tab_that_opens_its_list(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, first_name="Ngozi", status=LeadStatus.objects.get(key="won"))
    LeadFactory(company=company, first_name="Olivier")
    view = save(alice, "noun=lead&view=all&status=won&col=email&sort=name")
    assert (view.params, view.columns, view.sort) == ("view=all&status=won", ["email"], "name")
    assert view.url.replace("&", "&amp;") in alice.seen("leads")
    page = alice.client.get(view.url).content.decode()
    assert "Ngozi" in page
    assert "Olivier" not in page
    assert "Edit view" in page


def test_a_view_is_private_until_it_is_shared(
    alice: Browser, bob: Browser, charlie: Browser, lead: Lead
) -> None:
    view = save(alice)
    assert "Winners" not in bob.seen("leads")
    alice.client.post(url("view_edit", view.pk), {"name": "Winners", "is_shared": "on"})
    assert "Winners" in bob.seen("leads")
    assert "Winners" not in charlie.seen("leads")
    assert bob.get("view_edit", view.pk).status_code == 403
    assert charlie.get("view_edit", view.pk).status_code == 404


def test_a_private_view_is_nobody_else_s_to_find(alice: Browser, bob: Browser) -> None:
    view = save(alice)
    for name in ("view_edit", "view_save", "view_delete"):
        assert bob.post(name, view.pk).status_code == 404


def test_a_shared_view_shows_everybody_only_their_own_records(
    alice: Browser, bob: Browser, lead: Lead
) -> None:
    view = save(alice, "noun=lead&view=all", is_shared="on")
    assert "Annika" not in bob.client.get(view.url).content.decode()


def test_a_locked_view_stays_as_it_is_until_it_is_unlocked(alice: Browser) -> None:
    view = save(alice, is_locked="on")
    alice.client.post(url("view_save", view.pk), {"query": "view=all"})
    alice.post("view_delete", view.pk)
    view.refresh_from_db()
    assert view.params == "view=all&status=won"
    alice.client.post(url("view_edit", view.pk), {"name": "Winners"})
    alice.client.post(url("view_save", view.pk), {"query": "view=all&page=3&saved=x"})
    view.refresh_from_db()
    assert view.params == "view=all"


def test_a_changed_list_offers_to_save_what_it_shows(alice: Browser, lead: Lead) -> None:
    view = save(alice)
    assert "Save changes" not in alice.client.get(view.url).content.decode()
    assert "Save changes" in alice.client.get(f"{view.url}&source=Fair").content.decode()


def test_a_pinned_view_is_in_the_side_bar_of_every_page(alice: Browser, lead: Lead) -> None:
    save(alice, is_pinned="on")
    assert "Pinned" in alice.seen("home")
    assert "Winners" in alice.seen("home")


def test_the_default_view_opens_the_list(alice: Browser, lead: Lead) -> None:
    first = save(alice, is_default="on")
    second = save(alice, "noun=lead&view=mine", is_default="on", name="Mine first")
    answer = alice.get("leads")
    assert (answer.status_code, answer["Location"]) == (302, second.url)
    assert alice.get("leads", query="?view=open").status_code == 200
    first.refresh_from_db()
    assert not first.is_default


def test_a_view_is_deleted_and_its_leads_stay(alice: Browser, lead: Lead) -> None:
    view = save(alice)
    alice.post("view_delete", view.pk)
    assert not SavedView.objects.exists()
    assert Lead.objects.filter(pk=lead.pk).exists()


def test_deals_have_columns_and_views_too(alice: Browser, company: Company, owner: User) -> None:
    deal: Deal = DealFactory(company=company, owner=owner, title="Twelve docks")
    view = save(alice, "noun=deal&view=list&owner=nobody&col=amount", name="Orphans")
    page = alice.client.get(view.url).content.decode()
    assert "Orphans" in page
    assert deal.title not in page
    listed = alice.seen("deals", query="?view=list&col=amount&sort=-amount")
    assert "Twelve docks" in listed
    assert 'aria-sort="descending"' in listed
    assert ">Moved" not in listed.split("<tbody", 1)[0].split("<thead", 1)[1]


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 61}, {"name": "a\x00b"}])
def test_a_view_needs_a_name_that_can_be_kept(alice: Browser, fields: dict[str, str]) -> None:
    answer = alice.client.post(f"{url('view_new')}?noun=lead", fields)
    assert answer.status_code == 422
    assert not SavedView.objects.exists()


def test_a_query_that_is_too_long_is_refused(alice: Browser) -> None:
    answer = alice.client.post(f"{url('view_new')}?noun=lead&search={'x' * 2001}", {"name": "Long"})
    assert answer.status_code == 422
    assert alice.get("view_new", query="?noun=pipe").status_code == 404


def test_an_old_view_of_things_that_are_gone_still_opens(alice: Browser, lead: Lead) -> None:
    view = save(alice, "noun=lead&view=all&status=gone&tag=gone&owner=gone&col=gone&sort=gone")
    assert "Annika" in alice.client.get(view.url).content.decode()


def test_the_frame_of_a_view_is_its_company_s(alice: Browser, charlie: Browser) -> None:
    save(alice, is_shared="on", is_pinned="on")
    assert "Winners" not in charlie.seen("home")
    assert url("view_new") not in charlie.seen("home")
