"""Signing in with a service in Chromium: the strict policy lets the form leave for it, and for nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from crm.actions.companies import create_company
from crm.actions.people import create_owner
from leadmachine import sign_in
from tests.browser.conftest import check_axe
from tests.crm.signing_in.provider import CLIENT, SECRET, FakeService, running_service
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def google(settings: Settings) -> Iterator[FakeService]:
    with running_service() as service:
        app = sign_in.app("google", CLIENT, SECRET)
        app["settings"] |= {"server_url": service.origin, "pages": service.origin}
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
        cache.clear()
        yield service


def test_there_and_back(page: Page, live_server: LiveServer, google: FakeService) -> None:
    create_owner(create_company("Acme"), "alice@acme.test", PASSWORD, first_name="Alice")
    page.goto(f"{live_server.url}/accounts/login/")
    check_axe(page)
    page.get_by_role("button", name="Sign in with Google").click()
    expect(page.get_by_text("Google knows you as alice@acme.test.")).to_be_visible()
    check_axe(page)
    page.get_by_label("E-mail").fill("alice@acme.test")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Google is connected.")).to_be_visible()
    page.goto(f"{live_server.url}/settings/you/")
    check_axe(page)
    expect(page.get_by_text("as alice@acme.test")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_role("button", name="Sign in with Google").click()
    page.wait_for_url(f"{live_server.url}/")
    assert SocialAccount.objects.count() == 1
