"""The pages of the sample company in Chromium: light, dark and narrow, without a complaint of axe's or the console's.

test_every_page looks at those that are not named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Demo, sign_in
from tests.browser.looking import faults_of
from tests.browser.watch import watched

pytestmark = pytest.mark.browser

PAGES = {
    "home": "/",
    "leads": "/leads/",
    "lead-new": "/leads/new/",
    "board": "/deals/",
    "deals-list": "/deals/?view=list",
    "deal-new": "/deals/new/",
    "tasks": "/tasks/",
    "tasks-calendar": "/tasks/calendar/?view=all",
    "task-new": "/tasks/new/",
    "notifications": "/notifications/",
    "automations": "/settings/automations/",
    "reports": "/reports/",
    "reports-win-rate": "/reports/win-rate/?range=this-year",
    "reports-funnel": "/reports/funnel/?range=this-year",
    "reports-team": "/reports/team/",
    "reports-without": "/reports/win-rate/?range=custom&from=2001-01-01&to=2001-01-02",
    "search": "/search/?q=fr",
    "search-without": "/search/?q=zzzzzz",
    "linkedin-setup": "/linkedin/",
    "linkedin-events": "/linkedin/events/",
    "linkedin-health": "/linkedin/health/",
    "sandbox": "/sandbox/",
    "team": "/settings/team/",
    "your-account": "/settings/you/",
    "password": "/accounts/password/change/",
    "audit-log": "/settings/audit/",
    "privacy": "/settings/privacy/",
    "recycle-bin": "/recycle-bin/",
    "organizations": "/organizations/",
    "organization-new": "/organizations/new/",
    "company": "/settings/company/",
    "statuses": "/settings/statuses/",
    "types": "/settings/types/",
    "tags": "/settings/tags/",
    "pipelines": "/settings/pipelines/",
    "custom-fields": "/settings/fields/",
}
# Pages of records of the sample company: the list, and the links that lead there.
RECORDS = {
    "lead": ("/leads/", "tbody th a"),
    "deal": ("/deals/?view=list", "tbody th a"),
    "won-deal": ("/deals/?view=list&status=won", "tbody th a"),
    "task": ("/tasks/", "a[data-row]"),
    "organization": ("/organizations/", "tbody th a"),
    "event-in-the-log": ("/linkedin/events/", "tbody a[href*='open=']"),
    "event": ("/linkedin/events/", "tbody a[href*='open=']", "tbody a.btn[href*='/linkedin/events/']"),
    "rule": ("/linkedin/", "a[href*='/linkedin/rules/']"),
    "stages": ("/settings/pipelines/", "tbody th a"),
}
# In the README.
PICTURED = ("home", "leads", "board", "linkedin-setup", "linkedin-events")


@pytest.fixture(scope="module")
def looker(browser: Browser, demo: Demo) -> Iterator[Page]:
    """The demo's owner, signed in once for all pages."""
    context = browser.new_context(service_workers="block")
    with watched(context) as page:
        sign_in(page, demo.url, demo.email, demo.password)
        yield page
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_fits_a_telephone(looker: Page, demo: Demo, name: str) -> None:
    looker.goto(demo.url + PAGES[name])
    assert faults_of(looker, name) == []


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_s_page_is_accessible_and_fits_a_telephone(looker: Page, demo: Demo, name: str) -> None:
    place, *links = RECORDS[name]
    looker.goto(demo.url + place)
    for link in links:
        looker.goto(urljoin(looker.url, looker.locator(f"main {link}").first.get_attribute("href")))
    assert faults_of(looker, name) == []


def test_pictures_for_the_readme(signed_in: Page, demo: Demo, pictures: Path) -> None:
    signed_in.set_viewport_size({"width": 1440, "height": 900})
    for name in PICTURED:
        signed_in.goto(demo.url + PAGES[name])
        signed_in.screenshot(path=pictures / f"{name}.png")
        assert (pictures / f"{name}.png").stat().st_size > 20_000


def test_the_board_is_moved_by_keyboard(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/deals/")
    card = signed_in.locator("#column-proposal .deal[data-deal]").first
    deal = card.get_attribute("data-deal")
    card.locator("a").first.focus()
    signed_in.keyboard.press("m")
    signed_in.get_by_role("menuitem", name="Negotiation").or_(
        signed_in.get_by_role("button", name="Negotiation")
    ).locator("visible=true").first.click()
    signed_in.locator(f'#column-negotiation .deal[data-deal="{deal}"]').wait_for()


def test_the_board_works_without_javascript(browser: object, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(f"{demo.url}/deals/?view=list")
    page.locator("main tbody a[href*='/deals/']").first.click()
    assert page.locator("h1").inner_text()
    context.close()
