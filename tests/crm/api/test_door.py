"""Who comes in and who does not, what a body must look like, and the one shape of every refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from crm import signals
from crm.actions import people
from crm.actor import SYSTEM
from crm.models import ApiKey, Company, Lead, Membership, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import DealFactory, LeadFactory, UserFactory

pytestmark = pytest.mark.django_db

MISSING = "0195d3a5-7e33-7d5c-8f7b-000000000000"


# ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "header",
    [
        "Bearer lm_nothing",
        "Bearer",
        "Basic YTpi",
        "lm_x",
        "Bearer " + "x" * 4000,
        "Bearer \u00fcmlaut",
        "Token lm_x",
    ],
)
def test_what_is_not_a_live_key_is_refused(company: Company, header: str) -> None:
    response = Client().get("/api/v1/leads/", headers={"Authorization": header})
    assert code(response, 401) == "invalid_key"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_nobody_is_refused(company: Company) -> None:
    response = Client().get("/api/v1/leads/")
    assert code(response, 401) == "not_authenticated"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_wrong_key_is_not_saved_by_a_session(owner: User, client_of: Callable[[User], Client]) -> None:
    response = client_of(owner).get("/api/v1/leads/", headers={"Authorization": "Bearer lm_nothing"})
    assert code(response, 401) == "invalid_key"


def test_a_revoked_or_expired_key_is_refused_at_once(api: Api) -> None:
    assert api.get("leads/").status_code == 200
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert code(api.get("leads/"), 401) == "invalid_key"
    ApiKey.objects.update(expires_at=None)
    assert api.get("leads/").status_code == 200
    people.revoke_api_key(ApiKey.objects.get(), SYSTEM)
    assert code(api.get("leads/"), 401) == "invalid_key"


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["read"], "get", "leads/", 200),
        (["read"], "post", "leads/", 403),
        (["write"], "get", "leads/", 403),
        (["write"], "post", "leads/", 400),
        (["read", "write"], "patch", "company/", 403),
        (["admin"], "patch", "company/", 200),
        (["admin"], "get", "company/", 403),
        (["read", "write"], "put", "capi/connection/", 403),
        (["read", "write"], "delete", "capi/connection/", 403),
        (["read", "write"], "post", "capi/connection/release/", 403),
        (["read", "write"], "post", "capi/rules/", 403),
        (["admin"], "post", "capi/rules/", 400),
        (["read", "write"], "post", f"capi/rules/{MISSING}/test/", 403),
        (["read", "write"], "post", f"capi/rules/{MISSING}/release/", 403),
        (["write"], "post", "capi/events/resend/", 400),
        (["read"], "post", "capi/events/resend/", 403),
        (["capture"], "get", "leads/", 403),
        (["capture"], "post", "leads/", 403),
        (["capture"], "get", "nowhere/", 403),
    ],
)
def test_scopes_decide(
    company: Company, caller_of: Callable[..., Api], scopes: list[str], method: str, path: str, status: int
) -> None:
    response = getattr(caller_of(company, *scopes), method)(
        path, *([{}] if method in ("post", "patch", "put") else [])
    )
    assert response.status_code == status, response.content
    if status == 403:
        assert code(response, 403) == "permission_denied"


# ── Sessions and roles ─────────────────────────────────────────────────────────────────────────────────


def test_a_session_comes_in_with_its_csrf_token_only(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.get("/api/v1/leads/").status_code == 200
    body = {"last_name": "Moritz"}
    refused = client.post("/api/v1/leads/", body, content_type="application/json")
    assert code(refused, 403) == "permission_denied"
    assert client.post("/api/v1/leads/", "{}", content_type="text/plain").status_code == 403
    assert not Lead.objects.exists()
    token = "x" * 32
    client.cookies["csrftoken"] = token
    taken = client.post(
        "/api/v1/leads/", body, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert taken.status_code == 201, taken.content


def test_who_adds_by_session_owns(session_of: Callable[[User], Api], owner: User, company: Company) -> None:
    manager = UserFactory(email="mona@acme.test", company=company, role="manager")
    assert session_of(manager).post("leads/", {"last_name": "Moritz"}).json()["owner"] == "mona@acme.test"
    assert session_of(manager).post("deals/", {"title": "Licences"}).json()["owner"] == "mona@acme.test"


def test_an_agent_works_on_their_own_records(
    session_of: Callable[[User], Api], agent: User, owner: User, company: Company
) -> None:
    bob = session_of(agent)
    mine = bob.post("leads/", {"last_name": "Mine"}).json()
    theirs = LeadFactory(company=company, owner=owner)
    deal = DealFactory(company=company, owner=owner, lead=theirs)
    assert mine["owner"] == "bob@acme.test"
    assert [lead["id"] for lead in bob.get("leads/").json()["results"]] == [mine["id"]]
    assert bob.get("deals/").json()["results"] == []
    for path in (f"leads/{theirs.pk}/", f"deals/{deal.pk}/"):
        assert code(bob.get(path), 404) == "not_found"
        assert code(bob.patch(path, {"title": "x"}), 404) == "not_found"
    assert code(bob.post(f"deals/{deal.pk}/win/"), 404) == "not_found"
    assert attrs(bob.post("deals/", {"title": "x", "lead": str(theirs.pk)})) == ["lead"]
    assert attrs(bob.patch(f"leads/{mine['id']}/", {"owner": "alice@acme.test"})) == ["owner"]
    assert attrs(bob.post("leads/", {"last_name": "x", "owner": None})) == ["owner"]
    assert code(bob.delete(f"leads/{mine['id']}/"), 403) == "permission_denied"


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("agent", "get", "capi/connection/", 403),
        ("agent", "get", "capi/rules/", 403),
        ("agent", "get", "capi/events/", 403),
        ("agent", "get", "company/", 200),
        ("agent", "patch", "company/", 403),
        ("agent", "get", "statuses/", 200),
        ("manager", "get", "capi/connection/", 200),
        ("manager", "get", "capi/events/", 200),
        ("manager", "put", "capi/connection/", 403),
        ("manager", "delete", "capi/connection/", 403),
        ("manager", "post", "capi/rules/", 403),
        ("manager", "delete", f"capi/rules/{MISSING}/", 403),
        ("manager", "post", "capi/events/resend/", 403),
        ("manager", "patch", "company/", 403),
        ("manager", "delete", f"leads/{MISSING}/", 404),
        ("admin", "patch", "company/", 200),
        ("admin", "post", "capi/rules/", 400),
        ("owner", "post", "capi/events/resend/", 400),
    ],
)
def test_roles_decide(
    company: Company, session_of: Callable[[User], Api], role: str, method: str, path: str, status: int
) -> None:
    user = UserFactory(company=company, role=role)
    response = getattr(session_of(user), method)(path, *([{}] if method in ("post", "patch", "put") else []))
    assert response.status_code == status, response.content


def test_a_removed_member_is_refused_on_the_next_request(
    session_of: Callable[[User], Api], agent: User, company: Company
) -> None:
    bob = session_of(agent)
    assert bob.get("leads/").status_code == 200
    Membership.objects.filter(user=agent).update(is_active=False)
    assert code(bob.get("leads/"), 403) == "permission_denied"


def test_the_operator_needs_a_membership(db: None, session_of: Callable[[User], Api]) -> None:
    operator = User.objects.create_superuser("root@leadmachine.test", "a-long-enough-password")
    assert code(session_of(operator).get("leads/"), 403) == "permission_denied"


def test_another_company_can_not_be_asked_for(
    api: Api, other_company: Company, company: Company, caller_of: Callable[..., Api]
) -> None:
    theirs = caller_of(other_company).post("leads/", {"last_name": "CANARY"}).json()["id"]
    hints = {"X-Tenant": str(other_company.pk), "X-Company": str(other_company.pk), "Cookie": "company=1"}
    shown = api.client.get("/api/v1/leads/", headers=hints)
    assert b"CANARY" not in shown.content
    for method in ("get", "put", "patch", "delete"):
        foreign = getattr(api, method)(
            f"leads/{theirs}/", *([{"title": "x"}] if method in ("put", "patch") else [])
        )
        missing = getattr(api, method)(
            f"leads/{MISSING}/", *([{"title": "x"}] if method in ("put", "patch") else [])
        )
        assert code(foreign, 404) == "not_found"
        assert foreign.content == missing.content


# ── Addresses ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    ["nowhere/", "leads/nope/", "leads/../", "leads/%00/", "leads/%2e%2e/", "leads/1/", "leads/" + "9" * 3000 + "/",
     "leads/\U0001f600/", f"leads/{MISSING}/nowhere/", f"deals/{MISSING}/win", "leads", "capi/rules/x/preview/",
     "leads/x/conversions/", f"leads/{MISSING}/conversions/", "capi/events/x/"],
)  # fmt: skip
def test_what_is_not_there_is_the_same_404(api: Api, path: str) -> None:
    response = api.get(path)
    if path == f"deals/{MISSING}/win":
        response = api.post(path)
    assert code(response, 404) == "not_found"
    assert response.content == api.get(f"leads/{MISSING}/").content


@pytest.mark.parametrize("method", ["options", "trace", "put", "delete"])
def test_a_method_that_a_list_does_not_have_is_refused(api: Api, method: str) -> None:
    response = getattr(api.client, method)("/api/v1/leads/")
    assert code(response, 405) == "method_not_allowed"
    assert response.headers["Allow"] == "GET, POST, HEAD"


def test_only_json_is_spoken(api: Api) -> None:
    response = api.client.get("/api/v1/leads/", headers={"Accept": "text/html"})
    assert code(response, 406) == "not_acceptable"


# ── Bodies ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", None),
        ("{", "not JSON"),
        ("nonsense", "not JSON"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ('"text"', "JSON object"),
        ('{"last_name": "A", "last_name": "B"}', "twice"),
        ('{"custom": {"a": 1, "a": 2}}', "twice"),
        ('{"last_name": NaN}', "NaN"),
        ('{"last_name": -Infinity}', "-Infinity"),
        ('{"last_name": 1e999}', None),
        ('{"last_name": ' + "9" * 5000 + "}", "too long"),
        ('{"custom": ' + "[" * 100_000 + "]" * 100_000 + "}", "too deeply"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "too deeply"),
        ("[" * 100_000, "too deeply"),
        (b'\xef\xbb\xbf{"last_name": "A"}', "byte order mark"),
        (b'{"last_name": "\xff"}', "UTF-8"),
        ('{"last_name": "A"}'.encode("utf-16"), "UTF-8"),
        (b"\x1f\x8b\x08\x00", "UTF-8"),
        ('{"last_name": "A"} {}', "not JSON"),
        ("{'last_name': 'A'}", "not JSON"),
        ('{"\\ud800": 1, "\\ud800": 2}', "twice"),
    ],
    ids=lambda part: ascii(part)[:30],
)
def test_a_body_that_is_not_a_strict_json_object_is_refused(api: Api, body: Any, words: str | None) -> None:
    response = api.post("leads/", body)
    assert response.status_code == 400, response.content
    if words:
        assert code(response, 400) == "parse_error"
        assert words in response.json()["errors"][0]["detail"]
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
def test_another_content_type_is_refused(api: Api, media_type: str) -> None:
    response = api.client.post("/api/v1/leads/", '{"last_name": "A"}', content_type=media_type)
    assert code(response, 415) == "unsupported_media_type"


def test_a_body_of_10_mb_is_refused(api: Api) -> None:
    assert code(api.post("leads/", '{"last_name": "%s"}' % ("x" * 10_000_000)), 413) == "too_large"


def test_a_charset_makes_no_difference(api: Api) -> None:
    latin = "application/json; charset=latin-1"
    response = api.client.post("/api/v1/leads/", '{"last_name": "Müller"}', content_type=latin)
    assert code(response, 400) == "parse_error"


# ── Failures ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def trouble() -> Iterator[Callable[[Exception], None]]:
    """Makes whoever is told of a new lead fail."""
    receivers = []

    def make(error: Exception) -> None:
        def fail(**kwargs: object) -> None:
            raise error

        receivers.append(fail)
        signals.lead_created.connect(fail)

    yield make
    for receiver in receivers:
        signals.lead_created.disconnect(receiver)


def test_a_locked_database_is_503_with_a_time_to_come_back(
    api: Api, trouble: Callable[[Exception], None]
) -> None:
    trouble(OperationalError("database is locked: SECRET"))
    response = api.post("leads/", {"last_name": "A"})
    assert code(response, 503) == "busy"
    assert int(response.headers["Retry-After"]) > 0
    assert b"SECRET" not in response.content
    assert not Lead.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_503_before_anybody_is_known(api: Api) -> None:
    connection.connection.close()  # as when the server was restarted
    try:
        response = api.get("leads/")
    finally:
        connection.close()
    assert code(response, 503) == "busy"
    assert int(response.headers["Retry-After"]) > 0


def test_a_failure_shows_nothing_of_the_inside(api: Api, trouble: Callable[[Exception], None]) -> None:
    trouble(RuntimeError("SECRET"))
    response = api.post("leads/", {"last_name": "A"})
    assert code(response, 500) == "error"
    assert b"SECRET" not in response.content
    assert b"Traceback" not in response.content
    assert not Lead.objects.exists()
