"""Writes down what LinkedIn must be told: one row for each rule that listens, in the transaction of the fact.

Recording decides nothing about the person: consent, identifiers and conditions are looked at when the event is
sent. A second recording of the same fact is a no-op, held by the unique event id.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from capi import holds, nudge, payload, telling
from capi.models import (
    WAITING,
    Connection,
    ConversionEvent,
    ConversionEventQuerySet,
    CrmEvent,
    Holder,
    Lane,
    Repeat,
    Rule,
    Status,
    ValuePolicy,
)
from capi.wording import sentence
from crm.models import Company, Deal, Lead, StageKind

SETTLING = (CrmEvent.DEAL_WON, CrmEvent.DEAL_LOST)
TEST_EVENT_LIVES = timedelta(hours=1)


@dataclass(frozen=True)
class Occasion:
    """A fact of the CRM, ready to be recorded. `at` is when it became true; `subject` is the lead or the deal."""

    event: CrmEvent
    company: Company
    at: datetime
    occurrence: int
    lead: Lead | None
    deal: Deal | None = None
    is_old_news: bool = False
    """Whether it was known long before it is recorded (backfill); such events do not settle."""


# A rule with a fact that it is told of.
Told = tuple[Rule, Occasion]


def record(occasion: Occasion) -> list[ConversionEvent]:
    """Record an event for each active rule that listens; returns those that are new."""
    rows = _rows(_listening([occasion]))
    new = _new(rows)
    _insert(rows)
    telling.tell_of_new(new)
    return new


def record_all(occasions: Sequence[Occasion]) -> None:
    """As `record`, for many facts of one company in a fixed number of queries."""
    _record(_listening(occasions))


def record_old(rule: Rule, occasions: Sequence[Occasion]) -> None:
    """As `record_all`, for one rule, which did not listen then."""
    _record([(rule, occasion) for occasion in occasions])


def _record(pairs: Sequence[Told]) -> None:
    rows = _rows(pairs)
    # Webhooks are told of those that wait for nothing any more; the others are not looked up.
    told = _new([row for row in rows if row.status != Status.PENDING])
    _insert(rows)
    telling.tell_of_new(told)


def _new(rows: Sequence[ConversionEvent]) -> list[ConversionEvent]:
    """Those that are not recorded yet."""
    known = set(
        ConversionEvent.objects.filter(event_id__in=[row.event_id for row in rows]).values_list(
            "conversion_id", "event_id"
        )
    )
    return [row for row in rows if (row.conversion_id, row.event_id) not in known]


def _insert(rows: Sequence[ConversionEvent]) -> None:
    if rows:
        ConversionEvent.objects.bulk_create(rows, ignore_conflicts=True)
        nudge.on_commit(rows[0].company_id)


def _rows(pairs: Sequence[Told]) -> list[ConversionEvent]:
    """What is to be recorded, unless it is known."""
    reported = _reported(pairs)
    told = [(rule, occasion) for rule, occasion in pairs if _subject(rule, occasion) not in reported]
    if not told:
        return []
    now, hold = timezone.now(), _Hold.at_recording()
    return [_row(rule, occasion, hold.of(rule), now) for rule, occasion in told]


def _listening(occasions: Sequence[Occasion]) -> list[Told]:
    """Each rule with the facts that it listens to; rules are asked for once for each kind of event."""
    events = dict.fromkeys(occasion.event for occasion in occasions)
    rules = {event: list(Rule.objects.listening_to(event)) for event in events}
    return [(rule, occasion) for occasion in occasions for rule in rules[occasion.event]]


def reissue(event: ConversionEvent, rule: Rule, now: datetime) -> ConversionEvent | None:
    """Replace an event by one for the rule's new conversion id: same fact, time and value, new event id.

    None if the event was accepted, is on its way, or may have been stored: those keep their conversion.
    """
    replaced = ConversionEvent.objects.filter(
        pk=event.pk,
        status__in=(Status.PENDING, Status.HELD, Status.REJECTED),
        unknown_outcomes=0,
        is_test=False,
        erasure=None,
    ).update(
        status=Status.CANCELLED,
        held_by="",
        reason="rule_changed",
        message=sentence("rule_changed"),
        changed_at=now,
    )
    subject = event.deal_id or event.lead_id
    if not replaced or subject is None:
        return None
    row = ConversionEvent(
        company_id=event.company_id,
        rule=rule,
        event=event.event,
        conversion_id=rule.conversion_id,
        event_id=_event_id(rule, event.event, event.lead, event.deal, event.occurrence),
        lead_id=event.lead_id,
        deal_id=event.deal_id,
        occurrence=event.occurrence,
        happened_at=event.happened_at,
        value=event.value,
        currency=event.currency,
        lane=event.lane,
        settles_at=event.settles_at,
        next_attempt_at=max(now, event.settles_at or now),
        expires_at=event.expires_at,
    )
    if former := _back_again(row, now):
        return former
    ConversionEvent.objects.bulk_create([row], ignore_conflicts=True)
    return row


def _back_again(row: ConversionEvent, now: datetime) -> ConversionEvent | None:
    """The row that the rule's conversion id had before it was changed and changed back: only it may have this id."""
    former = ConversionEvent.objects.filter(
        conversion_id=row.conversion_id,
        event_id=row.event_id,
        status=Status.CANCELLED,
        reason="rule_changed",
        unknown_outcomes=0,
        erasure=None,
    ).first()
    if former is None:
        return None
    ConversionEvent.objects.filter(pk=former.pk).update(
        rule=row.rule,
        status=Status.PENDING,
        reason="",
        message="",
        settles_at=row.settles_at,
        next_attempt_at=row.next_attempt_at,
        expires_at=row.expires_at,
        # LinkedIn never stored it, so the person may be described anew.
        element="",
        identifiers=[],
        told_lead=None,
        failures=0,
        batch_key=None,
        is_suspect=False,
        changed_at=now,
    )
    return ConversionEvent.objects.get(pk=former.pk)


