"""`leads/`: what goes in comes out, what is wrong is refused by name, and nothing is written by halves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from crm.models import Activity, Company, Lead, Organization, Tag, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db

ERIKA: dict[str, Any] = {
    "first_name": "Erika",
    "last_name": "Mustermann",
    "emails": [
        {"email": "Erika@customer.test", "label": "work"},
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
    "tags": ["From the fair", "VIP"],
    "custom": {},
    "consent": "granted",
    "consent_source": "fair in Hall 3",
    "consent_text_version": "2026-01",
    "consent_at": "2026-01-20T12:01:00Z",
    "external_id": "crm-17",
    "occurred_at": "2026-01-20T12:02:11Z",
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
MAX = {"first_name": "Max", "email": "max@customer.test"}


# ── Create and read ────────────────────────────────────────────────────────────────────────────────────


def test_everything_said_of_a_lead_comes_back(api: Api) -> None:
    response = api.post("leads/", ERIKA)
    assert response.status_code == 201, response.content
    shown = response.json()
    expected = ERIKA | {"email": "Erika@customer.test"}
    assert {name: shown[name] for name in expected} == expected
    assert set(shown) - set(expected) == {"id", "created_at", "updated_at"}
    assert api.get(f"leads/{shown['id']}/").json() == shown


def test_a_lead_takes_the_defaults_of_the_company(api: Api) -> None:
    shown = api.post("leads/", MAX).json()
    assert (shown["status"], shown["source"], shown["owner"]) == ("new", "Web form", "alice@acme.test")
    assert (shown["type"], shown["consent"], shown["phones"]) == (None, "unknown", [])
    assert shown["attribution"]["li_fat_id_captured_at"] is None


def test_the_timeline_names_the_key(api: Api) -> None:
    api.post("leads/", MAX)
    assert Activity.objects.get().actor_label == "API key Tests"


def test_a_phone_may_be_a_number_alone(api: Api) -> None:
    assert api.post("leads/", MAX | {"phones": ["030 1"]}).json()["phones"] == [
        {"number": "030 1", "label": ""}
    ]


def test_a_time_up_to_five_minutes_ahead_becomes_now(api: Api) -> None:
    soon = (timezone.now() + timedelta(minutes=4)).isoformat()
    occurred_at = datetime.fromisoformat(
        api.post("leads/", MAX | {"occurred_at": soon}).json()["occurred_at"]
    )
    assert occurred_at <= datetime.now(UTC)


def test_a_lead_is_in_no_cache(api: Api) -> None:
    lead = api.post("leads/", MAX)
    assert lead.headers["Cache-Control"] == "no-store"


# ── Change ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_leaves_what_it_does_not_name(api: Api, method: str) -> None:
    before = api.post("leads/", ERIKA).json()
    after = getattr(api, method)(
        f"leads/{before['id']}/", {"title": "CEO", "attribution": {"utm_term": ""}}
    ).json()
    assert after["title"] == "CEO"
    assert after["attribution"] == before["attribution"] | {"utm_term": ""}
    unchanged = set(before) - {"title", "attribution", "updated_at"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_email_replaces_the_primary_address_and_emails_all(api: Api) -> None:
    lead = api.post("leads/", ERIKA).json()["id"]
    shown = api.patch(f"leads/{lead}/", {"email": "new@customer.test"}).json()
    assert [entry["email"] for entry in shown["emails"]] == ["new@customer.test", "erika@home.test"]
    shown = api.patch(f"leads/{lead}/", {"emails": [{"email": "only@customer.test"}]}).json()
    assert shown["emails"] == [{"email": "only@customer.test", "label": ""}]
    assert api.patch(f"leads/{lead}/", {"email": ""}).json()["emails"] == []


def test_the_type_and_the_owner_can_be_taken_away(api: Api) -> None:
    lead = api.post("leads/", ERIKA).json()["id"]
    shown = api.patch(f"leads/{lead}/", {"type": None, "owner": None, "organization": ""}).json()
    assert (shown["type"], shown["owner"], shown["organization"]) == (None, None, "")


def test_when_somebody_became_a_lead_is_said_once(api: Api) -> None:
    lead = api.post("leads/", ERIKA).json()["id"]
    assert api.patch(f"leads/{lead}/", {"occurred_at": ERIKA["occurred_at"]}).status_code == 200
    assert attrs(api.patch(f"leads/{lead}/", {"occurred_at": "2026-01-21T12:02:11Z"})) == ["occurred_at"]


def test_a_deleted_lead_is_archived(api: Api) -> None:
    lead = api.post("leads/", ERIKA).json()["id"]
    assert api.delete(f"leads/{lead}/").status_code == 204
    assert code(api.get(f"leads/{lead}/"), 404) == "not_found"
    assert code(api.delete(f"leads/{lead}/"), 404) == "not_found"
    assert api.get("leads/").json()["results"] == []
    assert Lead.objects.get().is_archived


# ── A known external id ────────────────────────────────────────────────────────────────────────────────


def test_a_post_with_a_known_external_id_updates(api: Api) -> None:
    first = api.post("leads/", ERIKA).json()
    second = api.post(
        "leads/", {"external_id": "crm-17", "title": "CEO", "occurred_at": "2026-02-01T00:00:00Z"}
    )
    assert second.status_code == 200
    assert (second.json()["id"], second.json()["title"]) == (first["id"], "CEO")
    assert second.json()["occurred_at"] == first["occurred_at"]
    assert Lead.objects.count() == 1


def test_an_archived_leads_external_id_is_free(api: Api) -> None:
    first = api.post("leads/", ERIKA).json()["id"]
    api.delete(f"leads/{first}/")
    again = api.post("leads/", {**ERIKA, "attribution": {}})
    assert again.status_code == 201
    assert again.json()["id"] != first


def test_an_external_id_can_not_be_taken_over(api: Api) -> None:
    api.post("leads/", ERIKA)
    other = api.post("leads/", MAX).json()["id"]
    assert attrs(api.patch(f"leads/{other}/", {"external_id": "crm-17"})) == ["external_id"]


def test_another_companys_external_id_is_its_own(api: Api, other_company: Company, caller_of: Any) -> None:
    api.post("leads/", ERIKA)
    theirs = caller_of(other_company).post("leads/", MAX | {"external_id": "crm-17"})
    assert theirs.status_code == 201


# ── Bad input ──────────────────────────────────────────────────────────────────────────────────────────

BAD: list[tuple[str, object]] = [
    ("first_name", 5),
    ("first_name", None),
    ("first_name", ["Max"]),
    ("first_name", "x" * 81),
    ("first_name", "nul \x00 byte"),
    ("last_name", "lone \ud800 surrogate"),
    ("title", "x" * 121),
    ("organization", "x" * 161),
    ("organization", {"name": "Customer"}),
    ("country_code", "DEU"),
    ("country_code", "ZZ"),
    ("email", "max"),
    ("email", "max@"),
    ("email", "max@customer@test"),
    ("email", "max@customer.test\r\nBcc: all@customer.test"),
    ("email", f"{'x' * 250}@customer.test"),
    ("email", "m\u00a0ax@customer.test"),
    ("emails", "max@customer.test"),
    ("emails.0.email", [{"label": "work"}]),
    ("emails.0.email", [{"email": 5}]),
    ("emails.0.colour", [{"email": "max@customer.test", "colour": "red"}]),
    ("emails", [{"email": "not an address"}]),
    ("phones.0.number", [{"label": "work"}]),
    ("phones.0.number", [{"number": "1" * 41}]),
    ("phones.0.colour", [{"number": "030 1", "colour": "red"}]),
    ("status", "nothing-like-it"),
    ("status", None),
    ("status", 1),
    ("status", "new\x00"),
    ("type", "nothing-like-it"),
    ("owner", "charlie@umbrella.test"),
    ("owner", "nobody@acme.test"),
    ("owner", 1),
    ("tags", "VIP"),
    ("tags.0", [5]),
    ("tags.0", ["x" * 61]),
    ("custom", []),
    ("custom.size", {"size": 42}),
    ("consent", "yes"),
    ("consent", True),
    ("external_id", "x" * 191),
    ("external_id", 17),
    ("is_test", "true"),
    ("is_test", 1),
    ("is_test", None),
    ("attribution", "none"),
    ("attribution.utm_colour", {"utm_colour": "red"}),
    ("attribution.utm_source", {"utm_source": 5}),
    ("attribution.li_fat_id", {"li_fat_id": "x" * 301}),
    ("attribution.li_fat_id_captured_at", {"li_fat_id_captured_at": 1789000000}),
    ("nickname", "Maxi"),
    ("id", "0195d3a5-7e33-7d5c-8f7b-000000000000"),
    ("created_at", "2026-01-01T00:00:00Z"),
    ("next_step", "call"),
]


@pytest.mark.parametrize(("attr", "value"), BAD, ids=lambda part: ascii(part)[:40])
def test_a_wrong_value_is_refused_by_name_and_nothing_is_written(
    api: Api, stranger: User, attr: str, value: object
) -> None:
    field = attr.partition(".")[0]
    body = {"last_name": "Moritz", "organization": "New Ltd", "tags": ["New tag"], field: value}
    assert attr in attrs(api.post("leads/", body))
    assert not Lead.objects.exists()
    assert not Organization.objects.exists()
    assert not Tag.objects.filter(name="New tag").exists()
    lead = api.post("leads/", ERIKA).json()
    assert attr in attrs(api.patch(f"leads/{lead['id']}/", {"title": "Never saved", field: value}))
    assert api.get(f"leads/{lead['id']}/").json() == lead


@pytest.mark.parametrize(
    ("occurred_at", "words"),
    [
        (1789000000, "not as a number"),
        (1789000000000, "not as a number"),
        (1e20, "not as a number"),
        (-1, "not as a number"),
        (True, "not as a number"),
        (None, "null"),
        ("1789000000", "offset"),
        ("2026-01-20", "offset"),
        ("2026-01-20T13:02:11", "offset"),
        ("0000-01-01T00:00:00Z", "no such time"),
        ("10000-01-01T00:00:00Z", "offset"),
        ("2026-02-30T00:00:00Z", "no such time"),
        ("2026-01-20T13:02:11+24:00", "no such time"),
        ("1970-01-21T08:56:40Z", "before 1990"),
        ("0001-01-01T00:00:00+23:59", "no such time"),
        ("9999-12-31T23:59:59-23:59", "no such time"),
        ("9999-12-31T23:59:59Z", "future"),
        ("yesterday", "offset"),
    ],
)
def test_a_time_that_can_not_be_meant_is_refused_with_a_sentence(
    api: Api, occurred_at: object, words: str
) -> None:
    response = api.post("leads/", MAX | {"occurred_at": occurred_at})
    assert attrs(response) == ["occurred_at"]
    assert words in response.json()["errors"][0]["detail"]


def test_a_time_in_the_future_is_refused(api: Api) -> None:
    later = (timezone.now() + timedelta(minutes=6)).isoformat()
    assert attrs(api.post("leads/", MAX | {"occurred_at": later})) == ["occurred_at"]


@pytest.mark.parametrize("body", [{}, {"source": "Fair"}, {"first_name": "", "email": " "}, {"emails": []}])
def test_a_lead_must_be_somebody(api: Api, body: object) -> None:
    assert attrs(api.post("leads/", body)) == ["last_name"]


def test_ten_thousand_unknown_fields_make_a_short_answer(api: Api) -> None:
    response = api.post("leads/", {f"field{number}": 1 for number in range(10_000)})
    assert len(attrs(response)) == 20


def test_an_unknown_field_is_named_as_far_as_it_can_be_shown(api: Api) -> None:
    response = api.post("leads/", '{"\\ud800\\u0000": 1, "%s": 2}' % ("x" * 500))
    assert attrs(response) == ["\ufffd\ufffd", "x" * 60 + "…"]


# ── Lists ──────────────────────────────────────────────────────────────────────────────────────────────


def found(api: Api, query: str) -> list[str]:
    response = api.get(f"leads/?{query}")
    assert response.status_code == 200, response.content
    return [lead["last_name"] for lead in response.json()["results"]]


@pytest.mark.parametrize(
    "query",
    [
        "status=qualified",
        "type=demo-request",
        "source=Fair",
        "owner=ALICE@acme.test",
        "email=ERIKA@home.test",
        "tag=vip",
        "organization=customer ltd",
        "country_code=DE",
        "consent=granted",
        "external_id=crm-17",
        "is_test=false&search=Muster",
        "search=mustermann erika",
        "search=home.test",
        "created_since=2026-01-01",
        "created_since=2026-01-01T00:00:00%2B01:00&created_until=2199-01-01",
    ],
)
def test_filters_find(api: Api, agent: User, company: Company, query: str) -> None:
    LeadFactory(company=company, last_name="Other", owner=agent, is_test=True, occurred_at=None)
    api.post("leads/", ERIKA)
    assert "Mustermann" in found(api, query)
    if "created" not in query:
        assert found(api, query) == ["Mustermann"]


@pytest.mark.parametrize(
    ("attr", "query"),
    [
        ("status", "status=nothing-like-it"),
        ("type", "type=nothing-like-it"),
        ("owner", "owner=charlie@umbrella.test"),
        ("consent", "consent=yes"),
        ("is_test", "is_test=maybe"),
        ("is_test", "is_test=1"),
        ("created_since", "created_since=1789000000"),
        ("created_since", "created_since=2026-13-01"),
        ("created_since", "created_since=2026-01-01T00:00:00"),
        ("colour", "colour=red"),
        ("status__category", "status__category=open"),
        ("company", "company=1"),
        ("status", "status=new&status=lost"),
        ("status", "status="),
        ("limit", "limit=0"),
        ("limit", "limit=101"),
        ("limit", "limit=ten"),
        ("limit", "limit=-1"),
        ("ordering", "ordering=owner__password"),
        ("ordering", "ordering=--created_at"),
        ("ordering", "ordering=?"),
        ("cursor", "cursor=abc"),
        ("cursor", "cursor=%00"),
        ("search", "search=a%00b"),
        ("search", "search=" + "x" * 201),
        ("source", "source=%00"),
        ("external_id", "external_id=" + "x" * 201),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(
    api: Api, stranger: User, attr: str, query: str
) -> None:
    assert attrs(api.get(f"leads/?{query}")) == [attr]


@pytest.mark.parametrize("rows", [1, 50])
def test_a_page_costs_the_same_queries_however_long(
    api: Api, company: Company, rows: int, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for number in range(rows):
        LeadFactory(
            company=company, organization=f"Firm {number}", tags=["VIP", f"T{number}"], phones=[], owner=None
        )
    api.get("tags/")  # the first use of a key in a day is noted
    with django_assert_num_queries(5):  # the key; leads; their e-mails, phones and tags
        assert len(api.get("leads/").json()["results"]) == rows


# --- merge


def test_a_merge_answers_with_the_survivor(company: Company, api: Api) -> None:
    survivor = LeadFactory(company=company, email="stays@customer.test")
    loser = LeadFactory(company=company, email="goes@customer.test", external_id="old-1")
    answer = api.post(f"leads/{loser.pk}/merge/", {"into": str(survivor.pk)})
    assert answer.status_code == 200
    assert answer.json()["id"] == str(survivor.pk)
    assert [each["email"] for each in answer.json()["emails"]] == [
        "stays@customer.test",
        "goes@customer.test",
    ]
    assert api.get(f"leads/{loser.pk}/").status_code == 404
    assert api.post(f"leads/{loser.pk}/merge/", {"into": str(survivor.pk)}).status_code == 404


def test_an_external_id_of_the_merged_finds_the_survivor(company: Company, api: Api) -> None:
    survivor = LeadFactory(company=company, external_id="new-1")
    loser = LeadFactory(company=company, external_id="old-1")
    api.post(f"leads/{loser.pk}/merge/", {"into": str(survivor.pk)})
    answer = api.post("leads/", {"external_id": "old-1", "title": "COO"})
    assert (answer.status_code, answer.json()["id"]) == (200, str(survivor.pk))
    assert answer.json()["external_id"] == "new-1"


@pytest.mark.parametrize("into", ["x", "00000000-0000-0000-0000-000000000000", None, "itself"])
def test_a_lead_to_merge_into_must_be_there(company: Company, api: Api, into: str | None) -> None:
    lead = LeadFactory(company=company)
    wanted = str(lead.pk) if into == "itself" else into
    answer = api.post(f"leads/{lead.pk}/merge/", {"into": wanted})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "into"
