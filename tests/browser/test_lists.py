"""The lists of leads and deals in Chromium: selecting and changing rows by mouse, by keyboard, and without script."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser


def picks(page: Page) -> Any:
    return page.locator(".list tbody .pick input")


def test_rows_are_tagged_by_mouse(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/leads/?view=all")
    picks(page).nth(1).click()
    picks(page).nth(4).click(modifiers=["Shift"])
    expect(page.get_by_text("4 selected")).to_be_visible()
    check_axe(page)
    page.locator(".selbar summary", has_text="Tag").click()
    page.get_by_label("Name of the tag").fill("By mouse")
    page.get_by_role("button", name="Add the tag").click()
    expect(page.get_by_text("Tagged By mouse:")).to_be_visible()
    expect(page.get_by_text("4 leads.")).to_be_visible()
    page.get_by_role("link", name="Each row").click()
    expect(page.locator("tbody tr")).to_have_count(4)
    check_axe(page)


def test_rows_are_changed_by_keyboard(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/leads/?view=all")
    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.get_by_text("2 selected")).to_be_visible()
    summary = page.locator(".selbar summary", has_text="Status")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Set to Contacted:")).to_be_visible()


def test_archiving_is_asked_about_and_undone(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/leads/?view=all")
    name = str(picks(page).first.get_attribute("aria-label")).removeprefix("Select ")
    picks(page).first.check()
    page.get_by_role("button", name="Archive…").click()
    expect(page.get_by_role("heading", name="Archive 1 lead?")).to_be_visible()
    check_axe(page)
    page.get_by_role("button", name="Archive", exact=True).click()
    expect(page.get_by_label(f"Select {name}", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label(f"Select {name}", exact=True)).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_bin_gives_back_what_was_archived(signed_in: Page, demo: Demo, scheme: str) -> None:
    page = signed_in
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{demo.url}/leads/?view=all")
    picks(page).nth(2).check()
    check_axe(page)
    page.get_by_role("button", name="Archive…").click()
    page.get_by_role("button", name="Archive", exact=True).click()
    page.goto(f"{demo.url}/recycle-bin/")
    check_axe(page)
    page.get_by_role("button", name="Restore").first.click()
    expect(page.get_by_text("Restored:")).to_be_visible()


def test_all_that_match_are_changed_without_script(browser: Any, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(f"{demo.url}/leads/?view=all")
    picks(page).first.check()
    page.get_by_label("matching").check()
    page.locator(".selbar summary", has_text="Tag").click()
    page.get_by_label("Name of the tag").fill("Without script")
    page.get_by_role("button", name="Add the tag").click()
    expect(page.locator("#dialog-title")).to_contain_text("leads?")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("body")).to_contain_text("Tagged Without script")
    page.goto(f"{demo.url}/deals/?view=list")
    picks(page).first.check()
    page.locator(".selbar summary", has_text="Move").click()
    page.locator(".selbar .panel button", has_text="Lost").first.click()
    expect(page.locator("body")).to_contain_text("Lost: 1 deal?")
    context.close()


def test_deals_are_selected_and_given(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/deals/?view=list")
    picks(page).nth(0).check()
    picks(page).nth(1).check()
    check_axe(page)
    page.locator(".selbar summary", has_text="Assign").click()
    page.locator(".selbar .panel button").first.click()
    expect(page.get_by_text("Given to").first).to_be_visible()


def test_a_view_is_saved_and_found_in_the_side_bar(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/leads/?view=all&status=qualified&col=email&col=touch")
    page.locator(".columns > summary").click()
    check_axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Save as view").click()
    page.get_by_label("Name", exact=True).fill("Calls today")
    page.get_by_label("Pin it to the side bar").check()
    check_axe(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Calls today is saved.")).to_be_visible()
    page.goto(f"{demo.url}/deals/?view=list")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Calls today").click()
    expect(page.get_by_role("columnheader", name="E-mail")).to_be_visible()
    page.get_by_role("link", name="Edit view").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="Calls today")).to_have_count(0)
