"""Webhooks: what happened is told once it is committed, signed, tried for three days, and can be sent again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from capi import delivery as conversions
from capi import rotation
from capi.models import Rule
from crm import signing, vault, webhook_delivery
from crm.actions import deals, erase, leads, webhooks
from crm.actions.retention import apply_retention
from crm.actions.webhooks import NewSecret
from crm.errors import Conflict
from crm.models import (
    Company,
    IdempotencyRecord,
    Notification,
    User,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookStatus,
)
from crm.tenancy import company_scope
from leadmachine.env import REPOSITORY
from tests.factories import SHELL, DealFactory, LeadFactory

Clients = Callable[[User], Client]
Api = Callable[..., Client]


@dataclass
class Receiver:
    """A server of somebody else's. `answers` are given one after the other, the last for ever."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.got]


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOKS_TO_LOOPBACK = True
    known = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status, headers = known.answers.pop(0) if len(known.answers) > 1 else known.answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        known.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        yield known
        server.shutdown()


def listen(company: Company, receiver: Receiver, *events: str) -> NewSecret:
    wanted = list(events or WebhookEvent.values)
    return webhooks.add_webhook(company, {"url": receiver.url, "events": wanted}, SHELL)


def deliver(company: Company) -> None:
    while webhook_delivery.deliver_turn(company.pk):
        pass


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it, by the words of the standard."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")


# ── What is told ───────────────────────────────────────────────────────────────────────────────────────


def test_the_signature_is_that_of_the_standard_s_example() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    made = signing.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, secret)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_lead_is_told_as_the_api_shows_it(company: Company, receiver: Receiver, api_of: Api) -> None:
    made = listen(company, receiver, "lead_created")
    lead = LeadFactory(company=company, email="john@customer.test", tags=["VIP"])
    deliver(company)
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert told["type"] == "lead_created"
    assert told["data"]["lead"] == api_of(company).get(f"/api/v1/leads/{lead.pk}/").json()
    assert is_signed(made.secret, headers, body)
    assert headers["content-type"] == "application/json"
    row = WebhookDelivery.objects.get()
    assert headers["webhook-id"] == row.message_id
    assert (row.status, row.attempts) == (WebhookStatus.DELIVERED, 1)
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60


def test_each_event_of_the_crm_is_told_and_only_what_was_chosen(company: Company, receiver: Receiver) -> None:
    listen(company, receiver, "lead_created", "lead_qualified", "deal_created", "deal_won")
    lead = LeadFactory(company=company)
    leads.update_lead(lead, {"status": company_status(company, "qualified")}, SHELL)
    won, lost = DealFactory(company=company, lead=lead), DealFactory(company=company, lead=lead)
    deals.win_deal(won, SHELL)
    deals.lose_deal(lost, "Price", SHELL)
    deliver(company)
    assert [told["type"] for told in receiver.bodies()] == [
        "lead_created",
        "lead_qualified",
        "deal_created",
        "deal_created",
        "deal_won",
    ]
    assert receiver.bodies()[-1]["data"]["deal"]["id"] == str(won.pk)


def company_status(company: Company, key: str) -> Any:
    from crm.models import LeadStatus

    return LeadStatus.objects.get(company=company, key=key)


def test_what_is_undone_is_not_told(company: Company, receiver: Receiver) -> None:
    listen(company, receiver)

    class Undone(Exception):
        pass

    with pytest.raises(Undone), transaction.atomic():  # noqa: PT012  both belong to the block
        LeadFactory(company=company)
        raise Undone
    assert not WebhookDelivery.objects.exists()


def test_what_becomes_of_a_conversion_is_told(
    company: Company, rules: dict[str, Rule], receiver: Receiver, api_of: Api
) -> None:
    listen(company, receiver, "conversion_accepted", "conversion_skipped", "conversion_cancelled")
    LeadFactory(company=company, email="john@customer.test")
    LeadFactory(company=company, email="", first_name="No", last_name="Identifier")
    conversions.deliver_all()
    deliver(company)
    told = {body["type"]: body["data"]["conversion"] for body in receiver.bodies()}
    assert set(told) == {"conversion_accepted", "conversion_skipped"}
    accepted = told["conversion_accepted"]
    assert accepted == api_of(company).get("/api/v1/capi/events/?status=accepted").json()["results"][0]


