"""Every page of the URL map in Chromium: the map is walked, so that a page that is new is looked at, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.urls import resolve
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from capi.sandbox.running import RunningSandbox
from crm.actions import invitations, timeline
from crm.actor import SYSTEM, Actor
from crm.models import BulkRun, Company, User
from crm.tenancy import company_scope
from tests.browser.conftest import sign_in
from tests.browser.looking import faults_of
from tests.browser.test_pages import PAGES
from tests.browser.watch import watched
from tests.factories import PASSWORD, CompanyFactory, UserFactory
from tests.records import records_of
from tests.test_walls import BY_KEY, ID, OF_A_PERSON, noun_of, routes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Routes that lead on to another page, which is looked at under its own name.
LEAD_ON = {
    "account_confirm_login_code",
    "account_email",
    "account_email_verification_sent",
    "account_login",
    "account_set_password",
    "account_signup",
    "mfa_activate_totp",
    "mfa_authenticate",
    "mfa_index",
    "mfa_list_webauthn",
    "mfa_login_webauthn",
    "mfa_reauthenticate_webauthn",
    "settings",
    "setup",
}
# What they need is not here, with who looks at them instead; and what is no page of the product.
ELSEWHERE = {
    "healthz",
    "readyz",
    "metrics",
    "styleguide",
    "openid_connect_login",  # test_sign_in_with
    "openid_connect_callback",
    *OF_A_PERSON,  # test_passkeys
}


@dataclass
class Walk:
    """The pages that were looked at, and what is wrong with them."""

    page: Page
    url: str
    seen: set[str] = field(default_factory=set)
    answered: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def try_route(self, path: str, name: str) -> None:
        """Look at what answers with a page; remember what leads on or is missing."""
        answer = self.page.request.get(self.url + path, max_redirects=0)
        is_page = "text/html" in answer.headers.get("content-type", "") and "<html" in answer.text()
        if answer.status == 200 and is_page:
            self.look(path, name)
        elif answer.status not in (200, 405):
            print(name, answer.status)
            self.answered[name] = answer.status

    def look(self, path: str, name: str) -> None:
        self.page.goto(self.url + path)
        found = faults_of(self.page, name)
        print(name, *found)  # as it goes, under -s: the walk is long
        self.faults += found
        self.seen.add(name)


@pytest.fixture
def acme(sandbox: RunningSandbox) -> Company:
    cache.clear()
    return CompanyFactory(name="Acme")


@pytest.fixture
def alice(acme: Company) -> User:
    with company_scope(acme):
        return UserFactory(email="alice@acme.test", company=acme, role="owner")


def looked_at_already() -> set[str]:
    """Routes whose pages test_pages shows with the sample company's records."""
    return {str(resolve(urlsplit(path).path).url_name) for path in PAGES.values()} | {"lead", "deal", "task"}


def paths_of(acme: Company, alice: User) -> Iterator[tuple[str, str]]:
    """A path for each route of the product that needs no key; with the ids of records that are there."""
    records = records_of(acme, alice)
    with company_scope(acme):
        by_alice = Actor("web", user=alice)
        records["activity"] = timeline.add_note(records["lead"], "Rang twice.", by_alice)
        BulkRun.objects.update(state="done")  # a page that is drawn anew each second is hard to look at
    for route, name in routes():
        if name.startswith("api-"):  # api-docs is Swagger UI's
            continue
        if name in looked_at_already() | BY_KEY | ELSEWHERE:
            continue
        path = "/" + (ID.sub(str(records[noun_of(name)].pk), route) if ID.search(route) else route)
        yield path + (f"?lead={records['lead'].pk}" if name == "linkedin_preview" else ""), name


def test_every_page_is_accessible_and_fits_a_telephone(
    browser: Browser, live_server: LiveServer, acme: Company, alice: User
) -> None:
    context = browser.new_context(service_workers="block")
    with watched(context) as page:
        sign_in(page, live_server.url, alice.email, PASSWORD)
        walk = Walk(page, live_server.url)
        walk.look("/accounts/reauthenticate/?next=/accounts/2fa/totp/activate/", "account_reauthenticate")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Confirm", exact=True).click()
        page.wait_for_url(f"{live_server.url}/accounts/2fa/totp/activate/")
        walk.look("/accounts/2fa/totp/activate/", "mfa_activate_totp")
        TOTP.activate(alice, generate_totp_secret())
        RecoveryCodes.activate(alice)
        for path, name in paths_of(acme, alice):
            if name != "account_logout":
                walk.try_route(path, name)
    context.close()
    assert walk.faults == []
    assert {name for name in walk.answered if walk.answered[name] >= 400} == set()
    assert set(walk.answered) <= LEAD_ON
    assert len(walk.seen) > 50


def test_pages_for_those_outside_are_accessible_and_fit_a_telephone(
    browser: Browser, live_server: LiveServer, acme: Company, alice: User
) -> None:
    with company_scope(acme):
        guest = invitations.invite(acme, "guest@acme.test", "agent", SYSTEM, first_name="Gustav")
        records_of(acme, alice)
    reset = f"{user_pk_to_url_str(alice)}-{default_token_generator.make_token(alice)}"
    context = browser.new_context(service_workers="block")
    with watched(context) as page:
        walk = Walk(page, live_server.url)
        for path in (
            "/accounts/login/",
            "/accounts/signup/",
            "/accounts/inactive/",
            "/accounts/password/reset/",
            "/accounts/password/reset/done/",
            "/accounts/password/reset/key/done/",
            f"/accounts/password/reset/key/{reset}/",
            "/accounts/password/reset/key/1-no-key/",
            f"/invitations/{guest.token}/",
            "/offline/",
        ):
            walk.look(path, path.strip("/").replace("/", "-")[:40])
        sign_in(page, live_server.url, alice.email, PASSWORD)
        walk.look("/accounts/logout/", "account_logout")
        page.goto(f"{live_server.url}/settings/forms/")
        page.locator("main tbody a").first.click()
        form = page.get_by_role("link", name="See the form").get_attribute("href")
        walk.look(urlsplit(str(form)).path, "capture_form")

        TOTP.activate(alice, generate_totp_secret())
        context.clear_cookies()
        page.goto(f"{live_server.url}/accounts/login/")
        page.get_by_label("E-mail").fill(alice.email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Second step").wait_for()
        walk.faults += faults_of(page, "mfa_authenticate")
    context.close()
    assert walk.faults == []


@pytest.mark.parametrize(("path", "status"), [("/nowhere/", 404), ("/invitations/no-token/", 410)])
def test_what_says_that_something_is_gone_is_accessible(
    browser: Browser, live_server: LiveServer, path: str, status: int
) -> None:
    context = browser.new_context(service_workers="block")  # not watched: the console tells of the status
    page = context.new_page()
    answer = page.goto(live_server.url + path)
    assert answer is not None
    assert answer.status == status
    assert faults_of(page, f"gone-{status}") == []
    context.close()
