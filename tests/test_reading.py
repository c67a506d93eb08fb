"""Reading changes nothing: every address is asked with GET and HEAD, and every table is compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client

from crm.models import Company, User
from tests.records import records_of
from tests.test_permissions import every_route

# Not what the product holds, but who looks at it: sessions, and the log that says who took a copy.
# And allauth's own copy of the address that one signs in with, which it makes when it first looks at somebody.
ABOUT_READERS = {"sessions.session", "usersessions.usersession", "crm.auditentry", "account.emailaddress"}
# The day on which a key was last used is about its use, too.
ABOUT_USE = {"crm.apikey": ("last_used_on",), "crm.user": ("last_login",)}


def held() -> dict[str, str]:
    """A hash of each table."""
    tables = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label_lower in ABOUT_READERS or not model._meta.managed:
            continue
        skipped = ABOUT_USE.get(model._meta.label_lower, ())
        fields = [field.name for field in model._meta.fields if field.name not in skipped]
        rows = serializers.serialize("json", model._base_manager.order_by("pk"), fields=fields)
        tables[model._meta.label_lower] = hashlib.sha256(rows.encode()).hexdigest()
    return tables


@pytest.mark.parametrize("who", ["owner", "agent", "key"])
def test_no_get_and_no_head_changes_anything(
    company: Company,
    owner: User,
    agent: User,
    sandbox: object,
    client_of: Callable[[User], Client],
    api_of: Callable[..., Client],
    who: str,
) -> None:
    records = records_of(company, agent)
    client = api_of(company) if who == "key" else client_of(owner if who == "owner" else agent)
    known = [route for route in every_route() if who != "key" or route.is_api]
    before = held()
    for route in known:
        for ask in (client.get, client.head):
            answer = ask(route.path(records))
            b"".join(answer)  # a file is written while it is read
    after = held()
    assert {table for table in before if before[table] != after[table]} == set()


def test_every_page_opens_in_german(
    company: Company, owner: User, agent: User, sandbox: object, client_of: Callable[[User], Client]
) -> None:
    User.objects.filter(pk=owner.pk).update(language="de")
    records = records_of(company, agent)
    client = client_of(owner)
    answers = {
        route.name: client.get(route.path(records)) for route in every_route() if not route.is_api
    }  # an error is raised
    assert {name for name, answer in answers.items() if answer.status_code >= 500} == set()
