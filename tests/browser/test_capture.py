"""A visitor of a web site in Chromium: lands by an ad, comes back a month later, sends the form, and buys."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from capi.sandbox.running import RunningSandbox, running_sandbox
from capi.sandbox.world import SANDBOX_TOKEN
from tests.browser.conftest import check_axe, sign_in
from tests.chaos.running import Installation, installation, wait_for, with_company

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Site</title><link rel="icon" href="data:,">
<script>function lintrk() {{ (window.told = window.told || []).push([...arguments]); }}</script>
<script src="{script}"></script>
<main><h1>Site</h1><a href="/pricing">Pricing</a> <a href="/contact">Contact</a>
<form id="own" action="{action}" method="post" data-leadmachine data-thanks="Thank you.">
<label>Name <input name="name"></label><label>E-mail <input name="email"></label>
<input type="hidden" name="li_fat_id"><input type="hidden" name="event_id"><button>Send</button></form></main></html>"""


class Website:
    """A site of the company's on this machine, on a port of its own."""

    def __init__(self) -> None:
        self.page = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.page.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Website]:
    website = Website()
    yield website
    website.server.shutdown()
    website.server.server_close()


@pytest.fixture(scope="module")
def linkedin() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory, linkedin: RunningSandbox) -> Iterator[Installation]:
    """A company with a token and two rules, for the whole file; each test makes a form of its own."""
    with installation(tmp_path_factory.mktemp("crm"), linkedin.url) as running:
        with_company(running)
        running.call("PUT", "capi/connection/", token=SANDBOX_TOKEN)
        for event, number in (("lead_created", "23948811"), ("deal_won", "23948817")):
            running.call("POST", "capi/rules/", name=event, event=event, conversion_id=number)
        yield running


def make_form(page: Page, crm: Installation, site: Website) -> None:
    """As an administrator does it, and with what the page says to embed."""
    sign_in(page, crm.url, "a@acme.test", "a-long-enough-password")
    page.goto(f"{crm.url}/settings/forms/")
    page.get_by_label("Name").fill("Contact")
    page.get_by_role("button", name="Make form").click()
    page.get_by_label("Sites that may post").fill(site.url)
    page.get_by_label("Conversion for the Insight Tag").fill("23948811")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".toast").first).to_be_visible()
    check_axe(page)
    code = page.locator("#code-script").inner_text()
    script = code.split('"')[1]
    site.page = PAGE.format(script=script, action=script.removesuffix(".js") + "/")


def visit(page: Page, url: str) -> None:
    """A page, until the server has kept how the visitor came."""
    with page.expect_response(lambda answer: answer.url.endswith("/touch/")) as kept:
        page.goto(url)
    assert kept.value.status == 204


def test_a_click_on_an_ad_is_remembered_until_the_deal_is_won(
    page: Page, crm: Installation, site: Website
) -> None:
    make_form(page, crm, site)
    month_ago = datetime.now(UTC) - timedelta(days=31)
    page.clock.set_fixed_time(month_ago)
    visit(page, f"{site.url}/?li_fat_id=click-1&utm_source=linkedin&utm_campaign=spring")
    page.get_by_role("link", name="Pricing").click()
    page.get_by_role("link", name="Contact").click()
    assert page.locator("[name=li_fat_id]").input_value() == "click-1"

    page.evaluate("localStorage.clear(); document.cookie = 'li_fat_id=; max-age=0'")  # as Safari does
    page.clock.set_fixed_time(datetime.now(UTC))
    visit(page, f"{site.url}/contact?utm_source=newsletter&utm_campaign=autumn")
    assert page.locator("[name=li_fat_id]").input_value() == ""
    page.get_by_label("Name").fill("Jane Roe")
    page.get_by_label("E-mail").fill("jane@customer.test")
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(seconds=3))  # nobody is quicker
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#own")).to_have_text("Thank you.")

    lead = crm.call("GET", "leads/?email=jane@customer.test")["results"][0]
    assert lead["attribution"]["utm_campaign"] == "autumn"
    assert lead["attribution"]["li_fat_id"] == "click-1"

    [[verb, told]] = page.evaluate("window.told")
    assert (verb, told["conversion_id"]) == ("track", 23948811)
    created = crm.call("GET", f"capi/events/?lead={lead['id']}&event=lead_created")["results"][0]
    assert created["event_id"] == told["event_id"]

    deal = crm.call("POST", "deals/", title="Roe", amount="100.00", currency="EUR", lead=lead["id"])
    crm.call("POST", f"deals/{deal['id']}/win/")
    won = crm.call("GET", f"capi/events/?deal={deal['id']}&event=deal_won")["results"][0]
    crm.call("POST", f"capi/events/{won['id']}/send-now/")
    wait_for(lambda: event(crm, won["id"])["status"] == "accepted", 30, "LinkedIn's word")
    ids = {one["idType"]: one["idValue"] for one in event(crm, won["id"])["element"]["user"]["userIds"]}
    assert ids["LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID"] == "click-1"
    page.goto(f"{crm.url}/leads/{lead['id']}/")
    expect(page.locator("#about")).to_contain_text(f"spring {month_ago.day} {month_ago:%b}")
    expect(page.locator("#about")).to_contain_text("autumn")