def test_a_conversion_that_is_held_from_the_start_is_told(
    company: Company, rules: dict[str, Rule], receiver: Receiver
) -> None:
    from capi import operations
    from capi.models import Connection

    operations.pause_connection(Connection.objects.get(), SHELL)
    listen(company, receiver, "conversion_held")
    LeadFactory(company=company)
    deliver(company)
    assert [body["type"] for body in receiver.bodies()] == ["conversion_held"]


def test_the_message_holds_no_secret(company: Company, receiver: Receiver, rules: dict[str, Rule]) -> None:
    made = listen(company, receiver)
    LeadFactory(company=company, email="john@customer.test")
    conversions.deliver_all()
    deliver(company)
    everything = b"".join(body for _headers, body in receiver.got).decode()
    assert made.secret.removeprefix("whsec_") not in everything
    assert "token" not in everything.lower()


def test_the_example_of_the_docs_tells_ours_from_others(company: Company, receiver: Receiver) -> None:
    page = (REPOSITORY / "docs" / "webhooks.md").read_text()
    example: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], example)
    made = listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    deliver(company)
    ((headers, body),) = receiver.got
    is_ours = example["is_ours"]
    assert is_ours(made.secret, headers, body)
    assert not is_ours(made.secret, headers, body + b" ")
    assert not is_ours(signing.new_secret(), headers, body)
    assert not is_ours(made.secret, {**headers, "webhook-id": "msg_other"}, body)
    for seconds in (-301, 301):
        at = str(int(headers["webhook-timestamp"]) + seconds)
        assert not is_ours(made.secret, {**headers, "webhook-timestamp": at}, body)


# ── How ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_failure_is_tried_again_with_the_same_id_and_bytes(company: Company, receiver: Receiver) -> None:
    receiver.answers = [(500, {}), (404, {}), (200, {})]
    listen(company, receiver, "lead_created")
    lead = LeadFactory(company=company)
    deliver(company)
    leads.update_lead(lead, {"title": "Something else"}, SHELL)
    for hours in (1, 2):
        with time_machine.travel(timezone.now() + timedelta(hours=hours)):
            deliver(company)
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1
    assert len({body for _headers, body in receiver.got}) == 1
    assert list(WebhookAttempt.objects.values_list("status_code", flat=True)) == [500, 404, 200]
    assert WebhookDelivery.objects.get().status == WebhookStatus.DELIVERED


def test_the_tries_are_spread_over_three_days(company: Company, receiver: Receiver) -> None:
    receiver.answers = [(503, {})]
    listen(company, receiver, "lead_created")
    start = timezone.now()
    LeadFactory(company=company)
    for _ in range(30):
        row = WebhookDelivery.objects.get()
        if row.status == WebhookStatus.FAILED:
            break
        with time_machine.travel(row.next_attempt_at + timedelta(seconds=1)):
            Webhook.objects.update(waits_until=None)
            deliver(company)
    times = list(WebhookAttempt.objects.values_list("at", flat=True))
    assert 9 <= len(times) <= 12
    assert timedelta(days=3) <= times[-1] - start < timedelta(days=3, hours=1)


def test_an_address_where_nothing_gets_through_is_switched_off_and_people_are_told(
    company: Company, owner: User, agent: User, receiver: Receiver, settings: Any
) -> None:
    settings.MAILS = True
    receiver.answers = [(500, {})]
    made = listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    waiting = LeadFactory(company=company, email="second@customer.test")
    WebhookDelivery.objects.filter(subject_id=waiting.pk).update(
        next_attempt_at=timezone.now() + timedelta(days=5)
    )
    WebhookDelivery.objects.exclude(subject_id=waiting.pk).update(expires_at=timezone.now())
    deliver(company)
    hook = Webhook.objects.get()
    assert (hook.is_active, hook.state) == (False, "disabled")
    assert "500" in hook.disabled_reason
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {WebhookStatus.FAILED}
    (notice,) = Notification.objects.filter(kind="stopped")
    assert (notice.user, str(made.hook.pk) in notice.url) == (owner, True)
    (sent,) = mail.outbox
    assert sent.to == [owner.email]
    assert hook.disabled_reason in sent.body
    LeadFactory(company=company, email="third@customer.test")
    assert WebhookDelivery.objects.count() == 2


