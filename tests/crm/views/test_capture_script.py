"""The script for web sites as it is served, and the cookie of this server that outlives Safari's seven days."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm import attribution
from crm.actions import people
from crm.models import Company, Lead, WebForm
from crm.snippet import MOST_BYTES
from tests.crm.views.test_capture import JANE, SITE, touch


@pytest.fixture
def form(company: Company) -> WebForm:
    key = people.create_api_key(company, "Contact", ["capture"])
    form = WebForm.objects.create(company=company, key=key.row, name="Contact", allowed_origins=[SITE])
    form.base = f"/capture/{key.secret}"  # type: ignore[attr-defined]
    return form


@pytest.fixture
def base(form: WebForm) -> str:
    return str(form.base)  # type: ignore[attr-defined]


def test_the_script_is_small_as_it_is_served(form: WebForm, base: str) -> None:
    form.waits_for_consent, form.conversion_id = True, "9" * 18
    form.save()
    answer = Client().get(f"{base}.js")
    assert len(answer.content) <= MOST_BYTES
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "public" in answer.headers["Cache-Control"]
    assert not answer.cookies


def test_the_script_needs_nothing_from_elsewhere(base: str) -> None:
    text = Client().get(f"{base}.js").content.decode()
    assert "http" not in text
    assert "import" not in text
    assert "document.cookie =" not in text


def test_the_script_says_what_the_form_says(form: WebForm, base: str) -> None:
    assert Client().get(f"{base}.js").content.decode().endswith('{"w":0,"c":0});')
    form.waits_for_consent, form.conversion_id = True, "23948811"
    form.save()
    assert Client().get(f"{base}.js").content.decode().endswith('{"w":1,"c":23948811});')


@pytest.mark.parametrize("end", ["", "?v=1.2"])
def test_the_script_knows_where_it_came_from_whatever_the_host_is_called(base: str, end: str) -> None:
    text = Client().get(f"{base}.js").content.decode()
    found = re.search(r'\.src\.replace\(/(.+?)/,"/"\)', text)
    assert found is not None
    src = f"https://crm.jsmith.test{base}.js{end}"
    assert re.sub(found[1], "/", src, count=1) == f"https://crm.jsmith.test{base}/"


@pytest.mark.parametrize("key", ["lm_" + "a" * 36, "x"])
def test_there_is_no_script_for_a_key_that_is_not(db: None, key: str) -> None:
    assert Client().get(f"/capture/{key}.js").status_code == 404


def tell(client: Client, base: str, body: object, **headers: str) -> Any:
    """As the script does: text, so that the browser asks nobody first."""
    headers = {"Origin": SITE, **headers}
    return client.post(f"{base}/touch/", json.dumps(body), "text/plain;charset=UTF-8", headers=headers)


def test_the_server_s_cookie_is_its_own_and_for_this_key_alone(base: str) -> None:
    client = Client()
    answer = tell(client, base, {"first": touch(0, li_fat_id="click")})
    assert answer.status_code == 204
    cookie = answer.cookies["leadmachine"]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", f"{base}/", "")
    assert cookie["max-age"] >= 365 * 24 * 3600
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_what_the_server_kept_comes_back_with_the_form(base: str) -> None:
    client = Client()
    tell(client, base, {"first": touch(35, li_fat_id="click", utm_campaign="spring")})
    tell(client, base, {"last": touch(31, utm_campaign="summer"), "first": touch(31, utm_campaign="summer")})
    today = {**JANE, "first_touch": json.dumps(touch(0, landing_page=f"{SITE}/"))}
    client.post(f"{base}/", json.dumps(today), "text/plain", headers={"Origin": SITE})
    lead = Lead.objects.get()
    assert lead.first_touch["utm_campaign"] == "spring"
    assert (lead.utm_campaign, lead.li_fat_id) == ("summer", "click")


def test_an_empty_word_takes_the_cookie_away(base: str) -> None:
    client = Client()
    tell(client, base, {"first": touch(1, utm_source="a")})
    assert tell(client, base, {}).cookies["leadmachine"].value == ""


def test_a_site_that_is_not_allowed_gets_no_cookie(base: str) -> None:
    answer = tell(Client(), base, {"first": touch(1, utm_source="a")}, Origin="https://evil.test")
    assert answer.status_code == 403
    assert not answer.cookies


@pytest.mark.parametrize("value", ["", "x", "%%%", "e30", base64.b64encode(b"[1]").decode(), "A" * 5000])
def test_a_cookie_that_cannot_be_read_is_nothing(base: str, value: str) -> None:
    client = Client()
    client.cookies["leadmachine"] = value
    assert client.post(f"{base}/", JANE).status_code == 200
    assert Lead.objects.get().first_touch == {}


def test_the_longest_journey_fits_into_a_cookie() -> None:
    now = timezone.now()
    said = {name: "ä" * 2000 for name in attribution.FIELDS if name != "li_fat_id"} | {"li_fat_id": "c" * 300}
    touches = [
        attribution.touch_from({**said, "at": (now - timedelta(days=n)).isoformat()}, now) for n in (9, 1)
    ]
    journey = attribution.journey_of(touches)
    assert journey is not None
    text = attribution.packed(journey)
    assert 0 < len(text) < 3700
    back = attribution.journey_of(attribution.unpacked(text, now))
    assert back is not None
    assert back.click is not None
    assert back.click.said["li_fat_id"] == "c" * 300
