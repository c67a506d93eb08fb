"""What every answer carries, on every route; and that an https installation is one through and through."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client
from pytest_django import Settings

from crm import signals
from crm.models import Company, Lead, LeadStatus, User
from leadmachine.env import REPOSITORY
from tests.factories import LeadFactory
from tests.test_walls import ID, routes

# A part of an address that is written as a regular expression.
KEY = re.compile(r"\(\?P<\w+>[^)]*\)")
CSP = {
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


def assert_protected(answer: Any, *, cached: bool = False) -> None:
    where = f"{answer.request['REQUEST_METHOD']} {answer.request['PATH_INFO']}: {answer.status_code}"
    headers = answer.headers
    policy = {part.strip() for part in headers["Content-Security-Policy"].split(";")}
    assert policy >= CSP, where
    assert "unsafe" not in headers["Content-Security-Policy"], where
    assert headers["X-Content-Type-Options"] == "nosniff", where
    assert headers["Referrer-Policy"] == "same-origin", where
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin", where
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin", where
    assert "camera=()" in headers["Permissions-Policy"], where
    assert not {"Server", "X-Powered-By"} & set(headers), where
    if not cached:
        assert "no-store" in headers["Cache-Control"], where


def test_every_route_is_protected_for_everybody(
    company: Company, owner: User, client_of: Callable[[User], Client], api_of: Callable[..., Client]
) -> None:
    callers = (Client(), client_of(owner), api_of(company))
    seen = 0
    for route, name in routes():
        if name == "account_logout":
            continue
        path = "/" + ID.sub(str(uuid4()), route).replace(".*", "nowhere")
        for caller in callers:
            for method in ("get", "post"):
                caller.raise_request_exception = False
                assert_protected(getattr(caller, method)(path, data={}))
                seen += 1
    assert seen > 300


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("get", "/nowhere/", {}, 404),
        ("get", "/leads/not-an-id/", {}, 404),
        ("post", "/leads/", {"content_type": "text/plain", "data": "x" * 1_100_000}, 413),
        ("post", "/leads/", {"headers": {"Transfer-Encoding": "chunked"}}, 411),
        ("get", "/", {"headers": {"Host": "evil.test"}}, 400),
        ("put", "/healthz", {}, 200),
        ("get", "/admin/", {}, 302),
    ],
)
def test_refusals_are_protected_too(
    db: None, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = getattr(Client(), method)(path, **options)
    assert answer.status_code in (status, 302)
    assert_protected(answer)


def test_a_form_without_its_token_is_refused_and_protected(owner: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    for headers in ({}, {"Origin": "https://evil.test"}, {"Referer": "https://evil.test/"}):
        answer = strict.post("/leads/new/", {"last_name": "Moritz"}, headers=headers)
        assert answer.status_code == 403
        assert_protected(answer)
    assert not Lead.objects.exists()


def test_every_form_wants_its_token(owner: User, company: Company) -> None:
    """Row 118: no route changes anything by a session without a token, from a foreign origin or as text."""
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    lead = LeadFactory(company=company)
    for route, name in routes():
        path = "/" + KEY.sub("x", ID.sub(str(lead.pk), route)).replace(".*", "nowhere")
        for media_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            answer = strict.post(path, "{}", content_type=media_type, headers={"Origin": "https://evil.test"})
            refused = answer.status_code in (403, 404, 405)
            # Health checks and redirects to a page that says so change nothing by their nature.
            assert refused or name in {"healthz", "readyz"}, f"{name} answered {answer.status_code}"


def test_a_static_file_may_be_kept_by_caches(client: Client) -> None:
    answer = client.get("/static/js/app.js")
    assert answer.status_code == 200
    assert "no-store" not in answer.headers["Cache-Control"]
    assert_protected(answer, cached=True)


# --- The database goes away


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


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_page_says_503_while_the_database_is_away(
    owner: User,
    client_of: Callable[[User], Client],
    trouble: Callable[[Exception], None],
    error: type[Exception],
) -> None:
    trouble(error("connection to 10.1.2.3 refused: SECRET"))
    answer = client_of(owner).post("/leads/new/", _form())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert b"Back in a moment" in answer.content
    assert b"SECRET" not in answer.content
    assert_protected(answer)
    assert not Lead.objects.exists()


def _form() -> dict[str, str]:
    status = LeadStatus.objects.get(key="new")
    return {
        "first_name": "A",
        "last_name": "B",
        "email": "a@b.test",
        "source": "Web form",
        "status": str(status.pk),
        "owner": "",
        "consent": "unknown",
    }


# --- Errors tell nothing


@pytest.mark.parametrize(
    "path",
    ["/.git/config", "/.env", "/metrics", "/debug/", "/server-status", "/api/v1/nowhere/", "/static/../manage.py",
     "/static/%2e%2e/manage.py", "/__debug__/", "/admin/doc/", "/var/field_keys"],
)  # fmt: skip
def test_a_stranger_learns_nothing_from_an_address(db: None, path: str) -> None:
    answer = Client().get(path, follow=False)
    assert answer.status_code in (302, 401, 403, 404), path
    for word in (b"Traceback", b"Django", b"DEBUG", b"gunicorn", b"site-packages"):
        assert word not in answer.content


def test_a_failure_shows_nothing_of_the_inside(
    owner: User, client_of: Callable[[User], Client], trouble: Callable[[Exception], None]
) -> None:
    trouble(RuntimeError("SECRET"))
    client = client_of(owner)
    client.raise_request_exception = False
    answer = client.post("/leads/new/", _form())
    assert answer.status_code == 500
    for word in (b"SECRET", b"Traceback", b"RuntimeError", b"/crm/"):
        assert word not in answer.content
    assert_protected(answer)


# --- With an https address

LOOK = """
import django, json, sys
django.setup()
from django.test import Client
from django.core.management import call_command
call_command("migrate", verbosity=0)
from crm.actions import people, companies
company = companies.create_company("Acme")
user = people.create_user("a@acme.test", "a-long-enough-password")
people.add_member(company, user, "owner")
host = {"Host": "leads.example.com"}
client = Client(headers=host)
plain = client.get("/leads/?q=1")
secure = client.get("/accounts/login/", secure=True)
token = next(m.value for n, m in client.cookies.items() if "csrf" in n)
signed_in = client.post(
    "/accounts/login/", {"login": "a@acme.test", "password": "a-long-enough-password", "csrfmiddlewaretoken": token},
    secure=True, headers={"Referer": "https://leads.example.com/accounts/login/"},
)
cookies = {name: {key: morsel[key] for key in ("secure", "httponly", "samesite", "path", "domain")}
           for name, morsel in client.cookies.items()}
