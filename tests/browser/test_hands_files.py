"""What goes in and out as files, and the firms: by mouse, by keyboard alone and without JavaScript."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo
from tests.browser.hands import KEYBOARD, Hand

pytestmark = pytest.mark.browser
DRAWING = "<svg onload='alert(1)'/>"


def give_file(hand: Hand, label: str, path: Path) -> None:
    """A file into a field; the keyboard opens the window in which one chooses."""
    field = hand.page.get_by_label(label)
    if hand.way == KEYBOARD:
        with hand.page.expect_file_chooser() as chooser:
            hand.press(field)
        chooser.value.set_files(path)
    else:
        field.set_input_files(path)


def test_leads_are_imported_and_taken_back(hand: Hand, tmp_path: Path) -> None:
    page, name = hand.page, f"{hand.way}.csv"
    file = tmp_path / name
    file.write_text(
        "First name,Last name,E-mail,Post\n"
        f"Ines,Imported,ines@{hand.way}-file.test,Head of files\n"
        "Nobody,Broken,no address,Clerk\n",
        encoding="utf-8",
    )
    hand.go("/leads/")
    hand.press(page.get_by_role("link", name="Import", exact=True))
    hand.see_title("Imports")
    give_file(hand, "CSV or Excel workbook", file)
    hand.press(page.get_by_role("button", name="Upload"))
    hand.see_title("Import leads")
    hand.choose(page.get_by_label("Field for Post"), "Title")
    hand.press(page.get_by_role("button", name="Check 2 rows"))
    hand.see("Rows that will fail")
    expect(page.get_by_role("switch", name="Report these to LinkedIn")).not_to_be_checked()
    hand.press(page.get_by_role("button", name="Import 2 rows"))
    hand.see("1 created + 0 updated + 0 skipped + 1 failed")
    failed = hand.download(page.get_by_role("link", name="Download 1 failed row"))
    assert "no address" in Path(failed.path()).read_text(encoding="utf-8-sig")

    hand.open("Undo import…")
    hand.press(page.get_by_role("button", name=f"Undo {name}"))
    hand.see("Undone.")
    hand.go(f"/leads/?view=all&search=ines@{hand.way}-file.test")
    hand.see(page.get_by_role("heading", name="Nothing matches"))


@pytest.mark.parametrize("noun", ["lead", "deal"])
def test_what_is_filtered_is_what_is_exported(hand: Hand, noun: str) -> None:
    page = hand.page
    hand.go({"lead": "/leads/?view=all&source=Web+form", "deal": "/deals/?view=list&status=won"}[noun])
    caption = str(page.locator("main table caption").text_content())
    listed = int(re.search(r"([\d,]+) in all", caption)[1].replace(",", ""))  # type: ignore[index]
    hand.open("Export")
    file = hand.download(page.locator(".export").get_by_role("button", name="As CSV"))
    assert file.suggested_filename.endswith(f"-{listed}-rows.csv")
    with Path(file.path()).open(encoding="utf-8-sig", newline="") as lines:
        assert len(list(csv.DictReader(lines))) == listed


def test_the_selection_is_exported(hand: Hand) -> None:
    page = hand.page
    hand.go("/leads/?view=all")
    for box in (0, 2):
        hand.tick(page.locator("tbody .pick input").nth(box))
    hand.open("Export", within=".selbar")
    file = hand.download(page.locator(".selbar").get_by_role("button", name="As Excel"))
    assert file.suggested_filename.endswith("-2-rows.xlsx")


def test_a_firm_is_added_once_found_and_given_a_file(hand: Hand, tmp_path: Path) -> None:
    page, name = hand.page, f"{hand.way.title()} Works"
    for _ in range(2):
        hand.go("/organizations/")
        hand.press(page.get_by_role("link", name="New organization"))
        hand.see_title("New organization")
        hand.write(page.get_by_label("Name", exact=True), name)
        hand.press(page.get_by_role("button", name="Add the organization"))
        hand.see(
            page.get_by_role("heading", name=name, level=1).or_(page.get_by_text("is there already.")).first
        )
    hand.press(page.get_by_role("link", name=f"Open {name}"))
    hand.see_title(name)
    hand.press(page.get_by_role("link", name="Edit", exact=True))
    hand.see_title(f"Edit {name}")
    hand.write(page.get_by_label("Domain"), f"{hand.way}-works.test")
    hand.press(page.get_by_role("button", name="Save", exact=True))
    hand.see_title(name)
    expect(page.locator(".facts").first).to_have_text(f"{hand.way}-works.test")
    hand.go("/organizations/")
    hand.write(page.get_by_label("Name or domain"), f"{hand.way}-works")
    hand.press(page.get_by_role("button", name="Find", exact=True))
    expect(page.locator("tbody tr")).to_have_count(1)
    hand.press(page.get_by_role("link", name=name))
    hand.see_title(name)

    drawing = tmp_path / "logo.svg"
    drawing.write_text(DRAWING)
    give_file(hand, "Add a file", drawing)
    hand.press(page.get_by_role("button", name="Add", exact=True))
    link = page.get_by_role("link", name="logo.svg", exact=True)
    hand.see(link)
    file = hand.download(link)
    assert file.suggested_filename == "logo.svg"
    assert Path(file.path()).read_text() == DRAWING
    hand.press(page.get_by_role("link", name="Delete logo.svg"))
    hand.see(page.get_by_role("heading", name="Delete logo.svg?"))
    hand.press(page.get_by_role("button", name="Delete", exact=True))
    expect(link).to_have_count(0)


def test_firms_by_their_keys(signed_in: Page, demo: Demo) -> None:
    page, keyboard = signed_in, signed_in.keyboard
    for key in "go":
        keyboard.press(key)
    page.wait_for_url("**/organizations/")
    page.locator("tbody th a").first.press("Enter")
    page.wait_for_url("**/organizations/*-*/")
    keyboard.press("e")
    expect(page.get_by_role("heading", name="Edit ", level=1)).to_be_visible()