def cancel_waiting(events: ConversionEventQuerySet, reason: str, now: datetime) -> int:
    """Cancel what still waits among these events; what is on its way or settled stays."""
    waiting = events.filter(status__in=WAITING)
    return waiting.update(
        status=Status.CANCELLED, held_by="", reason=reason, message=sentence(reason), changed_at=now
    )


def cancel_overtaken(events: ConversionEventQuerySet, now: datetime) -> None:
    """What was undone while it was on its way could not be stopped then; now that it waits again, it is."""
    cancel_waiting(events.exclude(rule__deleted_at=None), "rule_deleted", now)
    of_deals = events.filter(is_test=False).exclude(deal=None)
    for event, kind in ((CrmEvent.DEAL_WON, StageKind.WON), (CrmEvent.DEAL_LOST, StageKind.LOST)):
        cancel_waiting(of_deals.filter(event=event).exclude(deal__status=kind), "undone", now)


def record_test(rule: Rule, now: datetime) -> ConversionEvent:
    """A test event: a synthetic person, no value, sent at once whatever is held or settling."""
    event = _test_row(rule, secrets.token_hex(16), now)
    event.save()
    nudge.on_commit(rule.company_id)
    return event


def preview_test(rule: Rule, now: datetime) -> str:
    """The element a test event would have now; its event id differs at every press."""
    return _test_row(rule, secrets.token_hex(16), now).element


def value_of(rule: Rule, deal: Deal | None) -> tuple[Decimal | None, str]:
    """What the rule reports: amount and currency, or (None, "") where there is nothing above zero to report."""
    amount, currency = None, ""
    if rule.value == ValuePolicy.FIXED:
        amount, currency = rule.fixed_amount, rule.fixed_currency
    elif rule.value == ValuePolicy.DEAL_AMOUNT and deal is not None:
        amount, currency = deal.amount, deal.currency
    return (amount, currency) if amount and amount > 0 and currency else (None, "")