def test_one_bad_message_does_not_switch_off_what_takes_the_others(
    company: Company, receiver: Receiver
) -> None:
    listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    deliver(company)
    receiver.answers = [(400, {})]
    LeadFactory(company=company, email="second@customer.test")
    WebhookDelivery.objects.filter(status="pending").update(expires_at=timezone.now())
    deliver(company)
    assert Webhook.objects.get().is_active
    assert WebhookDelivery.objects.filter(status=WebhookStatus.FAILED).count() == 1


def test_410_means_that_it_wants_no_more(company: Company, receiver: Receiver) -> None:
    receiver.answers = [(410, {})]
    listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    deliver(company)
    assert Webhook.objects.get().state == "disabled"


def test_an_address_that_fails_is_left_alone_and_holds_up_no_other(
    company: Company, receiver: Receiver
) -> None:
    good = Webhook.objects.get(pk=listen(company, receiver, "lead_created").hook.pk)
    dead = listen(company, receiver, "lead_created").hook
    Webhook.objects.filter(pk=dead.pk).update(url="http://127.0.0.1:9/")
    for number in range(3):
        LeadFactory(company=company, email=f"{number}@customer.test")
    deliver(company)
    assert len(receiver.got) == 3
    assert WebhookAttempt.objects.filter(delivery__hook=dead).count() == 1
    assert WebhookDelivery.objects.filter(hook=good, status="delivered").count() == 3


def test_it_waits_as_long_as_the_receiver_asks_within_reason(company: Company, receiver: Receiver) -> None:
    receiver.answers = [(429, {"Retry-After": "999999"})]
    listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    deliver(company)
    waits = Webhook.objects.get().waits_until
    assert waits is not None
    assert timedelta(minutes=59) < waits - timezone.now() <= timedelta(hours=1)


def test_what_a_dead_worker_left_is_sent_again(company: Company, receiver: Receiver) -> None:
    listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    assert webhook_delivery._claim(timezone.now()) is not None
    deliver(company)
    assert receiver.got == []
    with time_machine.travel(timezone.now() + webhook_delivery.LEASE):
        assert webhook_delivery.companies_with_work() == [company.pk]
        deliver(company)
    assert len(receiver.got) == 1


def test_who_comes_back_after_the_lease_writes_nothing(company: Company, receiver: Receiver) -> None:
    listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    late = webhook_delivery._claim(timezone.now())
    assert late is not None
    WebhookDelivery.objects.update(status="cancelled", lease=None, lease_until=None)
    webhook_delivery._deliver(late)
    assert receiver.got == []
    assert WebhookDelivery.objects.get().status == WebhookStatus.CANCELLED


def test_companies_take_turns(company: Company, other_company: Company, receiver: Receiver) -> None:
    for each in (company, other_company):
        with company_scope(each):
            listen(each, receiver, "lead_created")
            LeadFactory(company=each)
    assert webhook_delivery.companies_with_work() == sorted([company.pk, other_company.pk])
    for each in webhook_delivery.companies_with_work():
        webhook_delivery.deliver_turn(each)
    assert len(receiver.got) == 2
    assert webhook_delivery.companies_with_work() == []


def test_an_inner_address_in_the_row_is_not_called(
    company: Company, receiver: Receiver, settings: Any
) -> None:
    listen(company, receiver, "lead_created")
    settings.WEBHOOKS_TO_LOOPBACK = False
    LeadFactory(company=company)
    deliver(company)
    assert receiver.got == []
    assert "https" in WebhookDelivery.objects.get().message


# ── Secrets ────────────────────────────────────────────────────────────────────────────────────────────


