"""The admin panel's LinkedIn side: secrets go in and never come out, and its verbs are the operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.db import models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from capi.models import AppHold, Connection, ConversionEvent, Delivery, Rule, Status
from capi.sandbox.running import RunningSandbox
from capi.sandbox.world import SANDBOX_TOKEN
from crm.models import Company, User
from crm.tenancy import company_scope
from tests.factories import LeadFactory, RuleFactory, UserFactory, connect

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
OTHER = "a-token-CANARY-4711-that-is-new"


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("olga@host.test", "a-long-enough-password")


@pytest.fixture
def client(owner: User, client_of: ClientOf) -> Client:
    """The browser of Acme's owner."""
    return client_of(owner)


@pytest.fixture(params=["owner", "operator"])
def either(request: pytest.FixtureRequest, owner: User, client_of: ClientOf) -> Client:
    """The browser of Acme's owner, then of the operator."""
    return client_of(request.getfixturevalue(request.param))


def _page(model: type[models.Model], what: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def _do(client: Client, action: str, *rows: models.Model) -> str:
    """Choose an action for these rows; the page that follows."""
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(_page(type(rows[0]), "changelist"), chosen, follow=True).content.decode()


def _event(company: Company, **fields: object) -> ConversionEvent:
    LeadFactory(company=company)
    event = ConversionEvent.objects.order_by("-id")[0]
    for name, value in fields.items():
        setattr(event, name, value)
    event.save()
    return event


# --- connection


def _pages(client: Client, row: Connection) -> Iterator[str]:
    for url in (
        _page(Connection, "changelist"),
        _page(Connection, "change", row.pk),
        _page(Connection, "history", row.pk),
        reverse("admin:index"),
    ):
        yield client.get(url).content.decode()


def test_the_token_is_on_no_page(connection: Connection, either: Client) -> None:
    for page in _pages(either, connection):
        assert SANDBOX_TOKEN not in page
        assert connection.token_sealed not in page
        assert connection.token_sealed.split(":")[-1][:12] not in page


def test_a_new_token_goes_in_and_does_not_come_out(
    connection: Connection, company: Company, owner: User, client: Client
) -> None:
    url = _page(Connection, "change", connection.pk)
    answer = client.post(url, {"new_token": OTHER}, follow=True)
    connection.refresh_from_db()
    assert (connection.token(), connection.saved_by) == (OTHER, owner)
    assert "CANARY" not in answer.content.decode()
    assert "CANARY" not in "".join(entry.change_message for entry in LogEntry.objects.all())
    assert not [page for page in _pages(client, connection) if "CANARY" in page]


def test_a_refused_token_is_not_sent_back(connection: Connection, client: Client) -> None:
    answer = client.post(_page(Connection, "change", connection.pk), {"new_token": "ünfit-CANARY"})
    assert "Paste the whole token" in str(answer.context["adminform"].form.errors["new_token"])
    assert "CANARY" not in answer.content.decode()
    connection.refresh_from_db()
    assert connection.token() == SANDBOX_TOKEN


def test_a_company_gets_its_one_connection(company: Company, client: Client) -> None:
    url = _page(Connection, "add")
    assert client.post(url, {"new_token": OTHER}).status_code == 302
    assert Connection.objects.get().token() == OTHER
    assert client.get(url).status_code == 403


def test_the_operator_gives_a_company_its_token(
    company: Company, operator: User, client_of: ClientOf
) -> None:
    answer = client_of(operator).post(_page(Connection, "add"), {"company": company.pk, "new_token": OTHER})
    assert answer.status_code == 302
    assert Connection.objects.get().company == company


def test_a_sandbox_connection_stays_one(company: Company, client: Client) -> None:
    connect(company, kind="sandbox")
    client.post(_page(Connection, "change", Connection.objects.get().pk), {"new_token": OTHER})
    assert Connection.objects.get().kind == "sandbox"


def test_a_connection_is_paused_released_and_emptied(connection: Connection, either: Client) -> None:
    assert "1 connections were paused" in _do(either, "pause", connection)
    connection.refresh_from_db()
    assert connection.state == "paused"
    _do(either, "release", connection)
    connection.refresh_from_db()
    assert connection.state == "active"
    _do(either, "forget_token", connection)
    connection.refresh_from_db()
    assert connection.state == "none"


# --- rules


def test_send_test_event_is_accepted_by_linkedin(
    connection: Connection, either: Client, sandbox: RunningSandbox, deliver: Callable[[], int]
) -> None:
    rule = RuleFactory(company=connection.company)
    page = _do(either, "send_test", rule)
    event = ConversionEvent.objects.get(is_test=True)
    assert _page(ConversionEvent, "change", event.pk) in page
    deliver()
    event.refresh_from_db()
    assert (event.status, event.rule) == (Status.ACCEPTED, rule)


def test_send_test_event_without_a_token_says_what_to_do(company: Company, client: Client) -> None:
    assert "Save a LinkedIn token first" in _do(client, "send_test", RuleFactory(company=company))
    assert not ConversionEvent.objects.exists()


def test_a_rule_is_added_by_urn_and_edited(company: Company, client: Client) -> None:
    filled = {
        "name": "Purchase",
        "event": "deal_won",
        "conversion_id": "urn:lla:llaPartnerConversion:23948817",
        "is_active": "on",
        "value": "deal_amount",
        "repeat": "once",
        "conditions": "{}",
    }
    assert client.post(_page(Rule, "add"), filled).status_code == 302
    rule = Rule.objects.get()
    assert (rule.conversion_id, rule.value) == ("23948817", "deal_amount")
    url = _page(Rule, "change", rule.pk)
    assert client.post(url, filled | {"conversion_id": "23948817", "name": "Sale"}).status_code == 302
    rule.refresh_from_db()
    assert rule.name == "Sale"
    for field, value in (
        ("conversion_id", "12 34"),
        ("conditions", '{"colour": ["red"]}'),
        ("conditions", "{"),
    ):
        answer = client.post(url, filled | {field: value})
        assert field in answer.context["adminform"].form.errors, (field, value)


def test_editing_the_conversion_id_reissues_what_waits(rules: dict[str, Rule], either: Client) -> None:
    rule = rules["lead_created"]
    event = _event(rule.company)
    filled = {
        "name": rule.name,
        "event": rule.event,
        "conversion_id": "23948820",
        "is_active": "on",
        "value": "none",
        "repeat": "once",
        "conditions": "{}",
    }
    assert either.post(_page(Rule, "change", rule.pk), filled).status_code == 302
    event.refresh_from_db()
    assert (event.status, event.reason) == (Status.CANCELLED, "rule_changed")
    assert ConversionEvent.objects.filter(conversion_id="23948820", status=Status.PENDING).exists()


def test_a_deleted_rule_leaves_the_list_and_keeps_its_log(rules: dict[str, Rule], client: Client) -> None:
    event = _event(rules["lead_created"].company)
    _do(client, "delete_rules", event.rule)
    assert client.get(_page(Rule, "change", event.rule.pk)).status_code == 302
    event.refresh_from_db()
    assert (event.status, event.reason) == (Status.CANCELLED, "rule_deleted")


# --- the log


def test_the_log_is_read_only(rules: dict[str, Rule], either: Client) -> None:
    event = _event(rules["lead_created"].company)
    assert either.get(_page(ConversionEvent, "add")).status_code == 403
    assert either.post(_page(ConversionEvent, "change", event.pk), {"status": "accepted"}).status_code == 403
    assert either.post(_page(ConversionEvent, "delete", event.pk), {"post": "yes"}).status_code == 403
    event.refresh_from_db()
    assert event.status == Status.PENDING


def test_an_event_shows_its_attempts_and_exact_json(
    rules: dict[str, Rule], client: Client, deliver: Callable[[], int]
) -> None:
    event = _event(rules["lead_created"].company)
    deliver()
    event.refresh_from_db()
    attempt = Delivery.objects.get(event=event).attempt
    page = client.get(_page(ConversionEvent, "change", event.pk)).content.decode()
    assert attempt.request_id
    assert attempt.request_id.replace("=", "") in page
    assert f"{attempt.duration_ms} ms" in page
    assert "LinkedIn accepted this event." in page
    assert "SHA256_EMAIL" in page
    assert event.event_id in page


def test_resend_sends_what_was_rejected_and_leaves_the_rest_alone(
    rules: dict[str, Rule], either: Client
) -> None:
    company = rules["lead_created"].company
    rejected = _event(company, status=Status.REJECTED, reason="refused")
    accepted = _event(company, status=Status.ACCEPTED, accepted_at=timezone.now())
    page = _do(either, "resend", rejected, accepted)
    assert "1 events are sent again" in page
    assert "1 were left alone" in page
    rejected.refresh_from_db()
    accepted.refresh_from_db()
    assert (rejected.status, accepted.status) == (Status.PENDING, Status.ACCEPTED)


def test_release_ends_the_hold_of_a_rule(rules: dict[str, Rule], either: Client) -> None:
    rule = rules["lead_created"]
    rule.held_reason, rule.held_message = "rule_disabled", "The conversion is disabled."
    rule.save()
    event = _event(rule.company)
    assert event.status == Status.HELD
    assert "1 holds were ended" in _do(either, "release", event)
    event.refresh_from_db()
    rule.refresh_from_db()
    assert (event.status, rule.is_held) == (Status.PENDING, False)


def test_release_ends_the_hold_of_the_connection(
    rules: dict[str, Rule], connection: Connection, either: Client
) -> None:
    _do(either, "pause", connection)
    event = _event(connection.company)
    assert event.held_by == "connection"
    _do(either, "release", event)
    event.refresh_from_db()
    assert event.status == Status.PENDING


def test_release_says_that_consent_cannot_be_released(rules: dict[str, Rule], client: Client) -> None:
    event = _event(
        rules["lead_created"].company, status=Status.HELD, held_by="lead", reason="consent_unknown"
    )
    page = _do(client, "release", event)
    assert "record it on the lead" in page
    event.refresh_from_db()
    assert event.status == Status.HELD


def test_cancel_takes_back_what_waits_and_says_why_not_for_the_rest(
    rules: dict[str, Rule], either: Client
) -> None:
    company = rules["lead_created"].company
    waits, sent = _event(company), _event(company, status=Status.ACCEPTED, accepted_at=timezone.now())
    page = _do(either, "cancel", waits, sent)
    assert "1 events were cancelled" in page
    assert "Only an event that waits can be cancelled." in page
    waits.refresh_from_db()
    assert (waits.status, waits.reason) == (Status.CANCELLED, "cancelled_by_person")


def test_no_verb_reaches_another_companys_events(
    rules: dict[str, Rule], stranger: User, client_of: ClientOf
) -> None:
    event = _event(rules["lead_created"].company)
    _do(client_of(stranger), "cancel", event)
    event.refresh_from_db()
    assert event.status == Status.PENDING


def test_the_operator_acts_on_events_of_several_companies_at_once(
    rules: dict[str, Rule], other_company: Company, operator: User, client_of: ClientOf
) -> None:
    ours = _event(rules["lead_created"].company)
    with company_scope(other_company):
        connect(other_company)
        RuleFactory(company=other_company)
        theirs = _event(other_company)
    assert "2 events were cancelled" in _do(client_of(operator), "cancel", ours, theirs)


def test_the_log_is_filtered_and_searched(rules: dict[str, Rule], client: Client) -> None:
    company = rules["lead_created"].company
    kept = _event(company, status=Status.REJECTED, reason="refused")
    other = _event(company)
    for question in (
        "?status__exact=rejected",
        "?reason=refused",
        f"?q={kept.event_id}",
    ):
        page = client.get(_page(ConversionEvent, "changelist") + question).content.decode()
        assert str(other.pk) not in page, question
        assert str(kept.pk) in page, question


def test_the_log_takes_as_many_queries_for_many_events_as_for_few(
    rules: dict[str, Rule], client: Client
) -> None:
    company = rules["lead_created"].company
    _event(company)
    client.get(_page(ConversionEvent, "changelist"))
    few = _queries(client)
    for _ in range(10):
        _event(company)
    assert _queries(client) == few < 20


def _queries(client: Client) -> int:
    with CaptureQueriesContext(database) as queries:
        assert client.get(_page(ConversionEvent, "changelist")).status_code == 200
    return len(queries)


# --- the API version, which is everybody's


def test_only_the_operator_sees_and_ends_a_hold_of_the_api_version(
    connection: Connection, client: Client, operator: User, client_of: ClientOf
) -> None:
    hold = AppHold.objects.create(
        endpoint="linkedin", linkedin_version="202509", held_reason="version_retired", held_message="Retired."
    )
    assert client.get(_page(AppHold, "changelist")).status_code == 403
    operators = client_of(operator)
    assert operators.get(_page(AppHold, "change", hold.pk)).status_code == 200
    _do(operators, "release", hold)
    hold.refresh_from_db()
    assert not hold.is_held


def test_managers_are_not_let_in(connection: Connection, client_of: ClientOf) -> None:
    manager = UserFactory(company=connection.company, role="manager")
    assert client_of(manager).get(_page(ConversionEvent, "changelist")).status_code in (302, 403)
