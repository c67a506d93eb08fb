"""What is done with leads, by mouse, by keyboard alone and without JavaScript: each walk is taken three times."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import Demo, sign_in
from tests.browser.hands import Hand
from tests.browser.watch import watched

pytestmark = pytest.mark.browser


def add_lead(hand: Hand, name: str) -> str:
    """A lead of this test's own, named after it and the way it is done; returns the path of its page."""
    hand.go("/leads/new/")
    hand.write(hand.page.get_by_label("First name"), hand.way.title())
    hand.write(hand.page.get_by_label("Last name"), name)
    hand.write(hand.page.get_by_role("textbox", name="E-mail", exact=True), f"{name}@{hand.way}.test".lower())
    hand.press(hand.page.get_by_role("button", name="Add lead"))
    hand.see_title(f"{hand.way.title()} {name}")
    return hand.page.url.removeprefix(hand.url)


def test_one_signs_out_and_in_again(hand: Hand, demo: Demo) -> None:
    hand.go("/")
    hand.open("account", within="header")
    hand.press(hand.page.get_by_role("button", name="Sign out"))
    hand.see(hand.page.get_by_role("heading", name="Sign in to LeadMachine"))
    hand.sign_in(demo.email, demo.password)


def test_a_lead_is_edited_in_its_place_and_qualified(hand: Hand) -> None:
    page = hand.page
    add_lead(hand, "Placed")
    hand.press(page.get_by_role("link", name="Edit title"))
    title = page.get_by_role("textbox", name="Title")
    if hand.has_script:
        expect(title).to_be_focused()
    hand.write(title, "Head of hands")
    hand.press(page.get_by_role("button", name="Save", exact=True))
    expect(page.locator(".facts").first).to_contain_text("Head of hands")
    page.wait_for_load_state()

    hand.press(page.get_by_role("link", name="Edit e-mail"))
    hand.press(page.get_by_role("button", name="Add another e-mail"))
    hand.write(page.get_by_role("textbox", name="E-mail 2", exact=True), f"second@{hand.way}.test")
    hand.press(page.get_by_role("button", name="Save", exact=True))
    hand.see(page.get_by_role("link", name=f"second@{hand.way}.test"))

    path = page.get_by_role("list", name="Status of this lead")
    hand.press(path.get_by_role("button", name="Qualified"))
    hand.see("moved the status from New to Qualified")
    expect(path.locator("[aria-current=step]")).to_contain_text("Qualified")


def test_a_note_is_written_and_put_right(hand: Hand) -> None:
    page = hand.page
    add_lead(hand, "Noted")
    note = page.get_by_label("Write a note")
    hand.press(page.get_by_role("link", name="Note", exact=True))
    if hand.has_script:
        expect(note).to_be_focused()
    hand.write(note, "Rang twice.")
    hand.press(page.get_by_role("button", name="Log as Call"))
    line = page.locator(".timeline li", has_text="Rang twice.")
    hand.see(line)
    hand.press(line.get_by_role("link", name="Edit or delete"))
    hand.see(page.get_by_role("heading", name="Edit your call"))
    hand.write(page.get_by_label("Write a note"), "Rang three times.")
    hand.press(page.get_by_role("button", name="Save", exact=True))
    hand.see(page.locator(".timeline").get_by_text("Rang three times."))


def test_twins_are_merged_and_parted(hand: Hand) -> None:
    page, name = hand.page, hand.way.title()
    add_lead(hand, "Twindotter")
    add_lead(hand, "Twinsen")
    hand.open("More actions")
    hand.press(page.get_by_role("link", name="Merge…"))
    hand.see(page.get_by_role("heading", name=f"Merge {name} Twinsen with…"))
    hand.write(page.get_by_label("Name, e-mail or phone number"), f"{name} Twindotter")
    hand.press(page.get_by_role("button", name="Find", exact=True))
    hand.press(page.get_by_role("link", name=f"Compare with {name} Twindotter"))
    hand.see(page.get_by_role("heading", name="Are they one person?"))
    hand.press(page.get_by_role("button", name="Merge", exact=True))
    other = page.locator("#about").get_by_role("link", name=f"twindotter@{hand.way}.test")
    hand.see(other)
    hand.press(page.get_by_role("button", name=f"Undo the merge with {name} Twindotter"))
    expect(other).to_have_count(0)


def test_the_list_is_filtered_sorted_and_given_columns(hand: Hand) -> None:
    page = hand.page
    add_lead(hand, "Filtered")
    hand.go("/leads/?view=all")
    filters = page.locator(".filters")
    hand.open("Filter")
    hand.tick(filters.get_by_role("checkbox", name="New", exact=True))
    hand.choose(filters.get_by_label("Source"), "Web form")
    hand.write(filters.get_by_label("Words"), f"filtered@{hand.way}.test")
    hand.press(filters.get_by_role("button", name="Show", exact=True))
    expect(page.locator("tbody tr")).to_have_count(1)
    for chip in ("Status is New", "Source is Web form", f"Found by filtered@{hand.way}.test"):
        hand.see(page.locator(".chip", has_text=chip))

    hand.press(page.get_by_role("columnheader", name="Lead").get_by_role("link"))
    expect(page.get_by_role("columnheader", name="Lead")).to_have_attribute("aria-sort", "ascending")
    hand.open("Columns")
    hand.tick(page.locator(".columns").get_by_role("checkbox", name="E-mail"))
    hand.press(page.get_by_role("button", name="Show these"))
    hand.see(page.get_by_role("cell", name=f"filtered@{hand.way}.test"))

    hand.press(page.locator("tbody .pick-one > summary"))
    hand.press(page.locator("tbody .pick-one").get_by_role("button", name="Contacted"))
    hand.see(f"{hand.way.title()} Filtered is Contacted now.")
    hand.press(page.get_by_role("link", name="Remove filter: Source is Web form"))
    expect(page.locator(".chip", has_text="Source is")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("source="))


