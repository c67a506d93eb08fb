"""The company's own fields in the lists, in Chromium: columns and filters, light, dark and on a telephone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, check_axe

pytestmark = pytest.mark.browser
LISTS = {"lead": "/leads/?view=all", "deal": "/deals/?view=list", "organization": "/organizations/?search="}


def make(page: Page, demo: Demo, entity: str, name: str, kind: str, options: str = "") -> None:
    """A field, made as somebody does in the settings."""
    page.goto(f"{demo.url}/settings/fields/?of={entity}")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Holds").select_option(kind)
    page.get_by_label("Options, one a line").fill(options)
    page.get_by_role("button", name="Add field").click()
    expect(page.locator("tr[data-word]", has_text=name)).to_be_visible()


def check_both(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        check_axe(page)


@pytest.mark.parametrize("entity", LISTS)
def test_a_list_is_filtered_and_shown_by_own_fields(signed_in: Page, demo: Demo, entity: str) -> None:
    page = signed_in
    make(page, demo, entity, "Budget", "number")
    make(page, demo, entity, "Plan", "choice", "Basic\nPro")
    page.goto(demo.url + LISTS[entity])
    page.locator(".columns > summary").click()
    page.get_by_role("checkbox", name="Budget").check()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Budget")).to_be_visible()
    page.locator(".filters > summary").click()
    page.get_by_label("Budget from").fill("1")
    page.get_by_role("checkbox", name="Pro", exact=True).check()
    check_both(page)
    page.locator(".filters").get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".chip", has_text="Budget from 1")).to_be_visible()
    expect(page.locator(".chip", has_text="Plan is Pro")).to_be_visible()
    check_both(page)
    page.get_by_role("link", name="Remove filter: Plan is Pro").click()
    expect(page.locator(".chip", has_text="Plan is Pro")).to_have_count(0)
    expect(page.locator(".chip", has_text="Budget from 1")).to_be_visible()

    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{demo.url}{LISTS[entity]}&col=cf_budget&cf_budget-from=lots&cf_gone=1")
    expect(page.get_by_text("Budget: Enter a number such as 1234.5.")).to_be_visible()
    check_axe(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Take it off").press("Enter")
    expect(page.get_by_text("Something is left out.")).to_have_count(0)
