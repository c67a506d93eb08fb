"""Two people and two companies: who is mentioned is told, and who belongs to both changes between them."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from crm.actions import people
from crm.models import Company
from crm.tenancy import company_scope
from tests.browser.hands import WAYS, Hand, hand_of
from tests.factories import PASSWORD, CompanyFactory, LeadFactory, UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def acme() -> Company:
    """Where Alice and Bob work; Alice owns a second company, too."""
    cache.clear()
    acme, other = CompanyFactory(name="Acme"), CompanyFactory(name="Bergwerk")
    with company_scope(acme):
        alice = UserFactory(
            email="alice@acme.test", first_name="Alice", last_name="Berg", company=acme, role="owner"
        )
        UserFactory(email="bob@acme.test", first_name="Bob", last_name="Roth", company=acme, role="manager")
        LeadFactory(company=acme, first_name="John", last_name="Canarius")
    people.add_member(other, alice, "owner")
    return acme


@pytest.mark.parametrize("way", WAYS)
def test_who_is_mentioned_is_told_and_changes_companies(
    browser: Browser, live_server: LiveServer, acme: Company, way: str
) -> None:
    with hand_of(browser, way, live_server.url) as hand:
        mention_alice(hand)
        hand.open("account", within="header")
        hand.press(hand.page.get_by_role("button", name="Sign out"))
        hand.see("Sign in to LeadMachine")
        hand.sign_in("alice@acme.test", PASSWORD)
        read_it(hand)
        change_company(hand)


def mention_alice(hand: Hand) -> None:
    hand.go("/accounts/login/")
    hand.sign_in("bob@acme.test", PASSWORD)
    hand.go("/leads/?view=all")
    hand.press(hand.page.get_by_role("link", name="John Canarius"))
    hand.write(hand.page.get_by_label("Write a note"), "@Alice Berg, will you ring him?")
    hand.press(hand.page.get_by_role("button", name="Save note"))
    hand.see(hand.page.locator(".timeline").get_by_text("will you ring him?"))


def read_it(hand: Hand) -> None:
    page = hand.page
    hand.press(page.get_by_role("link", name="Notifications, 1 new"))
    hand.see_title("Notifications")
    hand.press(page.locator(".told-lines").get_by_role("button", name="Bob Roth"))
    hand.see_title("John Canarius")
    expect(page.get_by_role("link", name="Notifications", exact=True)).to_be_visible()


def change_company(hand: Hand) -> None:
    page = hand.page
    hand.open("Change company", within="nav")
    hand.press(page.get_by_role("navigation", name="Main").get_by_role("button", name="Bergwerk"))
    hand.see(page.locator("nav .company", has_text="Bergwerk"))
    hand.go("/leads/?view=all")
    hand.see("No leads yet")
    expect(page.get_by_text("John Canarius")).to_have_count(0)