def test_for_a_day_both_secrets_sign(company: Company, receiver: Receiver) -> None:
    first = listen(company, receiver, "lead_created")
    second = webhooks.rotate_secret(first.hook, SHELL)
    LeadFactory(company=company)
    deliver(company)
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        LeadFactory(company=company, email="second@customer.test")
        deliver(company)
    (headers, body), (later_headers, later_body) = receiver.got
    assert is_signed(first.secret, headers, body)
    assert is_signed(second.secret, headers, body)
    assert not is_signed(first.secret, later_headers, later_body)
    assert is_signed(second.secret, later_headers, later_body)


def test_a_secret_is_sealed_for_its_company(
    company: Company, other_company: Company, receiver: Receiver
) -> None:
    made = listen(company, receiver)
    assert made.secret not in made.hook.secret_sealed
    with pytest.raises(vault.VaultError):
        vault.decrypt(made.hook.secret_sealed, other_company.pk, Webhook.SECRET_FIELD)


def test_secrets_are_brought_under_a_new_key(company: Company, receiver: Receiver, settings: Any) -> None:
    made = listen(company, receiver)
    webhooks.rotate_secret(made.hook, SHELL)
    settings.FIELD_KEYS = [f"new:{base64.urlsafe_b64encode(b'n' * 32).decode()}", *settings.FIELD_KEYS]
    list(rotation.rotate())
    hook = Webhook.objects.get()
    assert vault.key_id(hook.secret_sealed) == vault.key_id(hook.earlier_sealed) == "new"
    assert made.secret in hook.secrets(timezone.now())


# ── Again ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_sent_again_with_its_id(company: Company, receiver: Receiver) -> None:
    listen(company, receiver, "lead_created")
    LeadFactory(company=company)
    deliver(company)
    webhooks.replay(WebhookDelivery.objects.get(), SHELL)
    deliver(company)
    assert len(receiver.got) == 2
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]


def test_all_that_has_failed_since_is_sent_again(company: Company, receiver: Receiver) -> None:
    hook = listen(company, receiver, "lead_created").hook
    for number in range(3):
        LeadFactory(company=company, email=f"{number}@customer.test")
    WebhookDelivery.objects.update(status="failed")
    old = WebhookDelivery.objects.first()
    WebhookDelivery.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=9))
    assert webhooks.replay_failed(hook, timezone.now() - timedelta(days=1), SHELL) == 2
    deliver(company)
    assert len(receiver.got) == 2


def test_a_message_on_its_way_while_the_webhook_is_switched_off_waits_for_nothing(
    company: Company, receiver: Receiver
) -> None:
    receiver.answers = [(500, {})]
    hook = listen(company, receiver, "lead_created").hook
    LeadFactory(company=company)
    message = webhook_delivery._claim(timezone.now())
    assert message is not None
    webhooks.change_webhook(hook, {"is_active": False}, SHELL)
    webhook_delivery._deliver(message)
    message.refresh_from_db()
    assert (message.status, message.message) == ("failed", "The webhook was switched off.")


def test_nothing_is_sent_again_while_the_webhook_is_off(company: Company, receiver: Receiver) -> None:
    hook = listen(company, receiver).hook
    message = webhooks.send_test(hook)
    hook = webhooks.change_webhook(hook, {"is_active": False}, SHELL)
    message.refresh_from_db()
    assert message.status == WebhookStatus.FAILED
    for again in (
        lambda: webhooks.send_test(hook),
        lambda: webhooks.replay(WebhookDelivery.objects.select_related("hook").get(), SHELL),
        lambda: webhooks.replay_failed(hook, timezone.now(), SHELL),
    ):
        with pytest.raises(Conflict, match="off"):
            again()


# ── People ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_erased_person_is_gone_from_the_log_and_is_not_told_of(
    company: Company, receiver: Receiver
) -> None:
    listen(company, receiver)
    lead = LeadFactory(company=company, email="canary@customer.test")
    DealFactory(company=company, lead=lead)
    deliver(company)
    deals.win_deal(DealFactory(company=company, lead=lead), SHELL)
    told = len(receiver.got)
    erase.erase_lead(lead, SHELL)
    deliver(company)
    assert len(receiver.got) == told
    assert not WebhookDelivery.objects.exists()
    assert not WebhookAttempt.objects.exists()


