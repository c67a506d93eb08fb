"""Finds Chromium for the browser tests; without one, skips them with a banner that cannot be missed.

Under E2E=require a missing Chromium is an error instead.
"""

import os
import shutil
from collections.abc import Sequence

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Debian's Chromium under test: no sandbox as root, and nothing that calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]

_SKIPPED = pytest.StashKey[int]()


def find_chromium() -> str | None:
    """Where Chromium is: CHROMIUM, or the first of its usual names on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    browser_items = [item for item in items if item.get_closest_marker("browser")]
    if not browser_items or find_chromium():
        return
    if os.environ.get("E2E") == "require":
        raise pytest.UsageError(
            "E2E=require, but Chromium is missing. Install it, as .ci/run does, or set CHROMIUM."
        )
    config.stash[_SKIPPED] = len(browser_items)
    for item in browser_items:
        item.add_marker(pytest.mark.skip(reason="Chromium is missing"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = config.stash.get(_SKIPPED, 0)
    if not skipped:
        return
    terminalreporter.section("BROWSER TESTS WERE NOT RUN", sep="!", red=True, bold=True)
    terminalreporter.line(f"{skipped} browser tests were skipped: Chromium is missing.", red=True, bold=True)
    terminalreporter.line(
        "Install it (`apt install chromium`) or set CHROMIUM, and run again. `.ci/run` requires it."
    )
