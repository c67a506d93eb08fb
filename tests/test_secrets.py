"""A company's token and its people's addresses stay where they belong: canaries, and everywhere they could leak to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client

from capi import delivery, nudge, tasks
from capi.models import Connection, Rule
from capi.sandbox.running import RunningSandbox
from crm.models import Company, Lead, User
from crm.tenancy import TenantModel
from tests.factories import LeadFactory, connect
from tests.test_walls import ID, WITHOUT_ID, routes

TOKEN = "AQX-c4n4ry-t0ken-of-acme-that-nobody-may-ever-see"
PART = TOKEN[4:20]

Clients = Callable[[User], Client]


@pytest.fixture
def secret(company: Company, rules: dict[str, Rule], sandbox: RunningSandbox) -> str:
    """Acme's canary token, which LinkedIn knows and with which something was sent and something refused."""
    sandbox.control.add_token(TOKEN, [507404993])
    connect(company, TOKEN)
    LeadFactory(company=company, email="c4n4ry@customer.test")
    delivery.deliver_all()
    sandbox.control.revoke_token(TOKEN)
    LeadFactory(company=company)
    delivery.deliver_all()
    return PART


def test_no_column_holds_the_token(company: Company, secret: str) -> None:
    for model in apps.get_models():
        rows = model.objects.all() if issubclass(model, TenantModel) else model._default_manager.all()  # type: ignore[attr-defined]
        assert secret not in serializers.serialize("json", rows)


def test_no_page_and_no_answer_shows_the_token(
    company: Company, owner: User, secret: str, client_of: Clients, api_of: Callable[..., Client]
) -> None:
    browser, caller = client_of(owner), api_of(company)
    for route, name in routes():
        if ID.search(route) or name not in WITHOUT_ID or name == "account_logout":
            continue
        for client in (browser, caller):
            answer = client.get("/" + route.replace(".*", "nowhere"))
            content = b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]
            assert secret.encode() not in content, name
    connection = Connection.objects.get()
    admin = browser.get(f"/admin/capi/connection/{connection.pk}/change/")
    assert admin.status_code == 200
    assert secret.encode() not in admin.content
    assert connection.token_sealed.encode() not in admin.content


def test_saving_a_token_answers_without_it(company: Company, api_of: Callable[..., Client]) -> None:
    answer = api_of(company).put(
        "/api/v1/capi/connection/", data={"token": TOKEN}, content_type="application/json"
    )
    assert answer.status_code == 200
    assert PART not in answer.content.decode()


def test_a_refused_token_is_not_repeated(company: Company, owner: User, client_of: Clients) -> None:
    answer = client_of(owner).post("/linkedin/token/", {"token": TOKEN + "\x00é"}, follow=True)
    assert PART not in answer.content.decode()


def test_logs_name_neither_token_nor_person(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.control.add_token(TOKEN, [507404993])
    connect(company, TOKEN)
    LeadFactory(company=company, first_name="Canarina", email="c4n4ry@customer.test")
    sandbox.control.fault("status", status=500, count=1)
    delivery.deliver_turn(company.pk)
    Connection.objects.update(waits_until=None)
    delivery.deliver_turn(company.pk)
    kept = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("django.db")
    )
    for canary in (PART, "c4n4ry", "Canarina"):
        assert canary not in kept


def test_a_message_to_the_workers_holds_an_id_only(
    company: Company, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(tasks.deliver, "apply_async", lambda args, **options: sent.append(args))
    nudge._publish(company.pk)
    ((argument,),) = sent
    assert UUID(str(argument)) == company.pk


def test_reprs_of_records_show_no_secret(company: Company, secret: str) -> None:
    connection = Connection.objects.get()
    for text in (repr(connection), str(connection), repr(Lead.objects.first())):
        assert secret not in text
        assert connection.token_sealed not in text
