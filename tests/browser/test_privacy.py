"""Erasing a person in Chromium: asked by name, and gone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, check_axe

pytestmark = pytest.mark.browser


def test_a_person_is_erased_from_the_dialog(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/leads/new/")
    signed_in.get_by_label("First name").fill("Zoe")
    signed_in.get_by_label("Last name").fill("Goodbye")
    signed_in.get_by_label("E-mail", exact=True).first.fill("zoe@goodbye.test")
    signed_in.get_by_role("button", name="Add lead").click()
    signed_in.wait_for_url("**/leads/*-*/")
    place = signed_in.url
    signed_in.get_by_text("More actions").locator("xpath=ancestor::summary").click()
    signed_in.get_by_role("link", name="Erase…").click()
    expect(signed_in.get_by_role("heading", name="Erase Zoe Goodbye?")).to_be_visible()
    check_axe(signed_in)
    signed_in.get_by_role("button", name="Erase for good").click()
    expect(signed_in.get_by_text("The person was erased.")).to_be_visible()
    assert signed_in.request.get(place).status == 404


@pytest.mark.parametrize("width", [390, 1280])
def test_the_question_is_a_page_of_its_own_too(signed_in: Page, demo: Demo, width: int) -> None:
    signed_in.set_viewport_size({"width": width, "height": 844})
    signed_in.goto(f"{demo.url}/leads/")
    href = str(signed_in.locator("main tbody a[href]").first.get_attribute("href"))
    signed_in.goto(f"{demo.url}{href}erase/")
    check_axe(signed_in)
    assert signed_in.evaluate("document.documentElement.scrollWidth") <= width
