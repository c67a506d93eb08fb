"""Home: the checklist at first, figures later; and the frame around every page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory

from crm import panels
from crm.access import Principal
from crm.actions import deals as actions
from crm.frame import NavItem
from crm.models import Company, Deal, Lead, User
from crm.panels import Panel
from crm.views.frame import frame_of
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, DealFactory, UserFactory


def test_at_first_there_is_a_checklist(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "home_panels", [])
    page = alice.seen("home")
    assert "Set up Acme" in page
    assert "0 of 2 done" in page
    assert page.count("btn primary") == 1


def test_the_checklist_ticks_itself(alice: Browser, lead: Lead) -> None:
    assert "1 of 2 done" in alice.seen("home")


def test_later_there_are_figures(alice: Browser, company: Company, deal: Deal) -> None:
    actions.win_deal(DealFactory(company=company, amount="500", currency="USD"), SHELL)
    page = alice.seen("home")
    assert "Won this month" in page
    assert ">$500</a>" in page
    assert "1 deal; €100 weighted" in page
    assert "100&nbsp;%" in page
    assert "1 won, 0 lost" in page
    assert "Annika Sorensen" in page


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
