"""Holds: what stops the events in its scope, and what lets them go again.

A hold lives on its scope (connection, rule, app) and is written onto every waiting event in it, so that the log
says of each event why it waits. An event carries one holder at a time: connection before app before rule before
lead. Everything here runs in the company's scope and in the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from capi.models import (
    AppHold,
    Connection,
    ConversionEvent,
    ConversionEventQuerySet,
    Endpoint,
    Holdable,
    Holder,
    Rule,
    Status,
)
from capi.wording import sentence
from crm.countries import CONSENT_COUNTRIES
from crm.models import Company, Consent, ConsentPolicy

PROBE_EVERY = timedelta(hours=1)
PAUSED_BY_PERSON = "paused_by_person"


def hold(target: Holdable, reason: str, message: str, now: datetime) -> None:
    """Hold a connection, rule or app. One event an hour tries again, unless a person paused it."""
    target.held_reason, target.held_message = reason, message[:500]
    target.held_since = target.held_since or now
    target.probe_at = None if reason == PAUSED_BY_PERSON else now + PROBE_EVERY
    target.save(update_fields=["held_reason", "held_message", "held_since", "probe_at"])


def clear(target: Holdable) -> None:
    """End the hold itself; `let_go` and `apply` then move the events."""
    target.held_reason = target.held_message = ""
    target.held_since = target.probe_at = None
    target.save(update_fields=["held_reason", "held_message", "held_since", "probe_at"])


def hold_app(endpoint: str, reason: str, message: str, now: datetime) -> None:
    """Hold everything sent to an endpoint: it refuses our API version."""
    app, _ = AppHold.objects.get_or_create(
        endpoint=endpoint, defaults={"linkedin_version": settings.LINKEDIN_VERSION}
    )
    app.linkedin_version = settings.LINKEDIN_VERSION
    app.save(update_fields=["linkedin_version"])
    hold(app, reason, message, now)


def app_hold(endpoint: str) -> AppHold | None:
    """The hold of an endpoint, if there is one. A new LINKEDIN_VERSION since then has ended it."""
    app = AppHold.objects.filter(endpoint=endpoint).exclude(held_reason="").first()
    if app and app.linkedin_version != settings.LINKEDIN_VERSION:
        clear(app)
        return None
    return app


def apply(connection: Connection | None, now: datetime) -> None:
    """Bring the waiting events in line with the holds there are: hold what must wait, free what need not."""
    app = app_hold(connection.endpoint if connection else Endpoint.LINKEDIN)
    if app is None:
        let_go(ConversionEvent.objects.filter(held_by=Holder.APP), now)
    waiting = ConversionEvent.objects.filter(is_test=False)
    if connection is None or not connection.token_sealed:
        _hold_events(waiting, Holder.CONNECTION, "no_token", sentence("no_token"), now)
        return
    if connection.is_held:
        _hold_events(waiting, Holder.CONNECTION, connection.held_reason, connection.held_message, now)
        return
    let_go(ConversionEvent.objects.filter(held_by=Holder.CONNECTION), now)
    if app:
        _hold_events(waiting, Holder.APP, app.held_reason, app.held_message, now)
        return
    for rule in Rule.objects.exclude(held_reason=""):
        _hold_events(waiting.filter(rule=rule), Holder.RULE, rule.held_reason, rule.held_message, now)
    let_go(ConversionEvent.objects.filter(held_by=Holder.RULE, rule__held_reason=""), now)


def let_go(events: ConversionEventQuerySet, now: datetime) -> int:
    """Make held events due now; what is still settling keeps its time."""
    return events.filter(status=Status.HELD).update(
        status=Status.PENDING,
        held_by="",
        reason="",
        message="",
        next_attempt_at=Greatest(Coalesce(F("settles_at"), Value(now)), Value(now)),
        changed_at=now,
    )


def let_go_of_consented(company: Company, now: datetime) -> int:
    """Free what waited for consent and need not any more: it was given, or the company's policy changed."""
    held = ConversionEvent.objects.filter(status=Status.HELD, held_by=Holder.LEAD)
    free = Q(told_lead__consent=Consent.GRANTED)
    if company.consent_policy == ConsentPolicy.SEND:
        free |= Q(told_lead__consent=Consent.UNKNOWN)
    if company.consent_policy == ConsentPolicy.HOLD_EUROPE:
        outside = ~Q(told_lead__country_code__in=["", *CONSENT_COUNTRIES])
        free |= Q(told_lead__consent=Consent.UNKNOWN) & outside
    return let_go(ConversionEvent.objects.filter(pk__in=held.filter(free).values("pk")), now)


def _hold_events(
    events: ConversionEventQuerySet, holder: Holder, reason: str, message: str, now: datetime
) -> None:
    lower = Q(status=Status.PENDING) | Q(status=Status.HELD) & ~Q(held_by=holder, reason=reason)
    if holder == Holder.RULE:
        lower = Q(status=Status.PENDING)
    events.filter(lower).update(
        status=Status.HELD, held_by=holder, reason=reason, message=message[:500], changed_at=now
    )
