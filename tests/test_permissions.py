"""Who may do what, route by route: the whole URL map × who asks × method, against a snapshot that people can read.

A route that is not in tests/permissions.json fails. `UPDATE_SNAPSHOT=1 pytest tests/test_permissions.py` writes the
snapshot anew, and docs/security/permissions.md from it; the difference is what to review.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from crm.actions import people
from crm.actor import SYSTEM
from crm.models import ApiKey, Company, User
from leadmachine.env import REPOSITORY
from tests.factories import PASSWORD, UserFactory
from tests.records import records_of
from tests.test_walls import BY_KEY, ID, METHODS, OF_A_PERSON, _walk, noun_of, routes

SNAPSHOT = Path(__file__).with_name("permissions.json")
DOCUMENT = REPOSITORY / "docs" / "security" / "permissions.md"
IS_UPDATE = os.environ.get("UPDATE_SNAPSHOT") == "1"

PEOPLE = ("anonymous", "agent", "agent, not theirs", "manager", "admin", "owner", "operator")
KEYS = ("key: read", "key: write", "key: admin", "key: capture", "key: revoked", "key: expired")
WORDS = {
    "yes": "The door is open: the page, the answer, or a word on what is wrong with the form.",
    "no": "Refused (403).",
    "hidden": "Not found (404), as if there were none.",
    "sign in": "Sent to the sign-in page, or 401.",
    "panel": "Sent to the admin panel, for the operator is in no company.",
}
# What a POST must name, where an empty one would be "not found".
BODIES: dict[str, dict[str, str]] = {
    "switch_company": {"company": "{company}"},
    "lead_status": {"status": "contacted"},
    "deal_move": {"stage": "{stage}"},
    "sandbox": {"do": "mend"},
}
QUERIES = {"linkedin_preview": "?lead={lead}"}

Matrix = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Route:
    """An address with what it needs to be asked for."""

    pattern: str
    name: str

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith("api/")

    def path(self, records: dict[str, Any]) -> str:
        path = "/" + self.pattern.replace(".*", "nowhere").replace(r"\.", ".")
        if self.name in OF_A_PERSON:  # of somebody's own account, and this is nobody's
            path = ID.sub("999999999" if "<int:" in path else str(UUID(int=1)), path)
        elif ID.search(path):
            path = ID.sub(str(records[noun_of(self.name)].pk), path)
        return path + QUERIES.get(self.name, "").format(lead=records["lead"].pk)


def every_route() -> list[Route]:
    """The product's own routes, and the lists and forms of the admin panel; each address once."""
    ours = [(pattern, name) for pattern, name in routes() if name not in BY_KEY]
    panel = [
        ("admin/" + pattern, name)
        for pattern, name in _admin_patterns()
        if name == "index" or name.endswith(("_changelist", "_add"))
    ]
    return [Route(pattern, name) for pattern, name in sorted(dict([*ours, *panel]).items())]


def _admin_patterns() -> Iterator[tuple[str, str]]:
    admin = next(each for each in get_resolver().url_patterns if str(each.pattern) == "admin/")
    return _walk(admin.url_patterns)


class Callers:
    """Everybody who asks, each as a browser or as a holder of a key."""

    def __init__(self, company: Company, owner: User) -> None:
        self.client = Client(raise_request_exception=False)
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.agent = UserFactory(email="bob@acme.test", company=company, role="agent")
        self._sign_in("agent", self.agent)
        self._sign_in("agent, not theirs", self.agent)
        for role in ("manager", "admin"):
            self._sign_in(role, UserFactory(company=company, role=role))
        self._sign_in("owner", owner)
        operator = User.objects.create_superuser("operator@leadmachine.test", PASSWORD)
        self._sign_in("operator", operator)
        for name in KEYS:
            self._make_key(company, name)

    def _sign_in(self, who: str, user: User) -> None:
        client = Client()
        client.force_login(user)
        self.cookies[who] = client.cookies.output(header="", sep=";")

    def _make_key(self, company: Company, name: str) -> None:
        scope = name.removeprefix("key: ")
        key = people.create_api_key(
            company, name, [scope] if scope in people.API_SCOPES else ["read", "write", "admin"]
        )
        now = timezone.now()
        if scope == "revoked":
            ApiKey.objects.filter(pk=key.row.pk).update(revoked_at=now)
        if scope == "expired":
            ApiKey.objects.filter(pk=key.row.pk).update(expires_at=now - timedelta(seconds=1))
        self.headers[name] = f"Bearer {key.secret}"

    def ask(self, who: str, method: str, path: str, body: dict[str, str], *, is_api: bool) -> str:
        """What becomes of a request; nothing it changes stays."""
        self.client.cookies = SimpleCookie(self.cookies.get(who, ""))
        headers = {"Authorization": self.headers[who]} if who in self.headers else {}
        kind = {"content_type": "application/json"} if is_api else {}
        sent = {"data": b"{}" if is_api else body, **kind} if method == "post" else {}
        with transaction.atomic():
            answer = getattr(self.client, method)(path, headers=headers, **sent)
            b"".join(answer)  # a file is written while it is read
            transaction.set_rollback(True)
        return word_of(answer)


