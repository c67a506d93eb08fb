"""What other systems send, in the shapes that they send it in; the recipes in docs/recipes are these."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client

from crm.actions import people
from crm.models import Activity, Company, Lead, Submission
from crm.tenancy import company_scope
from leadmachine.env import REPOSITORY
from tests.factories import CompanyFactory, LeadFactory


@pytest.fixture
def url(company: Company) -> str:
    return f"/capture/{people.create_api_key(company, 'Server', ['capture']).secret}/"


def send(url: str, body: object) -> Any:
    answer = Client().post(url, json.dumps(body), "application/json")
    assert answer.status_code == 200, answer.content
    return answer


SGTM = {
    "event_name": "generate_lead",
    "event_id": "1763000000.42",
    "client_id": "ABC_123",
    "page_location": "https://www.acme.test/contact?li_fat_id=click&utm_source=linkedin&utm_campaign=spring",
    "page_referrer": "https://www.linkedin.com/",
    "page_title": "Contact",
    "user_agent": "Mozilla/5.0",
    "ip_override": "203.0.113.4",
    "value": 120,
    "currency": "EUR",
    "user_data": {
        "email_address": "jane@customer.test",
        "phone_number": "+49301234",
        "address": [{"first_name": "Jane", "last_name": "Roe", "country": "DE", "city": "Berlin"}],
    },
    "consent_state": {"ad_storage": True, "analytics_storage": True},
}


def test_server_side_tag_manager(url: str) -> None:
    send(f"{url}track/", SGTM)
    lead = Lead.objects.get()
    assert (lead.full_name, lead.email, lead.country_code) == ("Jane Roe", "jane@customer.test", "DE")
    assert (lead.li_fat_id, lead.utm_campaign) == ("click", "spring")
    assert (lead.browser_event_id, lead.consent) == ("1763000000.42", "granted")
    assert lead.landing_page == "https://www.acme.test/contact"
    assert Activity.objects.get(lead=lead, kind="note").text == "generate_lead: 120 EUR"


def hashed(address: str) -> dict[str, Any]:
    person = {"sha256_email_address": sha256(address.encode()).hexdigest()}
    return {"event": "generate_lead", "user_data": person, "li_fat_id": "later", "event_id": "e-2"}


def test_a_hash_finds_who_is_known(url: str, company: Company) -> None:
    known = LeadFactory(company=company, email="Jane@customer.test")
    send(f"{url}track/", hashed("jane@customer.test"))
    known.refresh_from_db()
    assert known.li_fat_id == "later"
    assert Lead.objects.count() == 1


def test_a_hash_of_somebody_else_is_answered_alike_and_makes_nobody(url: str, company: Company) -> None:
    LeadFactory(company=company, email="jane@customer.test")
    assert send(f"{url}track/", hashed("joe@customer.test")).json() == {"received": True}
    assert Lead.objects.count() == 1
    assert Submission.objects.get().reason == "nobody_known"


def test_hashes_are_looked_up_so_many_a_minute_from_wherever(url: str, settings: Any) -> None:
    settings.CAPTURE_IP_RATE = 2
    bodies = [json.dumps(hashed(f"{number}@customer.test")) for number in range(3)]
    answers = [
        Client().post(f"{url}track/", body, "application/json", REMOTE_ADDR=f"203.0.113.{number}")
        for number, body in enumerate(bodies)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert Client().post(f"{url}track/", json.dumps(SGTM), "application/json").status_code == 200


@pytest.mark.parametrize("event", ["page_view", "Session Start", "scroll"])
def test_nobody_becomes_a_lead_by_looking_round(url: str, event: str) -> None:
    send(f"{url}track/", {**SGTM, "event_name": event})
    assert not Lead.objects.exists()


def test_segment(url: str) -> None:
    send(
        f"{url}track/",
        {
            "type": "track",
            "event": "Lead Captured",
            "messageId": "ajs-1",
            "anonymousId": "a",
            "userId": "u",
            "timestamp": "2026-11-20T10:00:00.000Z",
            "context": {
                "ip": "203.0.113.4",
                "page": {"url": "https://www.acme.test/demo?li_fat_id=click", "referrer": "https://s.test/"},
                "campaign": {"name": "spring", "source": "linkedin", "medium": "cpc"},
                "traits": {"email": "jane@customer.test", "firstName": "Jane", "plan": "pro"},
            },
            "properties": {"last_name": "Roe", "company": "Roe Ltd", "value": "9.50", "currency": "EUR"},
        },
    )
    lead = Lead.objects.get()
    assert (lead.full_name, str(lead.organization)) == ("Jane Roe", "Roe Ltd")
    assert (lead.li_fat_id, lead.utm_campaign, lead.utm_medium) == ("click", "spring", "cpc")
    assert lead.browser_event_id == "ajs-1"


RECIPES = sorted(path for path in (REPOSITORY / "docs" / "recipes").glob("*.md") if path.stem != "README")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_a_recipe_works_against_a_running_installation(live_server: Any, recipe: Path) -> None:
    company = CompanyFactory(name="Acme")
    with company_scope(company):
        secret = people.create_api_key(company, recipe.stem, ["capture"]).secret
    text = recipe.read_text(encoding="utf-8")
    kind, body = re.findall(r"^```(json|form)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    path = re.findall(r"/capture/\{key\}/(?:track/)?", text)[0].replace("{key}", secret)
    types = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
    headers = {"Content-Type": types[kind]}
    answer = requests.post(live_server.url + path, body.strip().encode(), headers=headers, timeout=30)
    assert (answer.status_code, answer.json()) == (200, {"received": True}), answer.text
    with company_scope(company):
        lead = Lead.objects.get()
        assert (lead.full_name, lead.email, lead.li_fat_id) == ("Jane Roe", "jane@customer.test", "click")


HOSTILE: list[Any] = [
    {},
    {"event": 7, "user_data": [], "properties": "x", "context": 1},
    {"user_data": {"sha256_email_address": ["x"], "address": [1]}},
    {"payload": {"data": {"Email": {"a": 1}}}},
    {"properties": {"email": {"value": ["x"]}}},
    {"event": "x", "page_location": "https://[", "email": "no"},
    {"event": "x", "value": True, "email": "a\x00@b.test"},
    {"event": "x" * 5000, "value": "y" * 5000, "user_data": {"address": {"first_name": "z" * 5000}}},
]


@pytest.mark.parametrize("body", HOSTILE, ids=[str(body)[:40] for body in HOSTILE])
def test_what_makes_no_sense_is_refused_by_its_kind(url: str, body: Any) -> None:
    answer = Client().post(f"{url}track/", json.dumps(body), "application/json")
    assert answer.status_code == 400
    assert answer.json()["type"] == "validation_error"
    assert not Lead.objects.exists()
