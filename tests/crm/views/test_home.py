"""Home: the checklist at first, figures later; and the frame around every page."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.utils import timezone

from crm import panels
from crm.access import Principal
from crm.actions import deals as actions
from crm.actions import tasks
from crm.frame import NavItem
from crm.models import Company, Deal, Lead, Stage, User
from crm.panels import Panel
from crm.views.frame import frame_of
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory, LeadFactory, UserFactory, connect


def test_at_first_there_is_a_checklist(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "home_panels", [])
    page = alice.seen("home")
    assert "Set up Acme" in page
    assert "0 of 6 done" in page
    assert page.count("btn primary") == 1
    for step in (
        "Add leads",
        "Invite the team",
        "Connect LinkedIn",
        "Add a rule",
        "Send a test event",
        "click id",
    ):
        assert step in page


def test_the_checklist_ticks_itself(alice: Browser, company: Company, lead: Lead, agent: User) -> None:
    assert "2 of 6 done" in alice.seen("home", query="?view=setup")
    connect(company)
    LeadFactory(company=company, attribution={"li_fat_id": "abc"})
    assert "4 of 6 done" in alice.seen("home", query="?view=setup")


def test_what_is_left_of_the_checklist_is_a_button_for_a_month(
    alice: Browser, bob: Browser, company: Company, lead: Lead
) -> None:
    assert "4 steps of the set-up left" in alice.seen("home")
    assert "of the set-up left" not in bob.seen("home")
    Company.objects.update(created_at=timezone.now() - dt.timedelta(days=31))
    assert "of the set-up left" not in alice.seen("home")


def test_an_agent_begins_with_a_lead(bob: Browser) -> None:
    page = bob.seen("home")
    assert "0 of 1 done" in page
    assert "Connect LinkedIn" not in page


def test_my_tasks_are_on_the_page_with_the_overdue_first(
    alice: Browser, company: Company, owner: User, lead: Lead
) -> None:
    today = company.local_now().date()
    for title, due in {"Later": today + dt.timedelta(days=2), "Late": today - dt.timedelta(days=2)}.items():
        tasks.create_task(company, {"title": title, "due_on": due, "assignees": [owner]}, SHELL)
    page = alice.seen("home")
    assert page.index(">Late<") < page.index(">Later<")
    assert "<b>1</b> task overdue" in page


def test_what_one_looked_at_comes_first(alice: Browser, company: Company, agent: User, lead: Lead) -> None:
    other = LeadFactory(company=company, first_name="Ngozi", owner=agent)
    assert "Ngozi" not in alice.seen("home")
    alice.seen("lead", other.pk)
    page = alice.seen("home")
    assert page.index("Ngozi") < page.index("Annika")
    assert "You viewed" in page


def test_a_forged_cookie_is_no_memory(alice: Browser, lead: Lead) -> None:
    for value in ("x", "", "W10:x:y"):
        alice.client.cookies["viewed"] = value
        assert "You viewed" not in alice.seen("home")


def test_later_there_are_figures(alice: Browser, company: Company, deal: Deal) -> None:
    actions.win_deal(DealFactory(company=company, amount="500", currency="USD"), SHELL)
    page = alice.seen("home")
    assert "Won this month" in page
    assert ">$500</a>" in page
    assert ">$500 won this month</a>" in page
    assert ">€100 weighted of €1,000 open</a>" in page
    assert ">€100 + $500</a>" in page
    assert "100&nbsp;%" in page
    assert ">1 won</a>" in page
    assert ">0 lost</a>" in page
    assert "Annika Sorensen" in page


@pytest.fixture
def busy(company: Company, owner: User, agent: User, lead: Lead, deal: Deal) -> None:
    """Deals and leads of this month, the last and before, tasks late and due, of two people and in two currencies."""
    today, now = company.local_now().date(), timezone.now()
    stages = {stage.key: stage for stage in Stage.objects.filter(pipeline__key="sales")}
    for whose in (owner, agent):
        for days in (0, 6, 7, 20, 45, 80, 100):
            old = LeadFactory(company=company, owner=whose, occurred_at=now - dt.timedelta(days=days))
            Lead.objects.filter(pk=old.pk).update(last_touch_at=now - dt.timedelta(days=days))
            at = now - dt.timedelta(days=days)
            actions.win_deal(DealFactory(company=company, owner=whose, amount="10", at=at), SHELL, at=at)
            lost = DealFactory(company=company, owner=whose, currency="USD", at=at)
            actions.lose_deal(lost, "Price", SHELL, at=at)
        DealFactory(
            company=company,
            owner=whose,
            stage=stages["proposal"],
            next_step="Call",
            next_step_on=today - dt.timedelta(days=2),
        )
        for due in (-2, 0, 3):
            day = today + dt.timedelta(days=due)
            tasks.create_task(company, {"title": "Ring", "due_on": day, "assignees": [whose]}, SHELL)
    other = Stage.objects.get(pipeline__key="onboarding", kind="won")
    DealFactory(company=company, owner=owner, stage=other, amount="777")


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_every_number_on_home_opens_exactly_its_rows(
    busy: None, connection: object, who: str, request: pytest.FixtureRequest
) -> None:
    browser: Browser = request.getfixturevalue(who)
    answer = browser.get("home")
    text = answer.content.decode()
    text = text[text.index("<main") : text.index("</main>")]
    links = [
        (html.unescape(url), html.unescape(re.sub(r"<[^>]*>", "", words)).strip())
        for url, words in re.findall(r'<a [^>]*?href="([^"]+)"[^>]*>(.*?)</a>', text, re.DOTALL)
    ]
    counted = [
        (url, int(found[1]))
        for url, words in links
        if (found := re.match(r"(?:All )?(\d+)(?!\s?%)\b", words))
    ]
    assert len(counted) >= (16 if who == "alice" else 12)
    for url, number in counted:
        if url.startswith("?"):  # the checklist is no list of records
            continue
        assert _rows_at(browser, url) == number, url


def _rows_at(browser: Browser, url: str) -> int:
    shown = browser.client.get(url).context
    if hasattr(shown["page"], "paginator"):
        return int(shown["page"].paginator.count)
    return len(shown["rows"])


def test_the_sums_on_home_are_those_of_their_lists(alice: Browser, busy: None) -> None:
    home = alice.get("home").context
    for query, sums in (
        ("status=won&closed=this-month", home["won_sums"]),
        ("status=won&closed=last-month", home["won_before"]),
        ("status=open", home["open_sums"]),
    ):
        shown = alice.get("deals", query=f"?view=list&pipeline=sales&{query}").context
        assert shown["sums"] == sums.replace(" + ", " and ")


def test_the_forecast_opens_what_is_open_and_what_was_won_this_month(alice: Browser, busy: None) -> None:
    home = alice.get("home").context
    shown = alice.get("deals", query="?view=list&pipeline=sales&status=forecast").context
    assert shown["page"].paginator.count == home["open"].count + home["won"].count


def test_an_agent_sees_own_figures(bob: Browser, deal: Deal) -> None:
    page = bob.seen("home")
    assert "€1,000" not in page
    assert "Annika" not in page


def test_other_apps_have_their_place(alice: Browser, deal: Deal, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel("components/badge.html", {"label": "Card of an app"})
    monkeypatch.setattr(panels, "home_panels", [lambda principal: panel])
    assert "Card of an app" in alice.seen("home")


def test_home_answers_get_only(alice: Browser) -> None:
    assert alice.post("home").status_code == 405


def test_signed_out_one_is_asked_to_sign_in(owner: User) -> None:
    assert Client().get("/")["Location"] == "/accounts/login/?next=/"


def test_a_member_of_nothing_is_told_so(db: None, browser_of: Callable[[User], Browser]) -> None:
    browser = browser_of(UserFactory())
    answer = browser.get("home")
    assert answer.status_code == 403
    assert "You are in no company" in answer.content.decode()
    assert browser.get("leads").status_code == 403


def test_the_operator_is_shown_the_admin_panel(db: None, browser_of: Callable[[User], Browser]) -> None:
    operator = User.objects.create_superuser("operator@leadmachine.test", "a-long-enough-password")
    assert browser_of(operator).get("home")["Location"] == "/admin/"


# --- The frame ----------------------------------------------------------------------------------------------


def test_the_frame_counts_and_marks_the_page(alice: Browser, deal: Deal) -> None:
    page = alice.seen("leads")
    assert 'href="/leads/" aria-current="page"' in page
    assert '<span class="count">1</span>' in page


def test_other_apps_add_to_the_side_bar(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    item = NavItem("Elsewhere", "/elsewhere/", "tell", badge="3 held")
    monkeypatch.setattr(panels, "nav_items", [lambda principal, path: item])
    page = alice.seen("home")
    assert "Elsewhere" in page
    assert "3 held" in page


def test_without_a_principal_there_is_no_frame(rf: RequestFactory) -> None:
    request = rf.get("/")
    assert frame_of(request) is None
    request.principal = None  # type: ignore[attr-defined]
    request.user = AnonymousUser()
    assert frame_of(request) is None


def test_a_frame_that_nobody_looks_at_asks_nothing(
    rf: RequestFactory,
    company: Company,
    owner: User,
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(panels, "nav_items", [])
    request = rf.get("/")
    request.principal = Principal(company, owner, "owner")  # type: ignore[attr-defined]
    with django_assert_num_queries(0):
        frame = frame_of(request)
    assert frame is not None
    with django_assert_num_queries(5):
        assert frame.company == "Acme"
    with django_assert_num_queries(0):
        assert frame_of(request).nav  # type: ignore[union-attr]


def test_only_administrators_find_the_admin_panel(alice: Browser, bob: Browser) -> None:
    assert 'href="/admin/"' in alice.seen("home")
    assert 'href="/admin/"' not in bob.seen("home")
