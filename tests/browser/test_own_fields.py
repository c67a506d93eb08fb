"""The company's own fields in the lists, in Chromium: filtered and shown by mouse, by keyboard and without script."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser
LISTS = {"lead": "/leads/?view=all", "deal": "/deals/?view=list", "organization": "/organizations/"}


def make(page: Page, demo: Demo, entity: str, name: str, kind: str, options: str = "") -> None:
    """A field, made as somebody does in the settings; one that is there already stays."""
    page.goto(f"{demo.url}/settings/fields/?of={entity}")
    if page.get_by_role("rowheader", name=f"{name}, edit").count():
        return
    page.locator("#id_name").fill(name)
    page.locator("#id_kind").select_option(kind)
    page.locator("#id_options").fill(options)
    page.locator("form:has(#id_name) button").last.click()
    expect(page.get_by_role("rowheader", name=f"{name}, edit")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("entity", LISTS)
def test_a_list_is_filtered_and_shown_by_own_fields(
    signed_in: Page, demo: Demo, entity: str, scheme: str
) -> None:
    page = signed_in
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
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
    check_axe(page)
    page.locator(".filters").get_by_role("button", name="Show").click()
    expect(page.get_by_text("Budget from 1")).to_be_visible()
    expect(page.get_by_text("Plan is Pro")).to_be_visible()
    check_axe(page)
    page.get_by_role("link", name="Remove filter: Plan is Pro").click()
    expect(page.get_by_text("Plan is Pro")).to_have_count(0)
    expect(page.get_by_text("Budget from 1")).to_be_visible()


def test_a_list_is_filtered_by_keyboard(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    make(page, demo, "lead", "Budget", "number")
    page.goto(demo.url + LISTS["lead"])
    page.locator(".filters > summary").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Budget from").focus()
    page.keyboard.type("lots")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Budget: Enter a number such as 1234.5.")).to_be_visible()
    check_axe(page)
    page.get_by_role("link", name="Take it off").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Something is left out.")).to_have_count(0)


def test_a_list_is_filtered_without_script(browser: Any, demo: Demo, signed_in: Page) -> None:
    make(signed_in, demo, "lead", "Budget", "number")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(demo.url + LISTS["lead"])
    page.locator(".filters > summary").click()
    page.get_by_label("Budget up to").fill("5")
    page.locator(".filters").get_by_role("button", name="Show").click()
    expect(page.get_by_text("Budget up to 5")).to_be_visible()
    context.close()


@pytest.mark.parametrize("entity", LISTS)
def test_own_columns_and_a_filter_left_out_fit_a_telephone(signed_in: Page, demo: Demo, entity: str) -> None:
    page = signed_in
    make(page, demo, entity, "Budget", "number")
    page.set_viewport_size({"width": 390, "height": 844})
    join = "&" if "?" in LISTS[entity] else "?"
    page.goto(f"{demo.url}{LISTS[entity]}{join}col=cf_budget&cf_budget-from=lots&cf_gone=1")
    check_axe(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
