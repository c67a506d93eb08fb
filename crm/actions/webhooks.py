"""Webhooks: the only door for where they go, and the rows of what they are told, in the transaction of the fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, outside, signals, signing
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import Company, Webhook, WebhookDelivery, WebhookDeliveryQuerySet, WebhookEvent, WebhookStatus
from crm.models.webhook import RETRIED_FOR, TEST_EVENT
from crm.signals import DealFact, LeadFact
from crm.texts import told_again

MOST_WEBHOOKS: Final = 20
BOTH_SECRETS_FOR: Final = timedelta(hours=24)
LOG_KEPT_FOR: Final = timedelta(days=30)


class WebhookChanges(TypedDict, total=False):
    """What can be said of a webhook."""

    url: str
    description: str
    events: list[str]
    is_active: bool


@dataclass(frozen=True)
class NewSecret:
    """A webhook with its secret in clear: shown this once, and never again."""

    hook: Webhook
    secret: str


@dataclass(frozen=True)
class Happening:
    """Something that webhooks may want to be told."""

    event: str
    at: datetime
    subject_id: UUID
    lead_id: UUID | None


# ── Where they go ──────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def add_webhook(company: Company, changes: WebhookChanges, actor: Actor) -> NewSecret:
    """A new address. Raises ValidationError per field, Conflict where there are enough."""
    Company.objects.select_for_update().get(pk=company.pk)
    if Webhook.objects.count() >= MOST_WEBHOOKS:
        raise Conflict(_("There are enough webhooks. Delete one first."), code="too_many")
    hook = Webhook(company=company, created_by=actor.user)
    _set(hook, {"url": "", "events": [], **changes})
    secret = signing.new_secret()
    hook.seal(secret)
    hook.save()
    audit.record(actor, "webhook_added", hook, company=company)
    return NewSecret(hook, secret)


@transaction.atomic
def change_webhook(hook: Webhook, changes: WebhookChanges, actor: Actor) -> Webhook:
    """Change what is named. Switched on again, it starts afresh. Raises ValidationError per field."""
    hook = Webhook.objects.select_for_update().get(pk=hook.pk)
    before = _told(hook)
    _set(hook, changes)
    if changes.get("is_active") or "url" in changes:
        hook.failures, hook.waits_until = 0, None
    if changes.get("is_active"):
        hook.disabled_at, hook.disabled_reason = None, ""
    hook.save()
    if not hook.is_active:
        close(hook, _("The webhook was switched off."))
    audit.record(
        actor,
        "webhook_changed",
        hook,
        company=hook.company,
        changes=audit.differences(before, _told(hook)),
    )
    return hook


@transaction.atomic
def delete_webhook(hook: Webhook, actor: Actor) -> None:
    """Delete the address with its log."""
    audit.record(actor, "webhook_deleted", hook, company=hook.company)
    hook.delete()


@transaction.atomic
def rotate_secret(hook: Webhook, actor: Actor) -> NewSecret:
    """A new secret. For a day the one before signs as well, so that the receiver can change over."""
    hook = Webhook.objects.select_for_update().get(pk=hook.pk)
    secret = signing.new_secret()
    hook.earlier_sealed, hook.earlier_until = hook.secret_sealed, timezone.now() + BOTH_SECRETS_FOR
    hook.seal(secret)
    hook.save(update_fields=["secret_sealed", "earlier_sealed", "earlier_until"])
    audit.record(actor, "webhook_rotated", hook, company=hook.company)
    return NewSecret(hook, secret)


def disable(hook: Webhook, reason: str, now: datetime) -> bool:
    """Switch off what nobody answers at; what waits for it has failed, and can be replayed. False if it was off."""
    switched = Webhook.objects.filter(pk=hook.pk, is_active=True).update(
        is_active=False, disabled_at=now, disabled_reason=reason[:300]
    )
    if switched:
        close(hook, _("The webhook was switched off."))
    return bool(switched)


def close(hook: Webhook, message: str) -> None:
    """What waits for this address is not sent any more."""
    waiting = WebhookDelivery.objects.filter(hook=hook, status=WebhookStatus.PENDING)
    waiting.update(status=WebhookStatus.FAILED, message=message)


# ── What they are told ─────────────────────────────────────────────────────────────────────────────────


def is_wanted(event: str) -> bool:
    """Whether any webhook of the company whose scope is open wants to be told of it."""
    return bool(Webhook.objects.listening_to({event}))


def tell(company: UUID, happenings: Sequence[Happening]) -> int:
    """Write a message for each webhook that wants one; they leave after the commit. Returns how many."""
    hooks = Webhook.objects.listening_to({happening.event for happening in happenings})
    now = timezone.now()
    rows = [
        WebhookDelivery(
            company_id=company,
            hook=hook,
            event=happening.event,
            lead_id=happening.lead_id,
            subject_id=happening.subject_id,
            happened_at=happening.at,
            next_attempt_at=now,
            expires_at=now + RETRIED_FOR,
            created_at=now,
        )
        for happening in happenings
        for hook in hooks
        if happening.event in hook.events
    ]
    if rows:
        WebhookDelivery.objects.bulk_create(rows, batch_size=500)
        nudge(company)
    return len(rows)


def send_test(hook: Webhook) -> WebhookDelivery:
    """A message that says nothing, to see whether it arrives. Raises Conflict where the webhook is off."""
    _check_on(hook)
    now = timezone.now()
    row = WebhookDelivery.objects.create(
        company_id=hook.company_id, hook=hook, event=TEST_EVENT, happened_at=now, expires_at=now + RETRIED_FOR
    )
    nudge(hook.company_id)
    return row


@transaction.atomic
def replay(delivery: WebhookDelivery, actor: Actor) -> WebhookDelivery:
    """Send a message again, with the id it had. Raises Conflict while it waits, or where the webhook is off."""
    _check_on(delivery.hook)
    if not _send_again(WebhookDelivery.objects.filter(pk=delivery.pk)):
        raise Conflict(_("This message is on its way already."), code="not_ended")
    audit.record(actor, "webhook_replayed", delivery.hook, company=delivery.company)
    return WebhookDelivery.objects.get(pk=delivery.pk)


@transaction.atomic
def replay_failed(hook: Webhook, since: datetime, actor: Actor) -> int:
    """Send again what has failed since then; returns how many. Raises Conflict where the webhook is off."""
    _check_on(hook)
    failed = WebhookDelivery.objects.filter(hook=hook, status=WebhookStatus.FAILED, created_at__gte=since)
    count = _send_again(failed)
    audit.record(actor, "webhook_replayed", hook, company=hook.company, changes={"count": (None, count)})
    return count


def forget_old(now: datetime) -> int:
    """The log of the company whose scope is open is kept for a month; returns how many rows went."""
    old = WebhookDelivery.objects.filter(created_at__lt=now - LOG_KEPT_FOR).exclude(
        status__in=(WebhookStatus.PENDING, WebhookStatus.SENDING)
    )
    return old.delete()[0]


def nudge(company: UUID) -> None:
    """Tell the workers after the commit; never if it is rolled back."""
    from crm import webhook_delivery

    transaction.on_commit(lambda: webhook_delivery.nudge(company), robust=True)


@receiver(signals.lead_created, dispatch_uid="webhooks.lead_created")
def on_lead_created(sender: type, fact: LeadFact, **kwargs: Any) -> None:
    _tell_of_lead(WebhookEvent.LEAD_CREATED, fact)


@receiver(signals.lead_qualified, dispatch_uid="webhooks.lead_qualified")
def on_lead_qualified(sender: type, fact: LeadFact, **kwargs: Any) -> None:
    _tell_of_lead(WebhookEvent.LEAD_QUALIFIED, fact)


@receiver(signals.deal_created, dispatch_uid="webhooks.deal_created")
def on_deal_created(sender: type, fact: DealFact, **kwargs: Any) -> None:
    _tell_of_deal(WebhookEvent.DEAL_CREATED, fact)


@receiver(signals.deal_won, dispatch_uid="webhooks.deal_won")
def on_deal_won(sender: type, fact: DealFact, **kwargs: Any) -> None:
    _tell_of_deal(WebhookEvent.DEAL_WON, fact)


@receiver(signals.deal_lost, dispatch_uid="webhooks.deal_lost")
def on_deal_lost(sender: type, fact: DealFact, **kwargs: Any) -> None:
    _tell_of_deal(WebhookEvent.DEAL_LOST, fact)


def _tell_of_lead(event: str, fact: LeadFact) -> None:
    """Sample records stay where they are."""
    if not fact.lead.is_sample:
        happening = Happening(event, fact.at, fact.lead.pk, fact.lead.pk)
        signals.gather(_tell_all, (fact.lead.company_id, happening))


def _tell_of_deal(event: str, fact: DealFact) -> None:
    if not fact.deal.is_sample:
        happening = Happening(event, fact.at, fact.deal.pk, fact.deal.lead_id)
        signals.gather(_tell_all, (fact.deal.company_id, happening))


def _tell_all(told: Sequence[tuple[UUID, Happening]]) -> None:
    """All of one company: whose scope is open."""
    tell(told[0][0], [happening for _company, happening in told])


def _send_again(rows: WebhookDeliveryQuerySet) -> int:
    now = timezone.now()
    ended = rows.exclude(status__in=(WebhookStatus.PENDING, WebhookStatus.SENDING))
    hook_ids = set(ended.order_by().values_list("hook", flat=True).distinct())
    count = ended.update(
        status=WebhookStatus.PENDING,
        message="",
        next_attempt_at=now,
        expires_at=now + RETRIED_FOR,
        failures=0,
        delivered_at=None,
    )
    for hook in Webhook.objects.filter(pk__in=hook_ids):
        Webhook.objects.filter(pk=hook.pk).update(waits_until=None)
        nudge(hook.company_id)
    return count


def _check_on(hook: Webhook) -> None:
    if not hook.is_active:
        raise Conflict(_("This webhook is off. Switch it on first."), code="webhook_off")


def _told(hook: Webhook) -> dict[str, object]:
    return {"url": hook.url, "events": tuple(hook.events), "is_active": hook.is_active}


def _set(hook: Webhook, changes: WebhookChanges) -> None:
    errors = {}
    if "url" in changes:
        hook.url = changes["url"].strip()
        try:
            outside.target_of(hook.url, loopback=settings.WEBHOOKS_TO_LOOPBACK)
        except outside.NotAllowed as error:
            errors["url"] = told_again(str(error))
    if "events" in changes:
        unknown = [event for event in changes["events"] if event not in WebhookEvent.values]
        if unknown or not changes["events"]:
            errors["events"] = _("Choose at least one of %(events)s.") % {
                "events": ", ".join(WebhookEvent.values)
            }
        hook.events = [event for event in WebhookEvent.values if event in changes["events"]]
    if "description" in changes:
        hook.description = " ".join(changes["description"].split())
    if "is_active" in changes:
        hook.is_active = changes["is_active"]
    if errors:
        raise ValidationError(errors)
    hook.clean_fields(exclude=["company", "secret_sealed"])