def test_the_log_is_kept_for_a_month(company: Company, receiver: Receiver) -> None:
    hook = listen(company, receiver).hook
    webhooks.send_test(hook)
    deliver(company)
    apply_retention(company, now=timezone.now() + timedelta(days=29))
    assert WebhookDelivery.objects.count() == 1
    apply_retention(company, now=timezone.now() + timedelta(days=31))
    assert WebhookDelivery.objects.count() == 0


# ── The API ────────────────────────────────────────────────────────────────────────────────────────────

NEW = {"url": "https://hooks.example.com/in", "events": ["deal_won"], "description": "ERP"}


def post(api: Client, path: str, body: object = None, **headers: str) -> Any:
    return api.post(
        f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", headers=headers
    )


def test_the_api_adds_a_webhook_and_shows_its_secret_once(company: Company, api_of: Api) -> None:
    api = api_of(company)
    made = post(api, "webhooks/", NEW)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    shown = api.get(f"/api/v1/webhooks/{made.json()['id']}/").json()
    assert "secret" not in shown
    assert {name: shown[name] for name in NEW} == NEW
    assert (shown["is_active"], shown["state"]) == (True, "active")


def test_a_repeat_of_the_request_does_not_show_the_secret(company: Company, api_of: Api) -> None:
    api = api_of(company)
    first = post(api, "webhooks/", NEW, **{"Idempotency-Key": "one"}).json()
    again = post(api, "webhooks/", NEW, **{"Idempotency-Key": "one"}).json()
    assert again == {**first, "secret": None}
    assert Webhook.objects.count() == 1
    assert first["secret"] not in IdempotencyRecord.objects.get().body


@pytest.mark.parametrize(
    ("change", "attr"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": ""}, "url"),
        ({"events": []}, "events"),
        ({"events": ["lead_sneezed"]}, "events.0"),
        ({"events": "deal_won"}, "events"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"description": "a" * 121}, "description"),
    ],
)
def test_a_bad_value_is_refused_by_field(
    company: Company, api_of: Api, change: dict[str, object], attr: str
) -> None:
    answer = post(api_of(company), "webhooks/", {**NEW, **change})
    assert answer.status_code == 400
    assert [error["attr"] for error in answer.json()["errors"]] == [attr]
    assert not Webhook.objects.exists()


def test_there_are_twenty_webhooks_at_most(
    company: Company, api_of: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_WEBHOOKS", 1)
    api = api_of(company)
    assert post(api, "webhooks/", NEW).status_code == 201
    assert post(api, "webhooks/", NEW).status_code == 409


def test_a_key_that_may_not_manage_is_refused(company: Company, api_of: Api) -> None:
    assert post(api_of(company, "read", "write"), "webhooks/", NEW).status_code == 403


def test_the_api_changes_rotates_tests_replays_and_deletes(
    company: Company, api_of: Api, receiver: Receiver
) -> None:
    api = api_of(company)
    pk = post(api, "webhooks/", {**NEW, "url": receiver.url}).json()["id"]
    changed = api.patch(f"/api/v1/webhooks/{pk}/", {"description": "New"}, content_type="application/json")
    assert changed.json()["description"] == "New"
    assert post(api, f"webhooks/{pk}/rotate/").json()["earlier_secret_until"]
    receiver.answers = [(500, {}), (200, {})]
    sent = post(api, f"webhooks/{pk}/test/")
    assert (sent.status_code, sent.json()["event"]) == (202, "test")
    deliver(company)
    (row,) = api.get(f"/api/v1/webhooks/deliveries/?webhook={pk}&event=test").json()["results"]
    assert row["status"] == "pending"
    WebhookDelivery.objects.update(status="failed")
    assert post(api, f"webhooks/deliveries/{row['id']}/replay/").status_code == 202
    deliver(company)
    detail = api.get(f"/api/v1/webhooks/deliveries/{row['id']}/").json()
    assert [each["status_code"] for each in detail["attempts_log"]] == [500, 200]
    assert json.loads(detail["body"])["type"] == "test"
    replayed = post(api, f"webhooks/{pk}/replay/", {"since": "2026-01-01T00:00:00Z"})
    assert (replayed.status_code, replayed.json()) == (202, {"replayed": 0})
    assert api.delete(f"/api/v1/webhooks/{pk}/").status_code == 204
    assert not WebhookDelivery.objects.exists()
    assert {headers["webhook-id"] for headers, _body in receiver.got} == {row["webhook_id"]}


# ── The pages ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_webhook_is_added_on_the_page_that_shows_its_secret_once(
    company: Company, owner: User, client_of: Clients
) -> None:
    client = client_of(owner)
    answer = client.post("/settings/webhooks/", NEW)
    hook = Webhook.objects.get()
    (secret,) = hook.secrets(timezone.now())
    assert secret in answer.content.decode().replace("&#x3D;", "=").replace("&#x2B;", "+")
    for path in ("/settings/webhooks/", f"/settings/webhooks/{hook.pk}/"):
        page = client.get(path)
        assert page.status_code == 200
        assert b"ERP" in page.content
        assert secret.encode() not in page.content


