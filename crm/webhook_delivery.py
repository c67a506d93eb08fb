"""Delivers webhooks: claim, build, note, send, settle. The rows are the queue; tasks only say that there is work.

One message of a company is on its way at a time, and a turn is short: a slow receiver holds up its own company only.
An address that fails is left alone for a while, so that its messages do not hold up those to others.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from smtplib import SMTPException
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from crm import outside, signing, vault
from crm.access import Ability, roles_with
from crm.actions import notifications, webhooks
from crm.languages import speaking_to
from crm.models import (
    Company,
    Deal,
    Lead,
    Membership,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookStatus,
)
from crm.models.notification import NotificationKind
from crm.models.webhook import RETRIED_FOR, TEST_EVENT
from crm.tenancy import company_scope, every_company

logger = logging.getLogger(__name__)

TURN_SECONDS: Final = 5.0
LEASE: Final = timedelta(seconds=60)
# Seconds after the first, second … failure of a message; the last try is when its three days are over.
RETRIES: Final = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000)
# Seconds for which an address is left alone after the first, second … failure in a row.
REST: Final = (5, 30, 120, 300, 600)
LONGEST_REST: Final = 3600
_KEPT_OF_ANSWER = 500

# What a conversion is, as its own app shows it: by id, None if it is gone.
conversion_builders: list[Callable[[UUID], dict[str, Any] | None]] = []


@dataclass(frozen=True)
class Result:
    """What came of a try. `rest`: leave the address alone, for so long if it said so."""

    status_code: int | None = None
    message: str = ""
    answer: str = ""
    rest: bool = False
    asked_rest: int = 0

    @property
    def is_delivered(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def companies_with_work() -> list[UUID]:
    """The companies with a message that is due, or whose taker died."""
    now = timezone.now()
    with every_company():
        due = WebhookDelivery.objects.due(now).order_by()
        left = WebhookDelivery.objects.filter(status=WebhookStatus.SENDING, lease_until__lte=now).order_by()
        found = {row for rows in (due, left) for row in rows.values_list("company", flat=True).distinct()}
    return sorted(found)


def deliver_turn(company_id: UUID) -> bool:
    """Take one turn for a company; True if more is due at once."""
    company = Company.objects.filter(pk=company_id).first()
    if company is None:
        return False
    end = time.monotonic() + TURN_SECONDS
    with company_scope(company):
        while time.monotonic() < end:
            delivery = _claim(timezone.now())
            if delivery is None:
                return False
            _deliver(delivery)
        return WebhookDelivery.objects.due(timezone.now()).exists()


def nudge(company: UUID) -> None:
    """Tell the workers, without waiting for the broker; the sweep finds what a nudge was lost for."""
    if settings.NUDGE and company not in _nudged:
        _nudged.add(company)
        threading.Thread(target=_publish, args=(company,), name="nudge-webhooks", daemon=True).start()


# Companies whose nudge has not left yet: another one would say the same.
_nudged: set[UUID] = set()


def _publish(company: UUID) -> None:
    from crm.tasks import deliver_webhooks

    _nudged.discard(company)
    try:
        deliver_webhooks.apply_async(args=(str(company),), retry=False)
    except (KombuError, RedisError, OSError) as error:
        logger.warning("The broker is away (%s); the sweep will deliver.", type(error).__name__)


# ── Claim ──────────────────────────────────────────────────────────────────────────────────────────────


def _claim(now: datetime) -> WebhookDelivery | None:
    sending = WebhookDelivery.objects.filter(status=WebhookStatus.SENDING)
    sending.filter(lease_until__lte=now).update(
        status=WebhookStatus.PENDING, lease=None, lease_until=None, next_attempt_at=now
    )
    if sending.exists():
        return None
    pk = WebhookDelivery.objects.due(now).values_list("pk", flat=True).first()
    if pk is None:
        return None
    free = WebhookDelivery.objects.filter(pk=pk, status=WebhookStatus.PENDING)
    lease = uuid4()
    if not free.update(status=WebhookStatus.SENDING, lease=lease, lease_until=now + LEASE):
        return None
    return WebhookDelivery.objects.select_related("hook", "company").filter(lease=lease).first()


# ── Build and send ─────────────────────────────────────────────────────────────────────────────────────


def _deliver(delivery: WebhookDelivery) -> None:
    mine = WebhookDelivery.objects.filter(pk=delivery.pk, lease=delivery.lease)
    delivery.body = delivery.body or _body(delivery)
    if not delivery.body:
        gone = "The record is gone."
        mine.update(status=WebhookStatus.CANCELLED, message=gone, lease=None, lease_until=None)
        return
    with transaction.atomic():
        if not mine.update(body=delivery.body):
            return  # the person was erased meanwhile, or the webhook deleted
        attempt = WebhookAttempt.objects.create(company=delivery.company, delivery=delivery)
    started = time.monotonic()
    result = _send(delivery, timezone.now())
    attempt.duration_ms = round((time.monotonic() - started) * 1000)
    attempt.status_code, attempt.message, attempt.answer = result.status_code, result.message, result.answer
    _settle(delivery, attempt, result, timezone.now())


def _body(delivery: WebhookDelivery) -> str:
    """The record as the API shows it now; empty if it is gone."""
    found = _record(delivery)
    if found is None:
        return ""
    from rest_framework.renderers import JSONRenderer

    whole = {
        "type": delivery.event,
        "timestamp": delivery.happened_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": found,
    }
    return JSONRenderer().render(whole).decode()


def _record(delivery: WebhookDelivery) -> dict[str, Any] | None:
    # Only who sends needs the REST framework.
    from crm.api.deals import DealSerializer
    from crm.api.leads import LeadSerializer

    if delivery.event == TEST_EVENT:
        return {}
    if delivery.subject_id is None:
        return None
    if delivery.event in (WebhookEvent.LEAD_CREATED, WebhookEvent.LEAD_QUALIFIED):
        lead = Lead.objects.for_list().filter(pk=delivery.subject_id).first()
        return {"lead": LeadSerializer(lead).data} if lead else None
    if delivery.event in (WebhookEvent.DEAL_CREATED, WebhookEvent.DEAL_WON, WebhookEvent.DEAL_LOST):
        deal = Deal.objects.for_list().filter(pk=delivery.subject_id).first()
        return {"deal": DealSerializer(deal).data} if deal else None
    shown = next((one for build in conversion_builders if (one := build(delivery.subject_id))), None)
    return {"conversion": shown} if shown else None


def _send(delivery: WebhookDelivery, now: datetime) -> Result:
    body = delivery.body.encode()
    try:
        keys = delivery.hook.secrets(now)
    except vault.VaultError:
        return Result(message="The secret cannot be read. Make a new one.", rest=True)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "LeadMachine-Webhooks/1",
        "Connection": "close",
        **signing.headers(delivery.message_id, int(now.timestamp()), body, keys),
    }
    try:
        reply = way_out().post(delivery.hook.url, body, headers)
    except (outside.NotAllowed, outside.NoReply) as error:
        return Result(message=str(error)[:300], rest=True)
    return _result_of(reply)


def way_out() -> outside.Outside:
    """The way to the addresses of this installation's users."""
    return outside.Outside(loopback=settings.WEBHOOKS_TO_LOOPBACK)


