"""Tasks in Chromium: written, ticked off and put back by mouse, by keyboard alone, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser


def test_by_mouse(signed_in: Page, demo: Demo) -> None:
    signed_in.get_by_role("navigation", name="Main").get_by_role("link", name="Tasks").click()
    signed_in.get_by_role("link", name="New task").click()
    signed_in.get_by_label("What is to be done").fill("Ring the mouse")
    signed_in.get_by_role("button", name="Add task").click()
    signed_in.wait_for_url("**/tasks/")
    signed_in.wait_for_load_state()  # before, the tick is a plain form, and the list is loaded anew without it
    line = signed_in.locator("li.task", has_text="Ring the mouse")
    line.get_by_role("button", name="Done: Ring the mouse").click()
    expect(signed_in.locator("li.task.done", has_text="Ring the mouse")).to_be_visible()
    check_axe(signed_in)
    signed_in.get_by_role("button", name="Undo").click()
    expect(signed_in.locator("li.task:not(.done)", has_text="Ring the mouse")).to_be_visible()


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


def test_the_calendar_leads_to_the_tasks_of_a_day(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/tasks/calendar/?view=all")
    month = signed_in.locator("h1").inner_text()
    signed_in.keyboard.press("]")
    expect(signed_in.locator("h1")).not_to_have_text(month)
    signed_in.wait_for_load_state()  # its scripts too, which know the keys
    signed_in.keyboard.press("[")
    expect(signed_in.locator("h1")).to_have_text(month)
    signed_in.locator("td a.daynum").first.click()
    expect(signed_in.locator("li.task").first).to_be_visible()
