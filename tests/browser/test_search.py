"""Search and palette in Chromium: by mouse, by keyboard alone, and without script."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser
OPTION = "#palette [role='option']"


def test_the_palette_is_worked_by_keyboard_alone(signed_in: Page, demo: Demo) -> None:
    signed_in.keyboard.press("Control+k")
    expect(signed_in.locator("#palette")).to_be_visible()
    expect(signed_in.locator("#palette [aria-selected='true']")).to_have_count(1)
    signed_in.keyboard.type("sorensen")
    signed_in.keyboard.press("Escape")
    expect(signed_in.locator("#palette")).to_be_hidden()

    signed_in.keyboard.press("/")
    signed_in.keyboard.type("fjord")
    expect(signed_in.locator(OPTION).first).to_contain_text("Fjord")
    chosen = signed_in.locator("#palette [aria-selected='true']")
    first = chosen.get_attribute("id")
    signed_in.keyboard.press("ArrowDown")
    assert chosen.get_attribute("id") != first
    signed_in.keyboard.press("ArrowUp")
    assert chosen.get_attribute("id") == first
    assert signed_in.locator("#palette input").get_attribute("aria-activedescendant") == first
    place = str(chosen.get_attribute("href"))
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_url(demo.url + place)


def test_the_palette_is_worked_by_mouse(signed_in: Page, demo: Demo) -> None:
    signed_in.get_by_role("searchbox").click()
    expect(signed_in.locator("#palette")).to_be_visible()
    signed_in.locator("#palette").get_by_role("option", name="Go to Deals").click()
    signed_in.wait_for_url(f"{demo.url}/deals/")


def test_a_record_s_own_actions_come_first_and_are_pressed(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/leads/")
    signed_in.goto(demo.url + str(signed_in.locator("main tbody a[href]").first.get_attribute("href")))
    name = signed_in.locator("h1").inner_text()
    signed_in.keyboard.press("/")
    expect(signed_in.locator("#palette [role='group']").first).to_contain_text(f"On {name}")
    signed_in.keyboard.type("edit")
    expect(signed_in.locator(OPTION).first).to_have_text("Edit")
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_url("**/edit/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["", "fjord", "zzzzzz"])
def test_the_palette_is_accessible(signed_in: Page, scheme: str, text: str) -> None:
    signed_in.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    signed_in.keyboard.press("/")
    signed_in.keyboard.type(text)
    asked = f"/search/palette/?q={text}"
    signed_in.wait_for_function(
        "asked => performance.getEntriesByName(location.origin + asked).length", arg=asked
    )
    signed_in.wait_for_timeout(300)
    check_axe(signed_in)


def test_keys_do_nothing_while_one_types(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/leads/new/")
    signed_in.get_by_label("First name").press_sequentially("g/?n")
    assert signed_in.get_by_label("First name").input_value() == "g/?n"
    expect(signed_in.locator("#palette")).to_be_hidden()


def test_what_was_found_is_walked_through_by_keyboard(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/search/?q=fjord")
    place = str(signed_in.locator(".found a").first.get_attribute("href"))
    signed_in.keyboard.press("j")
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_url(demo.url + place)


def test_the_keys_are_listed(signed_in: Page) -> None:
    signed_in.keyboard.press("?")
    dialog = signed_in.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("Search or jump to")
    expect(dialog).to_contain_text("Leads")


def test_the_search_works_without_script(browser: Any, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.get_by_role("searchbox").fill("fjord")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=fjord")
    page.locator(".found a", has_text="Fjord").first.click()
    page.wait_for_url("**/leads/**")
    context.close()