def test_a_refused_address_stays_in_the_form_with_the_reason(
    company: Company, owner: User, client_of: Clients
) -> None:
    answer = client_of(owner).post("/settings/webhooks/", {**NEW, "url": "https://10.0.0.1/"})
    assert answer.status_code == 422
    assert "full name of a public host" in answer.content.decode()
    assert 'value="https://10.0.0.1/"' in answer.content.decode()


def test_the_page_changes_switches_rotates_tests_replays_and_deletes(
    company: Company, owner: User, client_of: Clients, receiver: Receiver
) -> None:
    client = client_of(owner)
    hook = listen(company, receiver, "deal_won").hook
    page = f"/settings/webhooks/{hook.pk}/"
    client.post(page, {"url": receiver.url, "description": "ERP 2", "events": ["deal_lost"]})
    assert Webhook.objects.get().events == ["deal_lost"]
    assert b"whsec_" in client.post(f"{page}secret/").content
    client.post(f"{page}test/")
    WebhookDelivery.objects.update(status="failed", message="It answered 500.")
    assert b"It answered 500." in client.get(f"{page}?status=failed").content
    client.post(f"{page}replay/", {"since": "24"})
    deliver(company)
    message = WebhookDelivery.objects.get()
    shown = client.get(f"/settings/webhooks/messages/{message.pk}/")
    assert b"Delivered" in shown.content
    assert message.message_id.encode() in shown.content
    client.post(f"/settings/webhooks/messages/{message.pk}/replay/")
    deliver(company)
    assert len(receiver.got) == 2
    client.post(f"{page}switch/", {"active": "no"})
    assert client.post(f"{page}test/", follow=True).status_code == 200
    assert Webhook.objects.get().state == "off"
    client.post(f"{page}switch/", {"active": "yes"})
    assert Webhook.objects.get().state == "active"
    assert b"Delete" in client.get(f"{page}delete/").content
    client.post(f"{page}delete/")
    assert not Webhook.objects.exists()


def test_an_agent_has_no_webhooks(company: Company, agent: User, client_of: Clients) -> None:
    assert client_of(agent).get("/settings/webhooks/").status_code == 403


def test_the_log_takes_as_many_queries_for_sixty_messages_as_for_three(
    company: Company, owner: User, client_of: Clients, receiver: Receiver, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = client_of(owner)
    hook = listen(company, receiver).hook
    client.get(f"/settings/webhooks/{hook.pk}/")  # what is asked for once a process is asked for now
    counts = []
    for number in (3, 60):
        while WebhookDelivery.objects.count() < number:
            webhooks.send_test(hook)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/settings/webhooks/{hook.pk}/")
        counts.append(len(queries))
    assert counts[0] == counts[1]