def test_a_form_sent_twice_at_once_is_one_event_for_the_tag(
    page: Page, crm: Installation, site: Website
) -> None:
    make_form(page, crm, site)
    page.context.clear_cookies()
    page.clock.set_fixed_time(datetime.now(UTC))
    page.goto(site.url)
    page.get_by_label("E-mail").fill("twice@customer.test")
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(seconds=3))
    page.locator("#own").evaluate("form => { form.requestSubmit(); form.requestSubmit(); }")
    page.wait_for_function("window.told && window.told.length == 2")
    lead = crm.call("GET", "leads/?email=twice@customer.test")["results"][0]
    [created] = crm.call("GET", f"capi/events/?lead={lead['id']}&event=lead_created")["results"]
    assert {told["event_id"] for _verb, told in page.evaluate("window.told")} == {created["event_id"]}


def test_our_form_in_a_frame_is_told_how_the_visitor_came(
    page: Page, crm: Installation, site: Website
) -> None:
    make_form(page, crm, site)
    page.context.clear_cookies()
    base = site.page.partition('action="')[2].partition('"')[0]
    site.page += f'<iframe src="{base}embed/?lang=de" title="Kontakt"></iframe>'
    page.goto(f"{site.url}/?li_fat_id=click-9&utm_campaign=spring")
    frame = page.frame_locator("iframe")
    expect(frame.locator("[name=li_fat_id]")).to_have_value("click-9")
    expect(frame.locator("[name=utm_campaign]")).to_have_value("spring")
    expect(frame.locator("html")).to_have_attribute("lang", "de")


def test_nothing_is_kept_before_the_visitor_agrees(page: Page, crm: Installation, site: Website) -> None:
    make_form(page, crm, site)
    page.get_by_label("Keep nothing in the browser").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".toast").first).to_be_visible()
    context = page.context
    context.clear_cookies()
    page.goto(f"{site.url}/?li_fat_id=click-2")
    page.wait_for_timeout(300)
    assert page.evaluate("localStorage.length") == 0
    assert context.cookies() == []
    with page.expect_response(lambda answer: answer.url.endswith("/touch/")):
        page.evaluate("leadmachine.consent(true)")
    assert json.loads(page.evaluate("localStorage.leadmachine"))["click"]["li_fat_id"] == "click-2"
    assert [cookie["name"] for cookie in context.cookies()] == ["leadmachine"]
    page.evaluate("leadmachine.consent(false)")
    page.wait_for_timeout(500)
    assert page.evaluate("localStorage.length") == 0
    assert context.cookies() == []


def test_the_tag_s_cookie_counts_where_the_address_says_nothing(
    page: Page, crm: Installation, site: Website
) -> None:
    make_form(page, crm, site)
    page.context.clear_cookies()
    page.goto(site.url)
    page.evaluate("document.cookie = 'li_fat_id=from%2Dtag'")
    page.goto(f"{site.url}/contact")
    expect(page.locator("[name=li_fat_id]")).to_have_value("from-tag")
    page.goto(f"{site.url}/contact?li_fat_id=from-address")
    expect(page.locator("[name=li_fat_id]")).to_have_value("from-address")


def test_the_hosted_form_is_accessible_and_fits_a_telephone(
    page: Page, crm: Installation, site: Website
) -> None:
    make_form(page, crm, site)
    form = page.get_by_role("link", name="See the form").get_attribute("href")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{form}?lang=de")
        check_axe(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def event(crm: Installation, pk: str) -> dict[str, Any]:
    return crm.call("GET", f"capi/events/{pk}/")
