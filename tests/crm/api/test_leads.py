"""`leads/`: what goes in comes out, what is wrong is refused by name, and nobody sees another's people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import Activity, Company, Lead, Tag, User
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db

LEADS = "/api/v1/leads/"
ERIKA: dict[str, Any] = {
    "first_name": "Erika",
    "last_name": "Mustermann",
    "emails": [
        {"email": "Erika@Customer.test", "label": "work"},
        {"email": "erika@home.test", "label": "private"},
    ],
    "phones": [{"number": "+49 30 123456", "label": "office"}],
    "title": "Head of Sales",
    "organization": "Customer Ltd",
    "country_code": "DE",
    "status": "qualified",
    "type": "demo-request",
    "source": "Fair",
    "owner": "alice@acme.test",
    "tags": ["VIP", "From the fair"],
    "custom": {},
    "consent": "granted",
    "external_id": "crm-17",
    "occurred_at": "2026-01-20T13:02:11+01:00",
    "is_test": False,
    "attribution": {
        "li_fat_id": "0f0f-1",
        "li_fat_id_captured_at": "2026-01-20T12:00:00Z",
        "utm_source": "linkedin",
        "utm_medium": "cpc",
        "utm_campaign": "spring",
        "utm_term": "crm",
        "utm_content": "ad-1",
        "referrer": "https://www.linkedin.com/",
        "landing_page": "https://acme.test/demo",
        "event_id": "browser-1",
        "lead_gen_response": "abc-123",
    },
}


@pytest.fixture
def api(company: Company, owner: User, api_of: Callable[..., Client]) -> Client:
    return api_of(company)


def post(api: Client, body: Any, **headers: str) -> Any:
    return api.post(LEADS, body, content_type="application/json", headers=headers)


def patch(api: Client, lead: Any, body: Any) -> Any:
    return api.patch(f"{LEADS}{lead}/", body, content_type="application/json")


def attrs(response: Any) -> list[str]:
    assert response.status_code == 400, response.content
    assert response.json()["type"] in ("validation_error", "client_error")
    return [error["attr"] for error in response.json()["errors"]]


def test_everything_said_of_a_lead_comes_back(api: Client) -> None:
    response = post(api, ERIKA)
    assert response.status_code == 201, response.content
    shown = response.json()
    expected = ERIKA | {
        "email": "Erika@customer.test",
        "emails": [{"email": "Erika@customer.test", "label": "work"}, ERIKA["emails"][1]],
        "occurred_at": "2026-01-20T12:02:11Z",
        "tags": ["From the fair", "VIP"],
    }
    assert {name: shown[name] for name in expected} == expected
    assert set(shown) - set(expected) == {"id", "created_at", "updated_at"}
    assert api.get(f"{LEADS}{shown['id']}/").json() == shown


def test_a_lead_takes_the_defaults_of_the_company(api: Client) -> None:
    shown = post(api, {"first_name": "Max", "email": "max@customer.test"}).json()
    assert (shown["status"], shown["source"], shown["owner"]) == ("new", "Web form", "alice@acme.test")
    assert (shown["type"], shown["consent"], shown["phones"]) == (None, "unknown", [])
