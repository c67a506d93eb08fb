"""Leads, organizations, imports and the board in Chromium: by keyboard alone, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def scriptless(browser: Browser, demo: Demo) -> Iterator[Page]:
    """The demo's owner in a browser without JavaScript."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    yield page
    context.close()


def add_lead(page: Page, demo: Demo, last_name: str, email: str) -> str:
    """A lead of this test's own; returns the address of its page."""
    page.goto(f"{demo.url}/leads/new/")
    page.get_by_label("Last name").fill(last_name)
    page.get_by_label("E-mail", exact=True).first.fill(email)
    page.get_by_role("button", name="Add lead").click()
    page.get_by_role("heading", name=last_name, level=1).wait_for()
    return page.url


def leads_file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text(f"Name,E-mail\n{name} Berg,{name.lower()}@kaldvik.test\n", encoding="utf-8")
    return path


# --- leads


def test_leads_are_walked_by_keyboard(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/leads/?view=all&sort=name")
    names = page.locator("main tbody th a b").all_inner_texts()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(names[1])
    page.keyboard.press("]")
    expect(page.get_by_role("heading", level=1)).to_have_text(names[2])
    page.keyboard.press("[")
    page.keyboard.press("[")
    expect(page.get_by_role("heading", level=1)).to_have_text(names[0])
    page.keyboard.press("?")
    expect(page.get_by_text("Next record of the list")).to_be_visible()


def test_a_lead_is_edited_noted_and_merged_by_keyboard(signed_in: Page, demo: Demo) -> None:
    page, keyboard = signed_in, signed_in.keyboard
    add_lead(page, demo, "Keysdotter", "twin@keys.test")
    there = add_lead(page, demo, "Keysen", "keysen@keys.test")
    page.get_by_role("link", name="Edit title").press("Enter")
    field = page.locator("dd form").get_by_label("Title")
    field.focus()
    keyboard.type("Head of keys")
    keyboard.press("Enter")
    expect(page.locator(".facts").first).to_contain_text("Head of keys")
    page.get_by_role("link", name="Note", exact=True).press("Enter")
    keyboard.type("Rang twice.")
    page.get_by_role("button", name="Save note").press("Enter")
    expect(page.locator(".timeline").get_by_text("Rang twice.")).to_be_visible()
    page.goto(f"{there}merge/?search=Keysdotter")
    page.get_by_role("link", name="Compare with Keysdotter").press("Enter")
    page.get_by_role("button", name="Merge", exact=True).press("Enter")
    expect(page.get_by_role("link", name="twin@keys.test")).to_be_visible()
    page.get_by_role("button", name="Undo the merge with").press("Enter")
    expect(page.get_by_role("link", name="twin@keys.test")).to_have_count(0)


def test_a_lead_is_edited_noted_and_merged_without_javascript(scriptless: Page, demo: Demo) -> None:
    page = scriptless
    add_lead(page, demo, "Plaindotter", "twin@plain.test")
    there = add_lead(page, demo, "Plainsen", "plainsen@plain.test")
    page.get_by_role("link", name="Edit title").click()
    page.get_by_label("Title").fill("Head of forms")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.locator(".facts").first).to_contain_text("Head of forms")
    page.locator("#note textarea").fill("Wrote a letter.")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".timeline").get_by_text("Wrote a letter.")).to_be_visible()
    page.goto(f"{there}merge/?search=Plaindotter")
    page.get_by_role("link", name="Compare with Plaindotter").click()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_role("link", name="twin@plain.test")).to_be_visible()
    page.goto(f"{demo.url}/leads/?view=all&sort=name")
    page.locator("main tbody th a").nth(1).click()
    name = page.locator("h1").inner_text()
    page.get_by_role("link", name="Next", exact=True).click()
    assert page.locator("h1").inner_text() != name
    page.get_by_role("link", name="Previous", exact=True).click()
    assert page.locator("h1").inner_text() == name


@pytest.mark.parametrize("has_script", [True, False])
def test_a_file_is_added_downloaded_and_deleted(
    browser: Browser, demo: Demo, tmp_path: Path, has_script: bool
) -> None:
    context = browser.new_context(java_script_enabled=has_script, service_workers="block")
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    add_lead(page, demo, f"Filed{has_script}", f"filed{has_script}@files.test")
    path = tmp_path / "logo.svg"
    path.write_text("<svg onload='alert(1)'/>")
    page.get_by_label("Add a file").set_input_files(path)
    page.get_by_role("button", name="Add", exact=True).press("Enter")
    link = page.get_by_role("link", name="logo.svg", exact=True)
    expect(link).to_be_visible()
    expect(page.get_by_text("added the file logo.svg")).to_be_visible()
    if has_script:
        check_axe(page)
    with page.expect_download() as download:
        link.press("Enter")
    assert download.value.suggested_filename == "logo.svg"
    assert download.value.path().read_text() == path.read_text()
    page.get_by_role("link", name="Delete logo.svg").press("Enter")
    page.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(link).to_have_count(0)
    context.close()


