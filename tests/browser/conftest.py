"""A real installation and a real browser; nothing leaves this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.hands import WAYS, Hand, hand_of
from tests.browser.watch import watched
from tests.chaos.running import Installation, installation, wait_for
from tests.plugins.chromium import ARGUMENTS, find_chromium

_LOGIN = re.compile(r"Sign in as (\S+) with the password (\S+)")


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    """Without service workers, which would ask for pages behind the guard's back; test_install has its own."""
    return {**browser_context_args, "service_workers": "block"}


@dataclass(frozen=True)
class Demo:
    """The sample company, as `make run` shows it."""

    url: str
    email: str
    password: str


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """The system's Chromium: Playwright's own download is not used."""
    return {**browser_type_launch_args, "executable_path": find_chromium(), "args": ARGUMENTS}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`up` with its demo company, for the whole session."""
    with installation(tmp_path_factory.mktemp("demo"), "http://127.0.0.1:9/rest", demo=True) as running:
        found = next(filter(None, map(_LOGIN.search, _lines(running))))
        yield Demo(running.url, found[1], found[2])


def _lines(running: Installation) -> list[str]:
    wait_for(lambda: any(map(_LOGIN.search, running.output)), 30, "the demo login")
    return running.output


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that may only speak to this machine, and whose console must stay clean."""
    with watched(context) as page:
        yield page


@pytest.fixture
def signed_in(page: Page, demo: Demo) -> Page:
    """The demo's owner, on the home page."""
    sign_in(page, demo.url, demo.email, demo.password)
    return page


@pytest.fixture(scope="module", params=WAYS)
def hand(request: pytest.FixtureRequest, browser: Browser, demo: Demo) -> Iterator[Hand]:
    """The demo's owner by mouse, by keyboard alone, and without JavaScript; signed in once for the whole file."""
    with hand_of(browser, request.param, demo.url) as hand:
        hand.go("/accounts/login/")
        hand.sign_in(demo.email, demo.password)
        yield hand


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    """Sign in as a person does."""
    page.goto(f"{url}/accounts/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{url}/")


def check_axe(page: Page) -> None:
    """No violation of the rules that axe knows."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Where screenshots go: docs/img if SCREENSHOTS is set (`make screenshots`), else a temporary folder."""
    if os.environ.get("SCREENSHOTS"):
        folder = pytestconfig.rootpath / "docs" / "img"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    return tmp_path_factory.mktemp("pictures")