def word_of(answer: HttpResponse) -> str:
    """One of WORDS, or "method" where the address does not know the method."""
    status, to = answer.status_code, answer.headers.get("Location", "")
    if status >= 500 or status == 429:
        return "error"
    if status == 401 or to.startswith(("/accounts/login/", "/admin/login/")):
        return "sign in"
    if status == 302 and to == "/admin/":
        return "panel"
    return {403: "no", 404: "hidden", 405: "method"}.get(status, "yes")


def measured(company: Company, owner: User) -> Matrix:
    """The whole matrix, asked for anew."""
    callers = Callers(company, owner)
    theirs = records_of(company, owner)
    own = {**theirs, **_own_of(callers.agent, company)}
    fill = {"company": str(company.pk), "stage": str(theirs["deal"].stage_id)}
    matrix: Matrix = {}
    for route in every_route():
        body = {name: value.format(**fill) for name, value in BODIES.get(route.name, {}).items()}
        for method in METHODS:
            row = {}
            for who in _askers(route, method):
                records = own if who == "agent" else theirs
                row[who] = callers.ask(who, method, route.path(records), body, is_api=route.is_api)
                if who in ("owner", "key: admin") and row[who] == "method":
                    break  # who may everything is told that there is no such method, so nobody is told more
            if row and "method" not in row.values():
                matrix[f"{method.upper()} /{route.pattern}"] = row
    return matrix | _by_key_in_address(callers)


def _by_key_in_address(callers: Callers) -> Matrix:
    """What web sites use: the key stands in the address, and no session counts."""
    matrix = {}
    for pattern, name in routes():
        for method in ("get", "post") if name.startswith("capture") else ():
            row = {}
            for who in KEYS:
                path = "/" + pattern.replace("<str:key>", callers.headers[who].removeprefix("Bearer "))
                row[who] = callers.ask("anonymous", method, path, {}, is_api=False)
            if "method" not in row.values():
                matrix[f"{method.upper()} /{pattern}"] = row
    return matrix


def _askers(route: Route, method: str) -> list[str]:
    """Those who may everything first: most methods are unknown to most addresses."""
    if route.pattern.startswith("admin/"):
        return [] if method != "get" else [who for who in PEOPLE if who != "agent, not theirs"]
    has_record = ID.search(route.pattern) and route.name not in OF_A_PERSON
    of_somebody = has_record and noun_of(route.name) in ("lead", "deal", "task", "subtask")
    known = [who for who in PEOPLE if of_somebody or who != "agent, not theirs"]
    first = ["key: admin"] if route.is_api else ["owner"]
    return [*first, *(who for who in (*known, *(KEYS if route.is_api else ())) if who not in first)]


def _own_of(agent: User, company: Company) -> dict[str, Any]:
    """A lead, a deal and a task of the agent's own."""
    from crm.actions import tasks
    from tests.factories import DealFactory, LeadFactory

    lead = LeadFactory(company=company, owner=agent)
    task = tasks.create_task(
        company, {"title": "Call", "lead": lead, "subtasks": [tasks.Step("Find the number")]}, SYSTEM
    )
    deal = DealFactory(company=company, lead=lead, owner=agent)
    return {"lead": lead, "deal": deal, "task": task, "subtask": task.subtasks.get()}


# ── Snapshot and document ──────────────────────────────────────────────────────────────────────────────