@dataclass(frozen=True)
class _Hold:
    """What a new event would wait for, read once for all rules."""

    everything: tuple[str, str, str] | None

    @classmethod
    def at_recording(cls) -> _Hold:
        connection = Connection.objects.first()
        if connection is None or not connection.token_sealed:
            return cls((Holder.CONNECTION, "no_token", sentence("no_token")))
        if connection.is_held:
            return cls((Holder.CONNECTION, connection.held_reason, connection.held_message))
        app = holds.app_hold(connection.endpoint)
        return cls((Holder.APP, app.held_reason, app.held_message) if app else None)

    def of(self, rule: Rule) -> tuple[str, str, str] | None:
        if self.everything is None and rule.is_held:
            return (Holder.RULE, rule.held_reason, rule.held_message)
        return self.everything


def _row(rule: Rule, occasion: Occasion, hold: tuple[str, str, str] | None, now: datetime) -> ConversionEvent:
    value, currency = value_of(rule, occasion.deal)
    settles_at = None
    if occasion.event in SETTLING and not occasion.is_old_news and occasion.company.settle_minutes:
        settles_at = now + timedelta(minutes=occasion.company.settle_minutes)
    row = ConversionEvent(
        company=occasion.company,
        rule=rule,
        event=occasion.event,
        conversion_id=rule.conversion_id,
        event_id=_event_id(rule, occasion.event, occasion.lead, occasion.deal, occasion.occurrence),
        lead=occasion.lead,
        deal=occasion.deal,
        occurrence=occasion.occurrence,
        happened_at=occasion.at,
        value=value,
        currency=currency,
        lane=Lane.BACKFILL if occasion.is_old_news else Lane.LIVE,
        settles_at=settles_at,
        next_attempt_at=settles_at or now,
        expires_at=payload.deadline(occasion.at),
    )
    if payload.too_old_to_record(occasion.at, now):
        row.status, row.reason, row.message = Status.EXPIRED, "too_old", sentence("too_old")
    elif hold:
        row.status = Status.HELD
        row.held_by, row.reason, row.message = hold
    return row


def _event_id(rule: Rule, event: str, lead: Lead | None, deal: Deal | None, occurrence: int) -> str:
    """The browser's id for a lead's creation, so that LinkedIn can drop it against the Insight Tag; else derived."""
    if event == CrmEvent.LEAD_CREATED and lead is not None and lead.browser_event_id:
        return lead.browser_event_id
    subject = deal or lead
    if subject is None:
        raise ValueError("An event needs a lead or a deal.")
    return payload.event_id(rule.company_id, rule.conversion_id, event, subject.pk, occurrence)


def _reported(told: Sequence[Told]) -> set[tuple[UUID, str, UUID | None]]:
    """The outcomes of deals that `once` rules have told of already; what was undone does not count."""
    once = [(rule, occasion.deal) for rule, occasion in told if rule.repeat == Repeat.ONCE and occasion.deal]
    if not once:
        return set()
    earlier = ConversionEvent.objects.filter(
        rule__in={rule.pk for rule, _ in once}, deal__in={deal.pk for _, deal in once}, is_test=False
    ).exclude(status=Status.CANCELLED)
    return set(earlier.values_list("rule_id", "event", "deal_id"))


def _subject(rule: Rule, occasion: Occasion) -> tuple[UUID, str, UUID | None] | None:
    """What `_reported` knows an outcome by; None where telling twice is right."""
    if rule.repeat != Repeat.ONCE or occasion.deal is None:
        return None
    return rule.pk, occasion.event, occasion.deal.pk


def _test_row(rule: Rule, nonce: str, now: datetime) -> ConversionEvent:
    event_id = payload.test_event_id(nonce)
    facts = payload.Facts(rule.conversion_id, event_id, now)
    person = payload.Person(email=f"test-{nonce[:12]}@leadmachine.example")
    element = payload.build(facts, person, enhanced=False, version="")
    return ConversionEvent(
        company_id=rule.company_id,
        rule=rule,
        event=rule.event,
        conversion_id=rule.conversion_id,
        event_id=event_id,
        happened_at=now,
        is_test=True,
        next_attempt_at=now,
        expires_at=now + TEST_EVENT_LIVES,
        element=element.text,
        identifiers=list(element.identifiers),
    )
