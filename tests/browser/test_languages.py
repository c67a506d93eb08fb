"""The pages in German, whose words are longer: nothing sticks out of a telephone, and scripts speak it, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Demo, check_axe
from tests.browser.test_pages import PAGES

pytestmark = pytest.mark.browser


@pytest.fixture
def in_german(signed_in: Page, demo: Demo) -> Iterator[Page]:
    """The demo's owner reads German, and English again when the test is over."""
    choose(signed_in, demo, "de")
    yield signed_in
    choose(signed_in, demo, "")


def choose(page: Page, demo: Demo, language: str) -> None:
    page.goto(f"{demo.url}/settings/you/")
    page.locator("select[name=language]").select_option(language)
    page.locator("form[action$='/language/'] button").click()
    page.wait_for_load_state()


def test_every_page_in_german_fits_a_telephone(in_german: Page, demo: Demo) -> None:
    in_german.set_viewport_size({"width": 390, "height": 844})
    for name, path in PAGES.items():
        in_german.goto(demo.url + path)
        assert in_german.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_german_pages_are_accessible_and_scripts_speak_german(in_german: Page, demo: Demo) -> None:
    in_german.goto(f"{demo.url}/leads/")
    assert in_german.locator("html").get_attribute("lang") == "de"
    check_axe(in_german)
    in_german.locator("tbody .pick input").first.check()
    assert in_german.locator("[data-picked]").inner_text() == "1 ausgewählt"
