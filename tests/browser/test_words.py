"""The settings of the company's words in Chromium: by mouse, by keyboard alone, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser


def names(page: Page) -> list[str]:
    """The names of a list, in its order."""
    inputs = page.locator("tr[data-word] input[name=name]")
    return [str(each.get_attribute("value")) for each in inputs.all()]


def row(page: Page, name: str) -> Locator:
    return page.locator("tr[data-word]", has=page.locator(f'input[name=name][value="{name}"]'))


def add_type(page: Page, demo: Demo, name: str) -> None:
    page.goto(f"{demo.url}/settings/types/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Add type").click()
    expect(row(page, name)).to_be_visible()


def test_a_row_is_dragged_by_its_grip(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/settings/types/")
    before = names(signed_in)
    grip = row(signed_in, before[0]).locator("[data-grip]")
    target = row(signed_in, before[2]).bounding_box()
    assert target
    grip.hover()
    signed_in.mouse.down()
    signed_in.mouse.move(target["x"] + 30, target["y"] + target["height"] / 2 + 4, steps=6)
    with signed_in.expect_response("**/order/"):
        signed_in.mouse.up()
    signed_in.reload()
    assert names(signed_in) == [before[1], before[2], before[0], *before[3:]]


def test_a_row_is_moved_and_renamed_by_keyboard(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/settings/types/")
    before = names(signed_in)
    row(signed_in, before[1]).locator("[data-grip]").focus()
    with signed_in.expect_response("**/order/"):
        signed_in.keyboard.press("ArrowUp")
    expect(signed_in.locator("tr[data-word]").first.locator("input[name=name]")).to_have_value(before[1])
    expect(signed_in.locator("tr[data-word]").first.locator("[data-grip]")).to_be_focused()
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("End")
    signed_in.keyboard.type(" 2")
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_text(f"{before[1]} 2 is saved.")).to_be_visible()
    assert names(signed_in)[0] == f"{before[1]} 2"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_deleting_asks_in_the_row(signed_in: Page, demo: Demo, scheme: str) -> None:
    signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    signed_in.goto(f"{demo.url}/settings/statuses/")
    row(signed_in, "Contacted").get_by_role("link", name="Delete Contacted…").press("Enter")
    expect(signed_in.get_by_role("heading", name="Delete Contacted: where do its")).to_be_visible()
    check_axe(signed_in)
    signed_in.get_by_role("link", name="Keep it").press("Enter")
    expect(signed_in.get_by_role("heading", name="Delete Contacted")).to_have_count(0)


def test_a_type_is_added_and_deleted_by_mouse(signed_in: Page, demo: Demo) -> None:
    add_type(signed_in, demo, "Fair")
    row(signed_in, "Fair").get_by_role("link", name="Delete Fair…").click()
    signed_in.get_by_role("button", name="Delete Fair").click()
    expect(signed_in.get_by_text("Fair is gone.")).to_be_visible()
    assert "Fair" not in names(signed_in)


def test_all_of_it_works_without_javascript(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    add_type(page, demo, "Trade show")
    row(page, "Trade show").locator("[data-grip]").click()
    row(page, "Trade show").get_by_role("button", name="Move up").click()
    assert names(page)[-2] == "Trade show"
    row(page, "Trade show").locator("input[name=name]").fill("Exhibition")
    row(page, "Trade show").get_by_role("button", name="Save").click()
    row(page, "Exhibition").locator(".pick-cell summary").click()
    row(page, "Exhibition").get_by_role("button", name="High").click()
    row(page, "Exhibition").get_by_role("link", name="Delete Exhibition…").click()
    page.get_by_role("button", name="Delete Exhibition").click()
    assert "Exhibition" not in names(page)
    context.close()
