"""Stages, fields of one's own, reports and the numbers of Home: by mouse, by keyboard alone and without JavaScript."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.hands import Hand

pytestmark = pytest.mark.browser


def in_all(page: Page) -> str:
    """How many rows the list says it has."""
    caption = str(page.locator("main table caption").first.text_content())
    return re.search(r"([\d,]+) in all", caption)[1]  # type: ignore[index]


def test_a_stage_goes_and_its_deals_stay(hand: Hand) -> None:
    page, name = hand.page, f"Pilot {hand.way}"
    hand.go("/settings/pipelines/")
    hand.press(page.get_by_role("link", name="Stages of Upsell").first)
    hand.see(page.locator(".crumb"))
    hand.write(page.get_by_label("Name", exact=True), name)
    hand.press(page.get_by_role("button", name="Add stage"))
    hand.see(f"{name} is added.")
    stages = page.url.partition("#")[0]

    hand.go("/deals/new/")
    hand.write(page.get_by_label("Title"), f"Staged by {hand.way}")
    hand.choose(page.get_by_label("Stage"), f"Upsell: {name}")
    hand.press(page.get_by_role("button", name="Create deal"))
    hand.see_title(f"Staged by {hand.way}")
    deal = page.url

    page.goto(stages)
    hand.press(page.get_by_role("link", name=f"Delete {name}…"))
    hand.see(page.get_by_role("heading", name=f"Delete {name}: where does its 1 deal go?"))
    hand.choose(page.get_by_label("Move 1 deal to"), "Offer")
    hand.press(page.get_by_role("button", name="Move 1 and delete"))
    hand.see("1 deal moved to Offer.")
    page.goto(deal)
    expect(page.locator(".path [aria-current=step]")).to_contain_text("Offer")


def test_a_field_of_ones_own_is_filled_in_found_by_and_deleted(hand: Hand) -> None:
    page, name = hand.page, f"Seats {hand.way}"
    hand.go("/settings/fields/?of=lead")
    hand.write(page.get_by_label("Name", exact=True), name)
    hand.choose(page.get_by_label("Holds"), "Number")
    hand.press(page.get_by_role("button", name="Add field"))
    row = page.locator("tr[data-word]", has_text=name)
    hand.see(row)

    hand.go("/leads/?view=all&search=Annika")
    hand.press(page.locator("tbody th a").first)
    hand.press(page.get_by_role("link", name="Edit", exact=True))
    hand.write(page.get_by_label(name), "42")
    hand.press(page.get_by_role("button", name="Save", exact=True).last)
    hand.see(page.locator("#about div", has_text=name).get_by_text("42"))

    hand.go("/leads/?view=all")
    hand.open("Filter")
    hand.write(page.get_by_label(f"{name} from"), "40")
    hand.press(page.locator(".filters").get_by_role("button", name="Show", exact=True))
    hand.see(page.locator(".chip", has_text=f"{name} from 40"))
    assert in_all(page) == "1"

    hand.go("/settings/fields/?of=lead")
    hand.press(row.get_by_role("link", name=f"Delete {name}…"))
    hand.see("1 record has a value in it.")
    hand.press(page.get_by_role("button", name=f"Delete {name}"))
    expect(row).to_have_count(0)


def test_a_report_is_narrowed_opened_and_taken_along(hand: Hand) -> None:
    page = hand.page
    hand.go("/reports/")
    tab = page.get_by_role("navigation", name="Reports").get_by_role("link", name="Win rate")
    hand.press(tab)
    expect(tab).to_have_attribute("aria-current", "page")
    hand.open("change days")
    hand.press(page.get_by_role("link", name="Last 30 days"))
    expect(page).to_have_url(re.compile("range=30-days"))
    expect(page.locator("main svg[role=img]").first).to_be_visible()
    file = hand.download(page.get_by_role("link", name="CSV"))
    assert file.suggested_filename.startswith("reports-sources-")
    assert len(Path(file.path()).read_text(encoding="utf-8-sig").splitlines()) > 1
    number = page.locator(".table.numbers tfoot a").first
    count = number.inner_text()
    hand.press(number)
    hand.see(page.locator("main table caption").first)
    assert in_all(page) == count


def test_the_numbers_of_home_open_their_rows(hand: Hand) -> None:
    page = hand.page

    def opens(number: Locator, count: str) -> None:
        hand.press(number)
        expect(page).not_to_have_url(f"{hand.url}/")
        assert in_all(page) == count
        hand.go("/")

    hand.go("/")
    leads = page.locator(".figure", has_text="Open leads").get_by_role("link").first
    opens(leads, leads.inner_text())
    won = page.locator(".figure", has_text="Won this month").get_by_role(
        "link", name=re.compile(r"\d+ deals?")
    )
    opens(won, won.inner_text().split()[0])
    stage = page.locator("table.pipe tbody tr").first.locator("td a").first
    opens(stage, stage.inner_text())
    for path in {str(link.get_attribute("href")) for link in page.locator(".figure a, .facts a").all()}:
        assert page.request.get(hand.url + path).ok, path


def test_light_and_dark_are_chosen(hand: Hand) -> None:
    page, root = hand.page, hand.page.locator("html")
    hand.go("/")
    hand.open("account", within="header")
    if not hand.has_script:
        expect(page.get_by_role("button", name="Dark", exact=True)).to_be_hidden()
        return
    hand.press(page.get_by_role("button", name="Dark", exact=True))
    expect(root).to_have_attribute("data-theme", "dark")
    hand.go("/leads/")
    expect(root).to_have_attribute("data-theme", "dark")
    hand.open("account", within="header")
    hand.press(page.get_by_role("button", name="System", exact=True))
    expect(root).not_to_have_attribute("data-theme", "dark")