def _result_of(reply: outside.Reply) -> Result:
    kept = "".join(each if each.isprintable() else " " for each in reply.text[:_KEPT_OF_ANSWER])
    message = ""
    if 300 <= reply.status < 400:
        message = f"It answered {reply.status}. Redirects are not followed: enter the address it leads to."
    elif not 200 <= reply.status < 300:
        message = f"It answered {reply.status}."
    asked = int(reply.retry_after) if _is_number(reply.retry_after) else 0
    rest = reply.status == 429 or reply.status >= 500
    return Result(reply.status, message, kept, rest, min(asked, LONGEST_REST) if rest else 0)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


# ── Settle ─────────────────────────────────────────────────────────────────────────────────────────────


def _settle(delivery: WebhookDelivery, attempt: WebhookAttempt, result: Result, now: datetime) -> None:
    """Write back what came of it, if the message is still ours."""
    hook = delivery.hook
    reason = ""
    with transaction.atomic():
        kept = {name: getattr(attempt, name) for name in ("status_code", "message", "answer", "duration_ms")}
        if not WebhookAttempt.objects.filter(pk=attempt.pk).update(**kept):
            return  # the person was erased meanwhile, or the webhook deleted
        columns = _delivered(now) if result.is_delivered else _failed(delivery, result, now)
        if columns["status"] == WebhookStatus.PENDING and not _is_on(hook):
            columns |= {"status": WebhookStatus.FAILED, "message": _("The webhook was switched off.")}
        mine = WebhookDelivery.objects.filter(pk=delivery.pk, lease=delivery.lease)
        if not mine.update(attempts=F("attempts") + 1, lease=None, lease_until=None, **columns):
            return
        _line(hook, result, now)
        if result.status_code == 410:
            reason = "It answered 410: it wants no more messages."
        elif columns["status"] == WebhookStatus.FAILED and _is_dead(hook, delivery):
            reason = f"Nothing got through for three days. The last try: {result.message}"
        if not (reason and webhooks.disable(hook, reason, now)):
            return
        _tell_managers(hook)
    _mail_managers(hook, reason)