def test_one_walks_from_record_to_record(hand: Hand) -> None:
    page, title = hand.page, hand.page.get_by_role("heading", level=1)
    hand.go("/leads/?view=all&sort=name")
    first, second = page.locator("tbody th a b").all_inner_texts()[:2]
    hand.press(page.locator("tbody th a").first)
    expect(title).to_have_text(first)
    page.wait_for_load_state()
    hand.press(page.get_by_role("link", name="Next", exact=True))
    expect(title).to_have_text(second)
    page.wait_for_load_state()
    hand.press(page.get_by_role("link", name="Previous", exact=True))
    expect(title).to_have_text(first)
    page.wait_for_load_state()
    hand.press(page.get_by_role("link", name="Back to the list"))
    hand.see_title("Leads")


def test_a_view_is_kept_and_thrown_away(hand: Hand) -> None:
    page, name = hand.page, f"Kept by {hand.way}"
    hand.go("/leads/?view=all&status=qualified")
    hand.press(page.get_by_role("link", name="Save as view"))
    hand.see(page.get_by_role("heading", name="Save as view").last)
    hand.write(page.get_by_label("Name", exact=True), name)
    hand.tick(page.get_by_label("Pin it to the side bar"))
    hand.press(page.get_by_role("button", name="Save", exact=True))
    hand.see(f"{name} is saved.")
    hand.go("/deals/?view=list")
    hand.press(page.get_by_role("navigation", name="Main").get_by_role("link", name=name))
    hand.see(page.locator(".chip", has_text="Status is Qualified"))
    hand.press(page.get_by_role("link", name="Edit view"))
    hand.press(page.get_by_role("button", name="Delete", exact=True))
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_what_is_archived_comes_back_from_the_bin(hand: Hand) -> None:
    page = hand.page
    add_lead(hand, "Binned")
    name = f"{hand.way.title()} Binned"
    hand.go(f"/leads/?view=all&search=binned@{hand.way}.test")
    hand.tick(page.get_by_label(f"Select {name}", exact=True))
    hand.press(page.get_by_role("button", name="Archive…"))
    hand.see(page.get_by_role("heading", name="Archive 1 lead?"))
    hand.press(page.get_by_role("button", name="Archive", exact=True))
    hand.see(page.get_by_role("heading", name="Nothing matches"))
    hand.go("/recycle-bin/")
    hand.press(page.get_by_role("button", name=f"Restore {name}"))
    hand.see("Restored:")


def test_leads_are_walked_by_their_keys(signed_in: Page, demo: Demo) -> None:
    page, title = signed_in, signed_in.get_by_role("heading", level=1)
    page.goto(f"{demo.url}/leads/?view=all&sort=name")
    names = page.locator("tbody th a b").all_inner_texts()
    for key, name in (("j", ""), ("j", ""), ("Enter", names[1]), ("]", names[2]), ("[", names[1])):
        page.keyboard.press(key)
        if name:
            expect(title).to_have_text(name)
            page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.get_by_text("Next record of the list")).to_be_visible()


def test_every_page_has_its_keys(signed_in: Page, demo: Demo) -> None:
    for keys, path in (
        ("gl", "/leads/"),
        ("gd", "/deals/"),
        ("gt", "/tasks/"),
        ("go", "/organizations/"),
        ("gr", "/reports/"),
        ("gi", "/linkedin/"),
        ("nl", "/leads/new/"),
        ("nd", "/deals/new/"),
        ("no", "/organizations/new/"),
    ):
        for key in keys:
            signed_in.keyboard.press(key)
        signed_in.wait_for_url(demo.url + path)
        signed_in.goto(f"{demo.url}/")


def test_a_lead_is_noted_and_moved_on_a_telephone(browser: Browser, demo: Demo) -> None:
    size: ViewportSize = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=True, service_workers="block")
    with watched(context) as page:
        sign_in(page, demo.url, demo.email, demo.password)
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Leads").tap()
        page.get_by_role("link", name="New lead").tap()
        for label, text in (("First name", "Tilda"), ("Last name", "Telephone")):
            page.get_by_label(label).fill(text)
        page.get_by_role("textbox", name="E-mail", exact=True).fill("tilda@telephone.test")
        page.get_by_role("button", name="Add lead").tap()
        expect(page.get_by_role("heading", name="Tilda Telephone", level=1)).to_be_visible()
        page.get_by_role("list", name="Status of this lead").get_by_role("button", name="Contacted").tap()
        expect(page.get_by_text("moved the status from New to Contacted")).to_be_visible()
        page.get_by_label("Write a note").fill("Rang from the train.")
        page.get_by_role("button", name="Save note").tap()
        expect(page.locator(".timeline").get_by_text("Rang from the train.")).to_be_visible()
        page.wait_for_load_state()
        page.locator("header summary", has_text="account").tap()
        page.locator("header .panel").get_by_role("link", name="Reports").tap()
        expect(page.get_by_role("heading", name="Reports", level=1)).to_be_visible()
    context.close()
