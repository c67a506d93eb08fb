"""The programs as they are run, on PostgreSQL with its row-level security: web, API, worker, schedule, admin, shell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import requests
from django.db import connections

from capi.sandbox.running import RunningSandbox, running_sandbox
from capi.sandbox.world import SANDBOX_TOKEN
from leadmachine import env
from tests.chaos.running import Installation, installation, wait_for
from tests.factories import PASSWORD

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

_FURNISH = f"""
import json
from capi import operations
from crm.actions import companies, people
from crm.actor import Actor
from crm.models import User
from crm.tenancy import company_scope
shell, keys = Actor(channel="shell", label="Tests"), {{}}
for name in ("Acme", "Umbrella"):
    company = companies.create_company(name)
    owner = people.create_owner(company, f"owner@{{name.lower()}}.test", "{PASSWORD}")
    with company_scope(company):
        operations.save_token(company, "{SANDBOX_TOKEN}", shell)
        operations.create_rule(
            company, {{"name": "Leads", "event": "lead_created", "conversion_id": "23948811"}}, shell
        )
    keys[name] = people.create_api_key(company, "Tests", ["read", "write", "admin"], user=owner).secret
User.objects.create_superuser("olga@host.test", "{PASSWORD}")
print(json.dumps(keys))
"""
_LOOK = """
import json
from django.db import connection
from django_scopes import scopes_disabled
from django_scopes.exceptions import ScopeError
from crm.models import Company, Lead
from crm.tenancy import company_scope, every_company
def raw():
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_name FROM crm_lead ORDER BY last_name")
        return [name for (name,) in cursor.fetchall()]
found = {"nobody": raw()}
with scopes_disabled():
    found["scopes off"] = [*Lead.objects.values_list("last_name", flat=True)]
    found["written"] = Lead.objects.update(last_name="Mallory")
with company_scope(Company.objects.get(name="Acme")):
    found["Acme"] = raw()
with every_company():
    found["everybody"] = raw()
print(json.dumps(found))
"""


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def running(tmp_path: Path, sandbox: RunningSandbox) -> Iterator[Installation]:
    """`up` on a PostgreSQL database of its own, as a role without privileges that owns it."""
    where, name = connections["default"].settings_dict, f"programs_{uuid4().hex[:8]}"
    socket = str(where["HOST"]).replace("/", "%2F")
    with psycopg.connect(host=where["HOST"], user=where["USER"], dbname="postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            with installation(
                tmp_path,
                sandbox.url,
                DATABASE_URL=f"postgres://{where['USER']}@{socket}/{name}",
                SECRET_KEY=env.new_secret_key(),
                FIELD_KEYS=env.new_field_key(),
            ) as started:
                yield started
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def shell(running: Installation, code: str) -> dict[str, list[str]]:
    return running.manage("shell", "--no-imports", "-v0", "-c", code)


def browser(running: Installation, email: str) -> requests.Session:
    """A session of somebody who has signed in."""
    session = requests.Session()
    page = session.get(f"{running.url}/accounts/login/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token
    answer = session.post(
        page.url,
        data={"csrfmiddlewaretoken": token[1], "login": email, "password": PASSWORD},
        headers={"Referer": page.url},
        timeout=30,
    )
    assert answer.ok
    return session


def names(running: Installation, key: str) -> list[str]:
    running.key = key
    return [lead["last_name"] for lead in running.call("GET", "leads/")["results"]]


def test_every_program_works_and_sees_what_it_should(running: Installation, sandbox: RunningSandbox) -> None:
    keys: dict[str, str] = json.loads(json.dumps(shell(running, _FURNISH)))

    # The API writes, and shows each company its own.
    for company, key in keys.items():
        running.key = key
        running.call("POST", "leads/", last_name=f"Of-{company}", email=f"lead@{company.lower()}.test")
    assert names(running, keys["Acme"]) == ["Of-Acme"]
    assert names(running, keys["Umbrella"]) == ["Of-Umbrella"]

    # The schedule finds both companies' work, and the worker sends it.
    wait_for(lambda: sandbox.control.stats().unique == 2, 60, "two conversions")

    # Pages show their company; the admin panel shows the operator all of them.
    for email, seen in (
        ("owner@acme.test", {"Acme"}),
        ("owner@umbrella.test", {"Umbrella"}),
    ):
        page = browser(running, email).get(f"{running.url}/leads/", timeout=30)
        assert page.ok
        assert set(re.findall(r"Of-(\w+)", page.text)) == seen
    panel = browser(running, "olga@host.test").get(f"{running.url}/admin/crm/lead/", timeout=30)
    assert set(re.findall(r"Of-(\w+)", panel.text)) == {"Acme", "Umbrella"}

    # A shell sees what its scopes open, and nothing where they are merely switched off.
    assert shell(running, _LOOK) == {
        "nobody": [],
        "scopes off": [],
        "written": 0,
        "Acme": ["Of-Acme"],
        "everybody": ["Of-Acme", "Of-Umbrella"],
    }
