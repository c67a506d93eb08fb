"""A passkey in Chromium, with an authenticator of its own: added, used as second step, used instead of a password."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from crm.actions.companies import create_company
from crm.actions.people import create_owner
from tests.browser.looking import faults_of
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def press(page: Page, name: str) -> None:
    """Once the page has loaded: the scripts at its end give these buttons their meaning."""
    page.wait_for_load_state("load")
    page.get_by_role("button", name=name, exact=True).click()


def enter_password(page: Page, url: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.get_by_label("E-mail").fill("alice@acme.test")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Sign in")


def test_a_passkey_signs_in(page: Page, live_server: LiveServer) -> None:
    cache.clear()
    create_owner(create_company("Acme"), "alice@acme.test", PASSWORD, first_name="Alice")
    url = live_server.url
    assert "//localhost:" in url, "browsers make passkeys for names only"
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    enter_password(page, url)
    page.wait_for_url(f"{url}/")

    page.goto(f"{url}/accounts/2fa/webauthn/add/")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Confirm")
    expect(page.get_by_label("Passwordless")).to_be_visible()
    assert faults_of(page, "passkey-add") == []
    page.get_by_label("Passwordless").check()
    press(page, "Add")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert Authenticator.objects.filter(type="webauthn").count() == 1

    page.context.clear_cookies()
    enter_password(page, url)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    press(page, "Use a passkey")
    page.wait_for_url(f"{url}/")

    page.context.clear_cookies()
    page.goto(f"{url}/accounts/login/")
    press(page, "Sign in with a passkey")
    page.wait_for_url(f"{url}/")

    page.goto(f"{url}/settings/you/")
    page.locator('a[href*="/webauthn/keys/"]').click()
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Confirm")
    expect(page.get_by_role("button", name="Remove", exact=True)).to_be_visible()
    assert faults_of(page, "passkey-remove") == []
    remove = page.url
    key = Authenticator.objects.get(type="webauthn")
    page.goto(f"{url}/accounts/2fa/webauthn/keys/{key.pk}/edit/")
    expect(page.get_by_role("heading", name="Rename the passkey")).to_be_visible()
    assert faults_of(page, "passkey-rename") == []
    page.goto(remove)
    press(page, "Remove")
    expect(page.get_by_text("signs in with a password only")).to_be_visible()
