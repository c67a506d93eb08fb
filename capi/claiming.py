"""Takes what is due: which events go next, under a lease that only its taker can write back.

A claim is one short transaction that locks the company's connection row, so that claims of one company come one
after the other, and marks the chosen events with a random lease by conditional UPDATE. Nothing stays locked while
LinkedIn is spoken to. Who comes back after the lease has ended finds it gone, and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from capi import erasing, holds, recording
from capi.models import (
    Attempt,
    AttemptOutcome,
    Connection,
    ConversionEvent,
    ConversionEventQuerySet,
    Delivery,
    Holdable,
    Holder,
    Lane,
    Rule,
    Status,
)
from capi.wording import sentence
from crm.models import Company

LEASE_SECONDS = 90
LIVE_BATCH = 100
BACKFILL_BATCH = 500
REQUESTS_PER_SECOND = 8.0
BURST = 20.0

BatchKind = Literal["normal", "probe", "test"]


@dataclass(frozen=True)
class Batch:
    """Events taken together. `lease` is also the id of their attempt. A probe tries whether a hold is over."""

    lease: UUID
    kind: BatchKind
    connection: Connection
    company: Company
    events: list[ConversionEvent]


@dataclass(frozen=True)
class Nothing:
    """Nothing to take now; `soon` if only the token bucket is empty."""

    soon: bool = False


def claim(company: Company, now: datetime, *, tidy_first: bool = True) -> Batch | Nothing:
    """Take the next batch of a company whose scope is open; `tidy_first` puts its house in order before."""
    with transaction.atomic():
        connection = Connection.objects.select_for_update(skip_locked=True).first()
        if connection is None and Connection.objects.exists():
            return Nothing()  # another worker claims or settles right now, and goes on by itself
        if tidy_first:
            tidy(company, connection, now)
        if connection is None or not connection.token_sealed:
            return Nothing()
        if _is_on_its_way(now):
            return Nothing()
        kind, ids = _choose(connection, now)
        if not ids:
            return Nothing()
        if not _take_token(connection, now):
            return Nothing(soon=True)
        lease = uuid4()
        free = ConversionEvent.objects.filter(pk__in=ids, status__in=(Status.PENDING, Status.HELD))
        free.filter(erasure=None, expires_at__gt=now).update(
            status=Status.SENDING,
            held_by="",
            lease=lease,
            lease_until=now + timedelta(seconds=LEASE_SECONDS),
            changed_at=now,
        )
        events = list(
            ConversionEvent.objects.filter(lease=lease)
            .select_related("rule")
            .order_by("next_attempt_at", "id")
        )
    return Batch(lease, kind, connection, company, events) if events else Nothing()


def tidy(company: Company, connection: Connection | None, now: datetime) -> None:
    """Take back ended leases, expire what is too old, and bring events in line with holds and consent."""
    _take_back(company, now)
    _expire(now)
    holds.apply(connection, now)
    holds.let_go_of_consented(company, now)


def _take_back(company: Company, now: datetime) -> None:
    """Events whose taker died. If their request had been noted, LinkedIn may have them: the outcome is unknown."""
    ended = ConversionEvent.objects.filter(status=Status.SENDING, lease_until__lte=now)
    leases = [lease for lease in ended.order_by().values_list("lease", flat=True).distinct() if lease]
    if not leases:
        return
    ids = list(ended.values_list("pk", flat=True))
    message = sentence("no_answer")
    noted = Attempt.objects.filter(pk__in=leases, answered_at=None)
    left = list(noted.values_list("pk", flat=True))
    noted.update(answered_at=now, outcome=AttemptOutcome.UNKNOWN, message=message)
    maybe_stored = Q(lease__in=left)
    ended.update(
        status=Status.PENDING,
        lease=None,
        lease_until=None,
        next_attempt_at=now,
        unknown_outcomes=F("unknown_outcomes") + Case(When(maybe_stored, then=1), default=0),
        reason=Case(When(maybe_stored, then=Value("no_answer")), default=Value("")),
        message=Case(When(maybe_stored, then=Value(message)), default=Value("")),
        changed_at=now,
    )
    recording.cancel_overtaken(ConversionEvent.objects.filter(pk__in=ids), now)
    erasing.close(ConversionEvent.objects.filter(status=Status.PENDING), company, now)


def _expire(now: datetime) -> None:
    ConversionEvent.objects.waiting().filter(expires_at__lte=now).update(
        status=Status.EXPIRED, held_by="", reason="too_old", message=sentence("too_old"), changed_at=now
    )


def _is_on_its_way(now: datetime) -> bool:
    """One batch of a company at a time: whatever dies, at most that one may have to be sent twice."""
    return ConversionEvent.objects.filter(status=Status.SENDING, lease_until__gt=now).exists()


def _choose(connection: Connection, now: datetime) -> tuple[BatchKind, list[UUID]]:
    tests = list(ConversionEvent.objects.due(now).filter(is_test=True).values_list("pk", flat=True)[:1])
    if tests:
        return "test", tests
    app = holds.app_hold(connection.endpoint)
    for holder, target in ((Holder.CONNECTION, connection), (Holder.APP, app)):
        if target is not None and target.is_held:
            return "probe", _probe_of_hold(ConversionEvent.objects.filter(held_by=holder), target, now)
    if connection.waits_until and connection.waits_until > now:
        return "normal", []
    if connection.breaker_open:
        return "probe", _probe_of_breaker(connection, now)
    if probe := _probe_of_rules(now):
        return "probe", probe
    return "normal", _next_due(now)


def _probe_of_hold(held: ConversionEventQuerySet, target: Holdable, now: datetime) -> list[UUID]:
    """Once an hour the event with the most time left tries; it has the least to lose."""
    if target.probe_at is None or target.probe_at > now:
        return []
    target.probe_at = now + holds.PROBE_EVERY
    target.save(update_fields=["probe_at"])
    newest = held.filter(status=Status.HELD, is_test=False).order_by("-expires_at", "-id")
    return list(newest.values_list("pk", flat=True)[:1])


def _probe_of_rules(now: datetime) -> list[UUID]:
    rule = Rule.objects.exclude(held_reason="").filter(probe_at__lte=now).order_by("probe_at").first()
    if rule is None:
        return []
    return _probe_of_hold(ConversionEvent.objects.filter(held_by=Holder.RULE, rule=rule), rule, now)


def _probe_of_breaker(connection: Connection, now: datetime) -> list[UUID]:
    """One event, and not one of the failing batch if there is another: it may be that batch that is poison."""
    due = ConversionEvent.objects.due(now)
    failed = Delivery.objects.filter(attempt=connection.failing_attempt).values("event")
    ids = list(due.exclude(pk__in=failed).values_list("pk", flat=True)[:1])
    return ids or list(due.values_list("pk", flat=True)[:1])


def bucket_level(connection: Connection, now: datetime) -> float:
    """How many requests the connection may send at once."""
    elapsed = max((now - connection.bucket_at).total_seconds(), 0)
    return min(BURST, connection.bucket + elapsed * REQUESTS_PER_SECOND)


def _take_token(connection: Connection, now: datetime) -> bool:
    """Spend one of the requests LinkedIn allows; the row is locked, so no two claims spend the same one."""
    level = bucket_level(connection, now)
    if level < 1:
        return False
    connection.bucket, connection.bucket_at = level - 1, now
    connection.save(update_fields=["bucket", "bucket_at"])
    return True


def _next_due(now: datetime) -> list[UUID]:
    """The oldest due event and what may travel with it: its own kind if it has a batch key, else all without.

    What somebody else holds a lock on, such as an administrator in an open transaction, is passed by.
    """
    due = ConversionEvent.objects.due(now).select_for_update(skip_locked=True, no_key=True)
    head = due.first()
    if head is None:
        return []
    limit = BACKFILL_BATCH if head.lane == Lane.BACKFILL else LIVE_BATCH
    together = due.filter(batch_key=head.batch_key, lane=head.lane, is_test=False)
    return list(together.values_list("pk", flat=True)[:limit])
