"""What is done with deals, by mouse, by keyboard alone and without JavaScript; and the board by finger."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, sign_in
from tests.browser.hands import Hand

pytestmark = pytest.mark.browser


def add_deal(hand: Hand, title: str) -> str:
    """A deal of this test's own in the first stage of Sales; returns the path of its page."""
    hand.go("/deals/new/")
    hand.write(hand.page.get_by_label("Title"), title)
    hand.write(hand.page.get_by_label("Amount"), "12500")
    hand.choose(hand.page.get_by_label("Stage"), "Sales: Qualification")
    hand.press(hand.page.get_by_role("button", name="Create deal"))
    hand.see_title(title)
    return hand.page.url.removeprefix(hand.url)


def test_a_deal_is_moved_won_taken_back_and_lost(hand: Hand) -> None:
    page, title = hand.page, f"Silo by {hand.way}"
    add_deal(hand, title)
    stages = page.get_by_role("list", name="Stage of this deal")
    hand.press(stages.get_by_role("button", name="Discovery"))
    hand.see(f"{title} is in Discovery now.")
    expect(stages.locator("[aria-current=step]")).to_contain_text("Discovery")
    hand.press(page.locator(".toast", has_text="Discovery").get_by_role("button", name="Undo"))
    hand.see(f"{title} is in Qualification now.")
    hand.press(stages.get_by_role("button", name="Discovery"))
    hand.see(f"{title} is in Discovery now.")

    hand.press(page.get_by_role("button", name="Won", exact=True))
    won = page.locator(".toast", has_text="Won.")
    hand.see(won)
    hand.press(won.get_by_role("button", name="Undo"))
    hand.see(f"{title} is open again, in Discovery.")

    hand.press(page.get_by_role("link", name="Lost…"))
    hand.see(page.get_by_role("heading", name=f"Why was {title} lost?"))
    hand.tick(page.get_by_role("radio", name="No answer"))
    hand.write(page.get_by_label("What decided it?"), "Rang five times")
    hand.press(page.get_by_role("button", name="Mark as lost"))
    hand.see(page.locator(".toast", has_text="Lost."))
    expect(page.locator("#about")).to_contain_text("No answer: Rang five times")
    hand.press(page.get_by_role("button", name="Reopen"))
    hand.see(f"{title} is open again, in Discovery.")


def test_a_card_is_moved_on_the_board_won_and_taken_back(hand: Hand) -> None:
    page, title = hand.page, f"Card by {hand.way}"
    add_deal(hand, title)
    hand.go("/deals/")

    def move(stage: str) -> None:
        hand.open(f"Move {title} to…")
        hand.press(page.locator(".deal", has_text=title).get_by_role("button", name=stage))

    def see_in(stage: str) -> None:
        hand.see(page.locator(f"#column-{stage} .deal", has_text=title))

    see_in("qualification")
    move("Negotiation")
    see_in("negotiation")
    move("Closed Won")
    see_in("closed-won")
    hand.press(page.locator(".toast", has_text="Won.").get_by_role("button", name="Undo"))
    see_in("negotiation")


def test_a_deal_gets_its_next_step_and_a_second_person(hand: Hand) -> None:
    page = hand.page
    add_deal(hand, f"Dock by {hand.way}")
    hand.press(page.get_by_role("link", name="Change the next step"))
    hand.see(page.get_by_role("heading", name=f"Edit Dock by {hand.way}"))
    hand.write(page.get_by_role("textbox", name="Next step optional"), "Send the drawings")
    hand.press(page.get_by_role("button", name="Save", exact=True))
    hand.see(page.locator("#about").get_by_text("Send the drawings"))

    hand.press(page.get_by_role("link", name="Add a person"))
    hand.see(page.get_by_role("heading", name="Who else is on"))
    hand.write(page.get_by_label("Find a lead"), "Annika")
    hand.press(page.get_by_role("button", name="Find", exact=True))
    expect(page).to_have_url(re.compile("search=Annika"))
    person = page.get_by_label("Person")
    label = str(person.locator("option").nth(1).text_content()).strip()
    hand.choose(person, label)
    hand.write(page.get_by_label("Their part in the decision"), "Signs")
    hand.press(page.get_by_role("button", name="Add to the deal"))
    hand.see("is on the deal now.")
    expect(page.locator(".folk")).to_contain_text("Signs")


def test_the_list_of_deals_is_filtered(hand: Hand) -> None:
    page = hand.page
    hand.go("/deals/")
    hand.press(page.get_by_role("navigation", name="Layout").get_by_role("link", name="List"))
    hand.see(page.get_by_role("columnheader", name="Deal"))
    filters = page.locator(".filters")
    hand.open("Filter")
    hand.choose(filters.get_by_label("Is", exact=True), "Won")
    hand.press(filters.get_by_role("button", name="Show", exact=True))
    hand.see(page.locator(".chip", has_text="Is won"))
    stages = page.locator("tbody td.at")
    assert {text.strip() for text in stages.all_inner_texts()} == {"Closed Won"}
    hand.press(page.get_by_role("columnheader", name="Amount").get_by_role("link"))
    expect(page.get_by_role("columnheader", name="Amount")).to_have_attribute("aria-sort", "ascending")
    hand.press(page.get_by_role("link", name="Remove filter: Is won"))
    expect(page.locator(".chip", has_text="Is won")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Amount")).to_have_attribute("aria-sort", "ascending")


def test_a_won_deal_is_taken_back_by_a_key(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/deals/")
    card = page.locator("#column-discovery .deal[data-deal]").first
    deal = card.get_attribute("data-deal")
    card.locator("h3 a").focus()
    page.keyboard.press("m")
    page.locator(f'.deal[data-deal="{deal}"] .panel button', has_text="Closed Won").focus()
    page.keyboard.press("Enter")
    won = page.locator(f'#column-closed-won .deal[data-deal="{deal}"]')
    expect(won.locator("h3 a")).to_be_focused()
    expect(page.locator(".toast").get_by_role("button", name="Undo")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator(f'#column-discovery .deal[data-deal="{deal}"]')).to_be_visible()


def test_a_card_is_carried_by_a_finger(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(has_touch=True, service_workers="block")
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(f"{demo.url}/deals/")
    card = page.locator("#column-proposal .deal[data-deal]").first
    deal = card.get_attribute("data-deal")
    start, end = card.bounding_box(), page.locator("#column-negotiation").bounding_box()
    assert start
    assert end
    finger = context.new_cdp_session(page)

    def touch(kind: str, *points: dict[str, float]) -> None:
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": start["x"] + 20, "y": start["y"] + 20})
    expect(page.locator(".deal.ghost")).to_be_visible()  # a finger that rests lifts the card
    for part in (0.3, 0.6, 1.0):
        x = start["x"] + 20 + part * (end["x"] + end["width"] / 2 - start["x"] - 20)
        touch("touchMove", {"x": x, "y": start["y"] + 60})
    expect(page.locator("#column-negotiation.drop")).to_be_visible()
    touch("touchEnd")
    expect(page.locator(f'#column-negotiation .deal[data-deal="{deal}"]')).to_be_visible()
    context.close()
