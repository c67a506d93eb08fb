"""Tasks in Chromium: written, ticked off and put back by mouse, by keyboard alone, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, sign_in

pytestmark = pytest.mark.browser


def test_by_keyboard(signed_in: Page, demo: Demo) -> None:
    keyboard = signed_in.keyboard
    keyboard.press("n")
    keyboard.press("t")
    signed_in.wait_for_url("**/tasks/new/")
    signed_in.get_by_label("What is to be done").focus()
    keyboard.type("Ring the keys")
    keyboard.press("Enter")
    signed_in.wait_for_url("**/tasks/")
    lines = signed_in.locator("li.task")
    for _ in range(lines.count()):
        keyboard.press("j")
        if "Ring the keys" in signed_in.evaluate("document.activeElement.textContent"):
            break
    keyboard.press("x")
    done = signed_in.locator("li.task.done", has_text="Ring the keys")
    expect(done).to_be_visible()
    keyboard.press("z")
    expect(signed_in.locator("li.task:not(.done)", has_text="Ring the keys")).to_be_visible()


def test_without_javascript(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(f"{demo.url}/tasks/new/")
    page.get_by_label("What is to be done").fill("Ring without")
    page.get_by_label("Due on").fill("2020-01-02")
    page.get_by_role("button", name="Add task").click()
    page.goto(f"{demo.url}/tasks/?due=overdue")
    page.get_by_role("button", name="Done: Ring without").click()
    page.goto(f"{demo.url}/tasks/?view=done")
    page.get_by_role("link", name="Ring without").click()
    page.get_by_label("A step of this task").fill("Find the number")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Done: Find the number").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible()
    context.close()