def _delivered(now: datetime) -> dict[str, Any]:
    return {"status": WebhookStatus.DELIVERED, "delivered_at": now, "message": ""}


def _failed(delivery: WebhookDelivery, result: Result, now: datetime) -> dict[str, Any]:
    columns: dict[str, Any] = {"message": result.message, "failures": delivery.failures + 1}
    if now >= delivery.expires_at or result.status_code == 410:
        return columns | {"status": WebhookStatus.FAILED}
    wait = RETRIES[min(delivery.failures, len(RETRIES) - 1)] * random.uniform(0.9, 1.1)  # noqa: S311  jitter
    at = min(now + timedelta(seconds=wait), delivery.expires_at)
    return columns | {"status": WebhookStatus.PENDING, "next_attempt_at": at}


def _line(hook: Webhook, result: Result, now: datetime) -> None:
    if result.is_delivered:
        Webhook.objects.filter(pk=hook.pk).update(failures=0, waits_until=None, last_success_at=now)
        return
    rest = result.asked_rest or REST[min(hook.failures, len(REST) - 1)]
    Webhook.objects.filter(pk=hook.pk).update(
        failures=F("failures") + 1,
        waits_until=now + timedelta(seconds=rest) if result.rest else hook.waits_until,
    )


def _is_on(hook: Webhook) -> bool:
    """Whether it is still to be told of anything: somebody may have switched it off while a message was on its way."""
    return Webhook.objects.filter(pk=hook.pk, is_active=True).exists()


def _is_dead(hook: Webhook, delivery: WebhookDelivery) -> bool:
    """Whether nothing at all got through while this message was tried."""
    begun = delivery.expires_at - RETRIED_FOR
    return not Webhook.objects.filter(pk=hook.pk, last_success_at__gt=begun).exists()


def _managers(company: Company) -> list[Membership]:
    able = roles_with(Ability.MANAGE)
    return list(
        Membership.objects.active().filter(role__in=able, user__is_active=True).select_related("user")
    )


def _tell_managers(hook: Webhook) -> None:
    for membership in _managers(hook.company):
        with speaking_to(membership.user, hook.company):
            text = _("The webhook %(hook)s was switched off: nothing gets through.") % {"hook": hook}
        notifications.notify(
            membership.user,
            hook.company,
            NotificationKind.STOPPED,
            text,
            url=reverse("settings_webhook", args=[hook.pk]),
        )


def _mail_managers(hook: Webhook, reason: str) -> None:
    if not settings.MAILS:
        return
    url = f"{settings.PUBLIC_URL}{reverse('settings_webhook', args=[hook.pk])}"
    context = {"hook": hook, "reason": reason, "url": url}
    company = " ".join(hook.company.name.split())
    for membership in _managers(hook.company):
        with speaking_to(membership.user, hook.company):
            text = render_to_string("crm/mails/webhook_off.txt", context)
            subject = _("{company}: a webhook was switched off").format(company=company)
        try:
            send_mail(subject, text, None, [membership.user.email])
        except (SMTPException, OSError) as error:
            logger.warning("A mail did not leave (%s). The notice is in the product.", type(error).__name__)
