"""The main job, as its users do it: from a fresh installation to four conversions that LinkedIn has accepted."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from capi.sandbox.running import RunningSandbox, running_sandbox
from capi.sandbox.world import SANDBOX_TOKEN
from tests.chaos.running import Installation, installation

pytestmark = pytest.mark.browser

SHA256_OF_JOHN = "855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4"
RULES = [
    ("lead_created", "23948811"),
    ("lead_qualified", "23948812"),
    ("deal_created", "23948815"),
    ("deal_won", "23948817"),
]


@pytest.fixture
def linkedin() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def fresh(tmp_path: Path, linkedin: RunningSandbox) -> Iterator[Installation]:
    """`up` without anybody or anything in it."""
    with installation(tmp_path, linkedin.url) as running:
        yield running


def test_from_first_run_to_four_accepted_conversions(
    page: Page, fresh: Installation, linkedin: RunningSandbox
) -> None:
    make_owner(page, fresh.url)
    connect(page, fresh.url)
    add_rules(page, fresh.url)
    send_test_event(page, fresh.url)
    add_lead(page, fresh.url)
    qualify(page)
    add_deal(page)
    win_by_drag(page, fresh.url)
    see_four_accepted(page, fresh.url, linkedin)
    see_what_is_left(page, fresh.url)


def make_owner(page: Page, url: str) -> None:
    page.goto(f"{url}/")
    page.wait_for_url(f"{url}/setup/")
    page.get_by_label("Company").fill("Acme")
    page.get_by_label("First name").fill("Alice")
    page.get_by_label("Last name").fill("Berg")
    page.get_by_label("E-mail").fill("alice@acme.test")
    page.get_by_label("Password", exact=True).fill("a-long-enough-password")
    page.locator("main button[type=submit], main button:not([type])").last.click()
    page.wait_for_url(f"{url}/")
    expect(page.get_by_role("heading", name="Set up Acme")).to_be_visible()
    expect(page.get_by_text("0 of 6 done")).to_be_visible()


def connect(page: Page, url: str) -> None:
    page.goto(f"{url}/linkedin/token/")
    page.get_by_role("textbox", name="Access token").fill(SANDBOX_TOKEN)
    page.get_by_role("button", name="Save token").click()
    page.wait_for_url(re.compile(r"/linkedin/(\?.*)?$"))
    assert SANDBOX_TOKEN not in page.content()
    expect(page.get_by_text("Saved by Alice Berg")).to_be_visible()


def add_rules(page: Page, url: str) -> None:
    for event, conversion in RULES:
        page.goto(f"{url}/linkedin/")
        form = page.locator("#add")
        form.get_by_label("When").select_option(event)
        form.get_by_label("Conversion").fill(conversion)
        form.get_by_role("button", name="Add rule").click()
        expect(page.get_by_text(conversion, exact=True).first).to_be_visible()


def send_test_event(page: Page, url: str) -> None:
    page.goto(f"{url}/linkedin/")
    page.get_by_role("link", name="Send test").first.click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("urn:lla:llaPartnerConversion:23948811")
    expect(dialog).not_to_contain_text(SANDBOX_TOKEN)
    dialog.get_by_role("button", name="Send test").click()
    expect(page.locator(".toast").first).to_be_visible()  # the page has loaded again
    expect(page.locator("#verify").get_by_text("Accepted").first).to_be_visible(timeout=10_000)


def add_lead(page: Page, url: str) -> None:
    page.goto(f"{url}/leads/new/")
    page.get_by_label("First name").fill("John")
    page.get_by_label("Last name").fill("Canarius")
    page.get_by_label("E-mail", exact=True).fill("John@Example.com")
    page.get_by_label("Source").fill("Web form")
    page.get_by_role("button", name="Add lead").click()
    expect(page.get_by_role("heading", name="John Canarius")).to_be_visible()


def qualify(page: Page) -> None:
    page.get_by_role("group", name="Status of this lead").or_(page.locator(".pathbox")).get_by_text(
        "Qualified"
    ).first.click()
    expect(page.get_by_text("moved the status from New to Qualified").first).to_be_visible()


def add_deal(page: Page) -> None:
    page.get_by_role("link", name="Deal", exact=True).first.click()
    page.get_by_label("Title").fill("Cold chain control tower")
    page.get_by_label("Amount").fill("62000")
    page.get_by_label("Currency").select_option("USD")
    page.get_by_role("button", name="Create deal").click()
    expect(page.get_by_role("heading", name="Cold chain control tower")).to_be_visible()


def win_by_drag(page: Page, url: str) -> None:
    page.goto(f"{url}/deals/")
    card = page.locator(".deal[data-deal]").first
    target = page.locator("#column-closed-won")
    start, end = card.bounding_box(), target.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(start["x"] + 60, start["y"] + 40, steps=5)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 200, steps=12)
    page.mouse.up()
    toast = page.locator(".toast").filter(has_text="LinkedIn will be told")
    expect(toast).to_be_visible()
    toast.get_by_role("button", name="Send now").click()


def see_four_accepted(page: Page, url: str, linkedin: RunningSandbox) -> None:
    page.goto(f"{url}/linkedin/events/?status=accepted&is_test=false")
    for event in ("Lead created", "Lead qualified", "Deal created", "Deal won"):
        expect(page.get_by_role("cell", name=event).first).to_be_visible(timeout=10_000)
    expect(page.get_by_text("$62,000.00").first).to_be_visible()
    deadline = time.monotonic() + 5
    while linkedin.control.stats().unique < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (linkedin.control.stats().unique, linkedin.control.stats().duplicates) == (
        5,
        0,
    )  # and the test event
    wire = "".join(request.body for request in linkedin.control.received(path="conversionEvents"))
    assert SHA256_OF_JOHN in wire
    for personal in ("John", "Canarius", "example.com", "Example.com"):
        assert personal not in wire


def see_what_is_left(page: Page, url: str) -> None:
    """The checklist has ticked itself; the team and the click id are left."""
    page.goto(f"{url}/")
    page.get_by_role("link", name="2 steps of the set-up left").click()
    expect(page.get_by_text("4 of 6 done")).to_be_visible()
    expect(page.get_by_role("link", name="Invite somebody")).to_be_visible()