def test_a_selection_is_exported_by_keyboard(signed_in: Page, demo: Demo) -> None:
    page = signed_in
    page.goto(f"{demo.url}/leads/?view=all")
    for key in "jxjx":
        page.keyboard.press(key)
    page.locator(".selbar summary", has_text="Export").press("Enter")
    with page.expect_download() as download:
        page.locator(".selbar").get_by_role("button", name="As CSV").press("Enter")
    assert download.value.suggested_filename.endswith("-2-rows.csv")


# --- organizations


def test_organizations_are_added_and_found_by_keyboard(signed_in: Page, demo: Demo) -> None:
    page, keyboard = signed_in, signed_in.keyboard
    keyboard.press("n")
    keyboard.press("o")
    page.wait_for_url("**/organizations/new/")
    page.get_by_label("Name", exact=True).focus()
    keyboard.type("Keyboard Works")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Keyboard Works", level=1)).to_be_visible()
    keyboard.press("g")
    keyboard.press("o")
    page.wait_for_url("**/organizations/")
    page.get_by_label("Name or domain").focus()
    keyboard.type("keyboard wo")
    keyboard.press("Enter")
    page.get_by_role("link", name="Keyboard Works").press("Enter")
    page.wait_for_url("**/organizations/*-*/")
    keyboard.press("e")
    expect(page.get_by_role("heading", name="Edit Keyboard Works")).to_be_visible()


def test_organizations_without_javascript(scriptless: Page, demo: Demo) -> None:
    page = scriptless
    for _ in range(2):
        page.goto(f"{demo.url}/organizations/")
        page.get_by_role("link", name="New organization").click()
        page.get_by_label("Name", exact=True).fill("Formular AG")
        page.get_by_role("button", name="Add the organization").click()
    expect(page.get_by_text("is there already.")).to_be_visible()
    page.get_by_role("link", name="Open Formular AG").click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Domain").fill("formular.test")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts").first).to_have_text("formular.test")


# --- files of leads


def test_an_import_by_keyboard(signed_in: Page, demo: Demo, tmp_path: Path) -> None:
    page = signed_in
    page.goto(f"{demo.url}/imports/")
    page.locator("#file").set_input_files(leads_file(tmp_path, "Tasta"))
    page.get_by_role("button", name="Upload").press("Enter")
    page.get_by_role("button", name="Check 1 row").press("Enter")
    page.get_by_role("button", name="Import 1 row").press("Enter")
    expect(page.get_by_text("1 row = 1 created")).to_be_visible()
    page.locator("summary", has_text="Undo import").press("Enter")
    page.get_by_role("button", name="Undo Tasta.csv").press("Enter")
    expect(page.get_by_text("Undone.")).to_be_visible()


def test_an_import_without_javascript(scriptless: Page, demo: Demo, tmp_path: Path) -> None:
    page = scriptless
    page.goto(f"{demo.url}/imports/")
    page.locator("#file").set_input_files(leads_file(tmp_path, "Ohne"))
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Check 1 row").click()
    page.get_by_role("button", name="Import 1 row").click()
    expect(page.get_by_text("1 row = 1 created")).to_be_visible()


# --- the board


def test_a_deal_is_moved_by_keyboard_and_back(signed_in: Page, demo: Demo) -> None:
    page, keyboard = signed_in, signed_in.keyboard
    page.goto(f"{demo.url}/deals/")
    card = page.locator("#column-discovery .deal[data-deal]").first
    deal = card.get_attribute("data-deal")
    card.locator("h3 a").focus()
    keyboard.press("m")
    page.locator(f'.deal[data-deal="{deal}"] .panel button', has_text="Negotiation").focus()
    keyboard.press("Enter")
    moved = page.locator(f'#column-negotiation .deal[data-deal="{deal}"]')
    expect(moved).to_be_visible()
    expect(moved.locator("h3 a")).to_be_focused()
    keyboard.press("z")
    expect(page.locator(f'#column-discovery .deal[data-deal="{deal}"]')).to_be_visible()


def test_a_deal_is_moved_without_javascript(scriptless: Page, demo: Demo) -> None:
    page = scriptless
    page.goto(f"{demo.url}/deals/")
    card = page.locator("#column-qualification .deal[data-deal]").first
    deal = card.get_attribute("data-deal")
    card.locator(".move summary").click()
    card.locator(".panel button", has_text="Discovery").click()
    expect(page.locator(f'#column-discovery .deal[data-deal="{deal}"]')).to_be_visible()