def as_text(matrix: Matrix) -> str:
    """JSON with a line for each route and method, so that a difference reads well."""
    order = {who: place for place, who in enumerate((*PEOPLE, *KEYS))}
    lines = [
        f"  {json.dumps(about)}: {json.dumps(dict(sorted(row.items(), key=lambda one: order[one[0]])))}"
        for about, row in sorted(matrix.items(), key=lambda entry: _sorted_by(entry[0]))
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _sorted_by(about: str) -> tuple[str, int]:
    method, _, path = about.partition(" ")
    return path, METHODS.index(method.lower())


def as_document(matrix: Matrix) -> str:
    """The snapshot as tables, for people."""
    areas = {
        "Pages": [
            about
            for about in matrix
            if not any(part in about for part in (" /api/", " /admin/", " /capture/"))
        ],
        "REST API": [about for about in matrix if " /api/" in about],
        "Web sites, by the key in the address": [about for about in matrix if " /capture/" in about],
        "Admin panel": [about for about in matrix if " /admin/" in about],
    }
    parts = [HEAD, *(f"| {word} | {meaning} |\n" for word, meaning in WORDS.items()), NOTES]
    for title, abouts in areas.items():
        columns = PEOPLE if title != "REST API" else (*PEOPLE, *KEYS)
        if title.startswith("Web sites"):
            columns = KEYS
        if title == "Admin panel":
            columns = tuple(who for who in PEOPLE if who != "agent, not theirs")
        parts.append(f"\n## {title}\n\n| Request | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n")
        for about in abouts:
            cells = " | ".join(matrix[about].get(who, "") for who in columns)
            parts.append(f"| `{readable(about)}` | {cells} |\n")
    return "".join(parts)


def readable(about: str) -> str:
    """An address as people write it: `/leads/{id}/`."""
    return (
        ID.sub("{id}", about.replace("<str:key>", "{key}"))
        .replace("|", "\\|")
        .replace("^.*$", "…")
        .replace(".*", "…")
    )


HEAD = """# Who may do what

Written by `UPDATE_SNAPSHOT=1 pytest tests/test_permissions.py` from `tests/permissions.json`; do not edit. The test
asks every address of the product as everybody below and fails where the answer is another one, or the address is new.

| Word | Means |
|---|---|
"""
NOTES = """
- *agent, not theirs* is an agent who asks for a lead or deal of a colleague; in all other columns the record is one
  that the person may see, or there is none in the address.
- *operator* runs the installation. They see every company in the admin panel, and are a member of none by that.
- An empty cell: the same as for the agent. A key counts for the API alone; pages do not look at it.
- Nothing here is about another company's records: those are not found for everybody (`tests/test_walls.py`).
"""


@pytest.fixture
def matrix(company: Company, owner: User, sandbox: object, settings: Any) -> Matrix:
    settings.ACCOUNT_RATE_LIMITS = settings.MFA_RATE_LIMITS = False  # about who may, not about how often
    return measured(company, owner)


def test_everybody_may_what_the_snapshot_says(matrix: Matrix) -> None:
    if IS_UPDATE:
        SNAPSHOT.write_text(as_text(matrix))
        DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
        DOCUMENT.write_text(as_document(json.loads(as_text(matrix))))
    broken = [about for about, row in matrix.items() if "error" in row.values()]
    assert broken == []
    known: Matrix = json.loads(SNAPSHOT.read_text())
    assert sorted(set(matrix) - set(known)) == [], "Routes that are not in tests/permissions.json."
    assert sorted(set(known) - set(matrix)) == [], "Routes that are gone."
    different = {
        about: {
            who: f"{known[about].get(who)} → {word}"
            for who, word in row.items()
            if known[about].get(who) != word
        }
        for about, row in matrix.items()
        if row != known[about]
    }
    assert different == {}


def test_the_document_is_what_the_snapshot_says() -> None:
    assert DOCUMENT.read_text() == as_document(json.loads(SNAPSHOT.read_text()))


def test_nobody_without_a_place_gets_anything_done() -> None:
    """Read off the snapshot, so that a slip in it does not pass as a decision."""
    known: Matrix = json.loads(SNAPSHOT.read_text())
    for about, row in known.items():
        if "/api/v1/" in about and not about.endswith(("/docs/", "/schema/")):  # those are for everybody
            assert {row[who] for who in ("anonymous", "key: revoked", "key: expired")} == {"sign in"}, about
            assert row["key: capture"] in ("no", "hidden"), about
        if " /settings/" in about or " /linkedin/" in about or " /admin/" in about:
            assert row["anonymous"] == "sign in", about


def test_who_may_less_is_nowhere_let_in_where_who_may_more_is_not() -> None:
    known: Matrix = json.loads(SNAPSHOT.read_text())
    ladder = ("agent", "manager", "admin", "owner")
    for about, row in known.items():
        lets_in = [row[role] == "yes" for role in ladder if role in row]
        assert lets_in == sorted(lets_in), about
