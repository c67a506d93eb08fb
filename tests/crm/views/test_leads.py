"""The list of leads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from crm import counting, panels
from crm.models import Company, Lead, LeadStatus, User
from crm.panels import Badge
from tests.crm.views.conftest import Browser
from tests.factories import LeadFactory

NEW_YEAR = dt.timedelta(days=20)


def test_it_shows_the_leads_of_the_company(alice: Browser, lead: Lead) -> None:
    page = alice.seen("leads")
    assert "Annika Sorensen" in page
    assert "Fjordline" in page
    assert "<b>1</b> open" in page


def test_it_answers_get_only(alice: Browser) -> None:
    assert alice.post("leads").status_code == 405


def test_nobody_signed_out_sees_it(alice: Browser) -> None:
    alice.client.logout()
    answer = alice.get("leads")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_leads_of_another_company_are_not_there(charlie: Browser, lead: Lead) -> None:
    assert "Annika" not in charlie.seen("leads", query="?view=all")


def test_an_agent_sees_own_leads_only(bob: Browser, agent: User, company: Company, lead: Lead) -> None:
    LeadFactory(company=company, first_name="Olivier", owner=agent)
    page = bob.seen("leads", query="?view=all")
    assert "Olivier" in page
    assert "Annika" not in page


def test_without_any_lead_it_says_what_a_lead_is(alice: Browser) -> None:
    page = alice.seen("leads")
    assert "No leads yet" in page
    assert "Nothing matches" not in page


def test_without_a_match_it_says_so_and_offers_to_clear(alice: Browser, lead: Lead) -> None:
    page = alice.seen("leads", query="?search=zebra")
    assert "Nothing matches" in page
    assert "No leads yet" not in page
    assert "Clear filters" in page


@pytest.mark.parametrize(
    "query",
    [
        "?search=annika",
        "?search=Fjord+sorensen",
        "?search=4899",
        "?search=annika@customer",
        "?status=new",
        "?status=new&status=won",
        "?source=Referral",
        "?source=%00",
        "?owner=me",
        "?type=trial",
        "?tag=vip",
        "?tag=VIP",
        "?view=mine",
        "?view=all&source=Referral&tag=vip",
        "?view=nonsense",
        "?page=99",
        "?sort=password",
    ],
)
def test_filters_that_fit_find_the_lead(alice: Browser, company: Company, owner: User, query: str) -> None:
    _annika(company, owner)
    assert "Annika Sorensen" in alice.seen("leads", query=query)


@pytest.mark.parametrize(
    "query",
    [
        "?search=annika+zebra",
        "?search=%00zebra",
        "?status=won",
        "?owner=nobody",
        "?type=download",
        "?tag=warm",
        "?view=untouched",
        "?source=never+heard+of",
    ],
)
def test_filters_that_do_not_fit_leave_the_lead_out(
    alice: Browser, company: Company, owner: User, query: str
) -> None:
    _annika(company, owner)
    LeadFactory(company=company, first_name="Somebody", status=LeadStatus.objects.get(key="won"))
    assert "Annika Sorensen" not in alice.seen("leads", query=query)


def _annika(company: Company, owner: User) -> Lead:
    from crm.actions.leads import PhoneEntry
    from crm.models import LeadType

    return LeadFactory(
        company=company,
        first_name="Annika",
        last_name="Sorensen",
        email="Annika@customer.test",
        organization="Fjordline",
        source="Referral",
        owner=owner,
        lead_type=LeadType.objects.get(key="trial"),
        tags=["VIP"],
        phones=[PhoneEntry("+47 22 15 48 99")],
    )


def test_a_closed_status_is_found_though_the_view_is_of_open_leads(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, first_name="Ngozi", status=LeadStatus.objects.get(key="won"))
    assert "Ngozi" not in alice.seen("leads")
    assert "Ngozi" in alice.seen("leads", query="?view=open&status=won")


def test_untouched_for_a_week_are_those(alice: Browser, company: Company) -> None:
    LeadFactory(company=company, first_name="Longago", occurred_at=timezone.now() - NEW_YEAR)
    LeadFactory(company=company, first_name="Justnow")
    page = alice.seen("leads", query="?view=untouched")
    assert "Longago" in page
    assert "Justnow" not in page


def test_every_filter_has_a_chip_that_takes_only_it_away(alice: Browser, lead: Lead) -> None:
    page = alice.seen("leads", query="?view=all&status=new&status=won&search=annika")
    assert "Remove filter: Status is New" in page
    assert 'href="?view=all&amp;status=won&amp;search=annika"' in page
    assert 'href="?view=all&amp;status=new&amp;status=won"' in page


def test_it_sorts_both_ways_with_empty_values_last(alice: Browser, company: Company) -> None:
    for name, firm in (("Aa", "Zeta"), ("Bb", ""), ("Cc", "Alpha")):
        LeadFactory(company=company, first_name=name, last_name="Xyz", organization=firm, email="")
    up = alice.seen("leads", query="?sort=organization")
    down = alice.seen("leads", query="?sort=-organization")
    assert up.index("Cc Xyz") < up.index("Aa Xyz") < up.index("Bb Xyz")
    assert down.index("Aa Xyz") < down.index("Cc Xyz") < down.index("Bb Xyz")
    assert 'aria-sort="ascending"' in up
    assert 'aria-sort="descending"' in down


def test_it_has_pages_and_says_how_many_there_are(alice: Browser, company: Company) -> None:
    _many(company, 53)
    first, second = alice.seen("leads"), alice.seen("leads", query="?page=2&sort=-touch")
    assert "Showing 1–50 of 53 leads" in first
    assert 'href="?page=2"' in first
    assert "Showing 51–53 of 53 leads" in second
    assert 'href="?page=1&amp;sort=-touch"' in second


def test_htmx_gets_the_list_without_its_frame(alice: Browser, lead: Lead) -> None:
    answer = alice.get("leads", HX_Request="true", HX_Target="list")
    part = answer.content.decode()
    assert part.strip().startswith('<div id="list"')
    assert "<html" not in part
    assert "HX-Request" in answer["Vary"]


def test_badges_of_other_apps_are_asked_for_once(
    alice: Browser, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def give(leads: object) -> dict[object, Badge]:
        asked.append(len(leads))  # type: ignore[arg-type]
        return {lead.pk: Badge("Ready as can be", "good", level=4) for lead in leads}  # type: ignore[attr-defined]

    monkeypatch.setattr(panels, "lead_badges", [give])
    _many(company, 3)
    assert "Ready as can be" in alice.seen("leads")
    assert asked == [3]


def test_the_number_of_queries_does_not_grow(
    alice: Browser, company: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _many(company, 3)
    few = _queries(lambda: alice.seen("leads"))
    _many(company, 57)
    with django_assert_num_queries(few):
        alice.seen("leads")


def _many(company: Company, number: int) -> None:
    for _ in range(number):
        LeadFactory(company=company, organization="Fjordline", tags=["VIP"])


def _queries(ask: Callable[[], object]) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    ask()  # warms what Django and the session look up once
    with CaptureQueriesContext(connection) as queries:
        ask()
    return len(queries)


def test_a_source_that_the_filter_does_not_offer_stays_chosen_in_it(alice: Browser, company: Company) -> None:
    """It names the first sources alone, and a report leads to any."""
    assert "<option selected>Trade fair</option>" in alice.seen("leads", query="?source=Trade+fair")


@pytest.mark.parametrize("query", ["?view=untouched", "?view=all&touched=not-30"])
def test_a_long_list_by_time_is_counted_once_a_minute(
    alice: Browser, company: Company, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Its condition has the time of now in it: to the microsecond, no count would be found again."""
    monkeypatch.setattr(counting, "EXACT", 1)
    for _ in range(3):
        LeadFactory(company=company)
    Lead.objects.update(last_touch_at=timezone.now() - dt.timedelta(days=50))
    minute = timezone.now().replace(second=0, microsecond=0)
    seen = []
    for second in (5, 50):
        monkeypatch.setattr(timezone, "now", lambda second=second: minute + dt.timedelta(seconds=second))
        seen.append(alice.get("leads", query=query).context["page"].paginator.count)
        LeadFactory(company=company)
        Lead.objects.update(last_touch_at=minute - dt.timedelta(days=50))
    assert seen == [3, 3]
