"""Every page of the first slice in Chromium: light, dark and narrow, without a complaint of axe's or the console's."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Demo, check_axe

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
# In the README.
PICTURED = ("home", "leads", "board", "linkedin-setup", "linkedin-events")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible(signed_in: Page, demo: Demo, name: str, scheme: str) -> None:
    signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    signed_in.goto(demo.url + PAGES[name])
    check_axe(signed_in)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_telephone(signed_in: Page, demo: Demo, name: str) -> None:
    signed_in.set_viewport_size({"width": 390, "height": 844})
    signed_in.goto(demo.url + PAGES[name])
    check_axe(signed_in)
    assert signed_in.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", ["/leads/", "/deals/?view=list", "/linkedin/events/"])
def test_the_first_record_s_page_is_accessible(signed_in: Page, demo: Demo, place: str, scheme: str) -> None:
    signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    signed_in.goto(demo.url + place)
    signed_in.goto(demo.url + str(signed_in.locator("main tbody a[href]").first.get_attribute("href")))
    check_axe(signed_in)


def test_pages_without_a_session_are_accessible(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/accounts/login/")
    check_axe(page)


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
    from tests.browser.conftest import sign_in

    context = browser.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(f"{demo.url}/deals/?view=list")
    page.locator("main tbody a[href*='/deals/']").first.click()
    assert page.locator("h1").inner_text()
    context.close()