print(json.dumps({
    "plain": [plain.status_code, plain.headers.get("Location")],
    "health": client.get("/healthz").status_code,
    "hsts": secure.headers.get("Strict-Transport-Security"),
    "signed_in": signed_in.status_code,
    "cookies": cookies,
}))
"""


def _environment(folder: Path, **variables: str) -> dict[str, str]:
    own = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_KEYS", "PUBLIC_URL", "DEBUG")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    return (
        environment | {"DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "leadmachine.settings"} | variables
    )


def _look(folder: Path, **variables: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=REPOSITORY,
        env=_environment(folder, STATIC_ROOT=str(folder / "static"), DEBUG="0", **variables),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with static files collected: pages name them by their hashes."""
    folder = tmp_path_factory.mktemp("https")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"],
        cwd=REPOSITORY,
        env=_environment(folder, STATIC_ROOT=str(folder / "static")),
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.own_installation
def test_with_an_https_address_everything_is_https(collected: Path) -> None:
    found = _look(collected, PUBLIC_URL="https://leads.example.com")
    assert found["plain"] == [301, "https://leads.example.com/leads/?q=1"]
    assert found["health"] == 200
    assert found["hsts"] == "max-age=31536000; includeSubDomains; preload"
    assert found["signed_in"] == 302
    assert {"__Host-sessionid", "__Host-csrftoken"} <= set(found["cookies"])
    assert all(name.startswith("__Host-") for name in found["cookies"])
    for morsel in found["cookies"].values():
        assert morsel == {"secure": True, "httponly": True, "samesite": "Lax", "path": "/", "domain": ""}


@pytest.mark.own_installation
def test_on_this_machine_http_stays_plain(collected: Path, tmp_path: Path) -> None:
    found = _look(
        collected, PUBLIC_URL="http://127.0.0.1:8000", ALLOWED_HOSTS="leads.example.com,127.0.0.1",
        DATABASE_URL=f"sqlite:///{tmp_path}/plain.sqlite3", SECRET_KEY="abcdefghijklmnopqrstuvwxyz0123456789" * 2,
        FIELD_KEYS=(collected / "field_keys").read_text().strip(),
    )  # fmt: skip
    assert found["plain"][0] == 302
    assert found["plain"][1].startswith("/accounts/login/")
    assert found["hsts"] is None
    assert {"sessionid", "csrftoken"} <= set(found["cookies"])
    assert not any(
        name.startswith("__Host-") or morsel["secure"] for name, morsel in found["cookies"].items()
    )


def test_the_cookies_of_a_test_are_no_exception(settings: Settings) -> None:
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.CSRF_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == settings.CSRF_COOKIE_SAMESITE == "Lax"
