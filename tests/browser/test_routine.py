"""The bell, the automations and the page of one's account in Chromium: by mouse, by keyboard, without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser


def test_a_rule_of_assignment_by_mouse(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/settings/automations/")
    signed_in.get_by_text("Add a rule").click()
    signed_in.get_by_label("Source").fill("Fair in Chromium")
    signed_in.get_by_role("checkbox", name="Priya Raman").check()
    signed_in.get_by_role("button", name="Add rule").click()
    rule = signed_in.get_by_role("listitem").filter(has_text="Source Fair in Chromium")
    expect(rule).to_contain_text("Goes to Priya Raman")
    check_axe(signed_in)
    rule.get_by_role("button", name="Remove").click()
    expect(rule).to_have_count(0)


def test_the_spam_clean_up_by_keyboard(signed_in: Page, demo: Demo) -> None:
    signed_in.goto(f"{demo.url}/settings/automations/")
    signed_in.get_by_role("button", name="Turn on the spam clean-up").focus()
    signed_in.keyboard.press("Enter")
    switch = signed_in.get_by_role("button", name="Turn off the spam clean-up")
    expect(switch).to_be_visible()
    switch.focus()
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("button", name="Turn on the spam clean-up")).to_be_visible()


def test_the_bell_by_keyboard(signed_in: Page, demo: Demo) -> None:
    signed_in.keyboard.press("g")
    signed_in.keyboard.press("n")
    signed_in.wait_for_url("**/notifications/")
    check_axe(signed_in)


def test_a_stage_s_task_and_the_calendar_without_javascript(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.goto(f"{demo.url}/settings/automations/")
    page.get_by_label("Stage", exact=True).select_option(label="Sales: Proposal")
    page.get_by_label("Task", exact=True).fill("Send it from Chromium")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Remove: Send it from Chromium").click()
    page.goto(f"{demo.url}/settings/you/")
    page.get_by_role("button", name="Make an address").click()
    expect(page.locator("#feed-link")).to_contain_text(".ics")
    page.get_by_role("button", name="End the address").click()
    expect(page.get_by_role("button", name="Make an address")).to_be_visible()
    context.close()
