"""60 pieces of hostile markup in every text, every page looked at in Chromium: none runs, and the policy is quiet."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.planting import PAYLOADS
from tests.chaos.running import ROOT, Installation, installation
from tests.test_walls import BY_KEY, ID, NOUNS, WITHOUT_ID, routes

pytestmark = pytest.mark.browser

# Counted from the first line of a page on: what ran, and what the policy stopped.
WATCH = """
window.ran = []; window.stopped = [];
window.xss = (n) => window.ran.push(n);
document.addEventListener('securitypolicyviolation',
    (event) => window.stopped.push(event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sample));
"""
# What must not be in a page even if it never runs: handlers, addresses that are programs, elements of nobody's making.
LOOK = """() => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    for (const {name, value} of element.attributes) {
      if (/^(on|hx-on|data-hx-on)/.test(name)) found.push(element.tagName + ' ' + name);
      if (['href', 'src', 'action', 'formaction', 'data', 'xlink:href', 'srcdoc'].includes(name)
          && (/^\\s*(javascript|vbscript|data):/i.test(value.replace(/[\\t\\n\\r]/g, '')) || name === 'srcdoc'))
        found.push(element.tagName + ' ' + name + '=' + value.slice(0, 60));
    }
  }
  for (const tag of ['iframe', 'object', 'embed', 'marquee', 'math', 'base', 'video', 'audio'])
    if (document.querySelector(tag)) found.push(tag);
  for (const style of document.querySelectorAll('style'))  // a page that stands alone has one of its own
    if (style.textContent.includes('xss(')) found.push('style');
  return {ran: window.ran, stopped: window.stopped, found};
}"""
# Pages of which there are many and whose answer is known to be a page.
_RECORD = re.compile(r"/(leads|deals)/[0-9a-f-]{36}/(edit/)?$")
KEEP = ("account_logout", "settings_sessions_end")


@dataclass
class Seen:
    """What happened on the pages that were looked at."""

    pages: int = 0
    with_markup: int = 0
    bad: list[str] = field(default_factory=list)

    def look(self, page: Page, url: str) -> None:
        if not _RECORD.search(url) and page.request.get(url, max_redirects=0).status == 405:
            return  # it takes a POST and shows nothing
        answer = page.goto(url)
        told = page.evaluate(LOOK)
        self.pages += 1
        self.with_markup += "xss(" in page.content()
        self.bad += [f"{url} {name}: {told[name]}" for name in ("ran", "stopped", "found") if told[name]]
        if answer is not None and answer.status >= 500:
            self.bad.append(f"{url} answered {answer.status}")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, dict[str, Any]]]:
    """An installation full of it. LinkedIn is out of reach, so what is kept of each attempt is shown, too."""
    with installation(tmp_path_factory.mktemp("xss"), "http://127.0.0.1:9/rest") as running:
        done = subprocess.run(
            [sys.executable, "-m", "tests.browser.planting"],
            cwd=ROOT,
            env={**running.environment, "DJANGO_SETTINGS_MODULE": "leadmachine.settings"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        yield running, json.loads(done.stdout.splitlines()[-1])


def _browse(browser: Browser, url: str, session: str, seen: Seen) -> tuple[BrowserContext, Page]:
    context = browser.new_context()
    context.add_init_script(WATCH)
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = context.new_page()
    page.on("dialog", lambda dialog: (seen.bad.append(f"dialog {dialog.message}"), dialog.dismiss()))
    return context, page


def test_the_watch_sees_markup_that_runs(page: Page) -> None:
    page.add_init_script(WATCH)
    page.goto("about:blank")
    page.set_content(f"<p>{PAYLOADS[20]}{PAYLOADS[39]}</p>")
    told = page.evaluate(LOOK)
    assert told["ran"] == [21]
    assert len(told["found"]) == 2


def test_no_payload_runs_anywhere(browser: Browser, hostile: tuple[Installation, dict[str, Any]]) -> None:
    running, planted = hostile
    assert len(PAYLOADS) == len(set(PAYLOADS)) == 60
    seen = Seen()
    context, page = _browse(browser, running.url, planted["owner"], seen)
    for path in _paths(planted):
        seen.look(page, running.url + path)
    context.close()
    for session in planted["named"]:  # their own names and their companies' stand on every page's frame
        context, page = _browse(browser, running.url, session, seen)
        seen.look(page, running.url + "/")
        context.close()
    print(f"{seen.pages} pages, {seen.with_markup} with payloads in them; {len(seen.bad)} findings.")
    assert seen.bad == []
    assert seen.with_markup > 250


def _paths(planted: dict[str, Any]) -> Iterator[str]:
    """Every page of the product: each lead and deal, their forms, and all others at least once."""
    for route, name in routes():
        if name.startswith("api-") or name in KEEP or name in BY_KEY:
            continue
        if name in WITHOUT_ID or not ("<" in route or "(?P" in route):
            yield "/" + route.replace(".*", "nowhere")
        elif noun := _noun(name):
            some = planted[noun] if name in ("lead", "deal", "lead_edit", "deal_edit") else planted[noun][:3]
            yield from ("/" + ID.sub(pk, route) for pk in some)
    # Lists in other shapes, searches and filters that repeat what was typed.
    for query in (
        "?view=all",
        "?view=list",
        "?search=<script>xss(1)</script>",
        "?sort=%22%3E<svg onload=xss(2)>",
    ):
        for place in ("/leads/", "/deals/", "/linkedin/events/"):
            yield place + query
    yield from ("/nowhere/<script>xss(3)</script>", "/accounts/login/?next=javascript:xss(4)")
    for model in (
        "crm/lead",
        "crm/deal",
        "crm/membership",
        "crm/company",
        "capi/rule",
        "capi/conversionevent",
    ):
        yield f"/admin/{model}/"
    for n in range(0, 60, 12):
        yield f"/admin/crm/lead/{planted['lead'][n]}/change/"
        yield f"/admin/crm/deal/{planted['deal'][n]}/change/"


def _noun(name: str) -> str:
    """Whose id a route takes, of those that were planted."""
    known = max((prefix for prefix in NOUNS if name.startswith(prefix)), key=len, default="")
    noun = NOUNS.get(known, "")
    return noun if noun in ("lead", "deal", "rule", "conversionevent") else ""
