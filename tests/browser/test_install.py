"""The product as an app of the device: what Chromium needs to install it, and what it shows offline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Demo, check_axe, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def device(browser: Any) -> Iterator[BrowserContext]:
    """A browser that takes service workers."""
    context = browser.new_context(service_workers="allow")
    yield context
    context.close()


def test_it_can_be_installed(device: BrowserContext, demo: Demo) -> None:
    page = device.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    session = device.new_cdp_session(page)
    described = session.send("Page.getAppManifest")
    assert described["errors"] == []
    assert described["url"] == f"{demo.url}/manifest.webmanifest"
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A test's browser is a private one, into which nothing is installed.
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []


def test_without_a_connection_it_says_so_and_keeps_nothing_else(device: BrowserContext, demo: Demo) -> None:
    page = device.new_page()
    sign_in(page, demo.url, demo.email, demo.password)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.goto(f"{demo.url}/leads/")
    device.set_offline(True)
    page.goto(f"{demo.url}/deals/")
    expect(page.get_by_role("heading")).to_have_text("LeadMachine cannot be reached")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxInlineSize") == "460px"
    kept = page.evaluate(
        """async () => {
          const found = [];
          for (const name of await caches.keys())
            for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
          return found;
        }"""
    )
    assert kept == ["/offline/"]
    device.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deals")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_that_stands_alone_is_accessible(device: BrowserContext, demo: Demo, scheme: str) -> None:
    page = device.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{demo.url}/offline/")
    assert not [complaint for complaint in complaints if "Content Security Policy" in complaint]
    check_axe(page)
