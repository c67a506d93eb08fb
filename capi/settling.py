"""Writes back what an answer means: for every event of the batch, its attempt, its connection and its holds.

Everything is one transaction, and events are only written where the lease is still ours. An answer that comes after the
lease is a note in the log: what it says of the line, the token or a rule is of another time.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F

from capi import erasing, holds, outcome, recording
from capi.claiming import Batch
from capi.models import (
    Attempt,
    AttemptOutcome,
    Connection,
    ConversionEvent,
    Delivery,
    Holder,
    Rule,
    Status,
)
from capi.outcome import Outcome, Pause, Verdict
from capi.wording import sentence

_ATTEMPT_OUTCOMES = {
    "accepted": AttemptOutcome.ACCEPTED,
    "rejected": AttemptOutcome.REJECTED,
    "expired": AttemptOutcome.EXPIRED,
    "resend": AttemptOutcome.NOT_STORED,
    "isolate": AttemptOutcome.NOT_STORED,
    "held": AttemptOutcome.HELD,
    "retry": AttemptOutcome.RETRY,
    "unknown": AttemptOutcome.UNKNOWN,
}
_FINAL = {"accepted": Status.ACCEPTED, "rejected": Status.REJECTED, "expired": Status.EXPIRED}


def settle(
    batch: Batch,
    events: Sequence[ConversionEvent],
    found: Outcome,
    now: datetime,
    *,
    status_code: int | None,
    duration_ms: int,
) -> None:
    """Apply the outcome to `events`, the part of the batch that was really sent, in the order sent."""
    with transaction.atomic():
        connection = Connection.objects.select_for_update().get(pk=batch.connection.pk)
        found = _blame_suspects(connection, events, found)
        verdicts = [_for_test(event, verdict) for event, verdict in zip(events, found.verdicts, strict=True)]
        _answer(batch, events, verdicts, found, now, status_code, duration_ms)
        sent = ConversionEvent.objects.filter(pk__in=[event.pk for event in events])
        if ConversionEvent.objects.filter(lease=batch.lease).exists():
            _write_verdicts(batch.lease, events, verdicts, found, now)
            _hold(connection, batch, events, found, now)
            _line(connection, batch, found, now)
            over = _is_over(batch, found)
            if over:
                _release_probed(connection, events, found)
            if over or found.hold:
                holds.apply(connection, now)
            if any(verdict.kind not in _FINAL for verdict in verdicts):
                recording.cancel_overtaken(sent, now)
        erasing.close(sent, batch.company, now)


def _for_test(event: ConversionEvent, verdict: Verdict) -> Verdict:
    """A test event is answered once and for all: nobody wants it sent when its cause is mended."""
    if not event.is_test:
        return verdict
    if verdict.kind in ("held", "resend", "isolate", "expired"):
        return replace(verdict, kind="rejected")
    # It does not wait for the line, so it needs waits of its own.
    return replace(verdict, charged=verdict.kind in ("retry", "unknown"))


def _blame_suspects(connection: Connection, events: Sequence[ConversionEvent], found: Outcome) -> Outcome:
    """A batch that fails while others go through is not LinkedIn's outage: take it apart, and charge the last one."""
    is_outage = found.pause is None or found.pause.kind != "failure" or connection.failures > 0
    if is_outage or not all(event.is_suspect for event in events):
        return found
    if len(events) > 1:
        if any(verdict.kind == "unknown" for verdict in found.verdicts):
            return found
        isolated = tuple(replace(verdict, kind="isolate") for verdict in found.verdicts)
        return replace(found, verdicts=isolated, split="halves", pause=None)
    verdict = found.verdicts[0]
    charged = verdict if verdict.kind == "unknown" else Verdict("retry", "event_fault", verdict.message)
    return replace(found, verdicts=(replace(charged, charged=True),), pause=None)


def _answer(
    batch: Batch,
    events: Sequence[ConversionEvent],
    verdicts: Sequence[Verdict],
    found: Outcome,
    now: datetime,
    status_code: int | None,
    duration_ms: int,
) -> None:
    """The attempt carries what most of its events got; only those that differ have words of their own."""
    words = [(_attempt_outcome(verdict, found), verdict.message[:500]) for verdict in verdicts]
    (usual, message), _ = Counter(words).most_common(1)[0]
    Attempt.objects.filter(pk=batch.lease).update(
        answered_at=now,
        status_code=status_code,
        outcome=usual,
        message=message,
        request_id=found.request_id[:80],
        duration_ms=duration_ms,
    )
    others: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for event, own in zip(events, words, strict=True):
        if own != (usual, message):
            others[own].append(event.pk)
    for (kind, text), ids in others.items():
        Delivery.objects.filter(attempt=batch.lease, event__in=ids).update(outcome=kind, message=text)


def _attempt_outcome(verdict: Verdict, found: Outcome) -> str:
    if verdict.kind == "retry" and not found.reached:
        return AttemptOutcome.NOT_SENT
    return _ATTEMPT_OUTCOMES[verdict.kind]


def _write_verdicts(
    lease: UUID, events: Sequence[ConversionEvent], verdicts: Sequence[Verdict], found: Outcome, now: datetime
) -> None:
    keys = _batch_keys(events, verdicts, found)
    groups: dict[tuple[Verdict, UUID | None, int], list[UUID]] = defaultdict(list)
    for event, verdict in zip(events, verdicts, strict=True):
        failures = event.failures + 1 if verdict.charged else -1
        groups[verdict, keys.get(event.pk), failures].append(event.pk)
    for (verdict, key, failures), ids in groups.items():
        ConversionEvent.objects.filter(pk__in=ids, lease=lease).update(
            lease=None,
            lease_until=None,
            batch_key=key,
            changed_at=now,
            **_columns(verdict, failures, found, now),
        )


def _columns(verdict: Verdict, failures: int, found: Outcome, now: datetime) -> dict[str, Any]:
    """The columns a verdict sets. `failures` is the event's new count if it is charged, else -1."""
    words = {"reason": verdict.reason, "message": verdict.message[:500]}
    if verdict.kind == "accepted":
        return {
            "status": Status.ACCEPTED,
            "accepted_at": now,
            "reason": "",
            "message": "",
            "is_suspect": False,
        }
    if verdict.kind in _FINAL:
        return {"status": _FINAL[verdict.kind], **words}
    if verdict.kind == "held":
        holder = Holder(found.hold.scope) if found.hold else Holder.CONNECTION
        return {"status": Status.HELD, "held_by": holder, **words}
    columns: dict[str, Any] = {"status": Status.PENDING, "next_attempt_at": now, **words}
    if verdict.kind == "unknown":
        columns["unknown_outcomes"] = F("unknown_outcomes") + 1
    if verdict.charged:
        delay = outcome.retry_delay(failures, random.random)
        if delay is None:
            del columns["next_attempt_at"]
            lost = {"status": Status.REJECTED, "reason": "exhausted", "message": sentence("exhausted")}
            return columns | lost
        columns |= {"failures": failures, "next_attempt_at": now + timedelta(seconds=delay)}
    return columns


def _batch_keys(
    events: Sequence[ConversionEvent], verdicts: Sequence[Verdict], found: Outcome
) -> dict[UUID, UUID]:
    """Which of the isolated events travel together next: each half, or each rule, apart from all others."""
    isolated = [e for e, verdict in zip(events, verdicts, strict=True) if verdict.kind == "isolate"]
    if found.split == "rules":
        of_rule: dict[str, UUID] = defaultdict(uuid4)
        return {event.pk: of_rule[event.conversion_id] for event in isolated}
    first, second, middle = uuid4(), uuid4(), (len(isolated) + 1) // 2
    return {event.pk: first if place < middle else second for place, event in enumerate(isolated)}


def _hold(
    connection: Connection, batch: Batch, events: Sequence[ConversionEvent], found: Outcome, now: datetime
) -> None:
    if found.hold is None:
        return
    reason, message = found.hold.reason, found.hold.message
    if found.hold.scope == "connection" and _is_about(connection, batch):
        holds.hold(connection, reason, message, now)
    if found.hold.scope == "app":
        holds.hold_app(connection.endpoint, reason, message, now)
    if found.hold.scope == "rule":
        _hold_rules(events, found, now)


def _is_about(connection: Connection, batch: Batch) -> bool:
    """Whether LinkedIn refused the token that is there now, and not one that was replaced while it answered."""
    is_paused = connection.held_reason == holds.PAUSED_BY_PERSON
    return not is_paused and connection.token_sealed == batch.connection.token_sealed


def _hold_rules(events: Sequence[ConversionEvent], found: Outcome, now: datetime) -> None:
    """Hold the rules LinkedIn refused; one whose conversion id was corrected meanwhile is left alone."""
    blamed = {
        event.rule_id: verdict
        for event, verdict in zip(events, found.verdicts, strict=True)
        if verdict.kind == "held"
    }
    for rule in Rule.objects.select_for_update().filter(pk__in=blamed):
        if rule.conversion_id in (found.hold.conversion_ids if found.hold else ()):
            holds.hold(rule, blamed[rule.pk].reason, blamed[rule.pk].message, now)
        else:
            _replace_former([event.pk for event in events], rule, blamed[rule.pk], now)


def _replace_former(ids: Sequence[UUID], rule: Rule, verdict: Verdict, now: datetime) -> None:
    """What was on its way when its rule got another conversion id, and is refused for the old one.

    It is issued anew. What LinkedIn may have of an earlier request keeps its conversion, and ends here: nothing holds
    it, so it would be sent and refused again and again.
    """
    refused = ConversionEvent.objects.filter(pk__in=ids, rule=rule, status=Status.HELD, held_by=Holder.RULE)
    for event in refused.exclude(conversion_id=rule.conversion_id).select_related("lead", "deal"):
        recording.reissue(event, rule, now)
        ConversionEvent.objects.filter(pk=event.pk, status=Status.HELD).update(
            status=Status.REJECTED,
            held_by="",
            reason=verdict.reason,
            message=verdict.message[:500],
            changed_at=now,
        )


def _line(connection: Connection, batch: Batch, found: Outcome, now: datetime) -> None:
    """Keep the record of the line itself: waits after failures, the breaker, and when it last worked."""
    if found.pause is None:
        _line_works(connection, batch, found, now)
    elif found.pause.kind == "throttled":
        connection.throttles += 1
        _wait(connection, found.pause, outcome.throttle_wait(connection.throttles, random.random), now)
    else:
        connection.failures += 1
        seconds, is_open = outcome.failure_wait(connection.failures, random.random)
        _wait(connection, found.pause, seconds, now)
        # After an unknown outcome a single event tries first: it risks one duplicate, not a batch of them.
        connection.breaker_open = is_open or any(v.kind == "unknown" for v in found.verdicts)
        if batch.kind == "normal":
            connection.failing_attempt = batch.lease
    connection.save()


def _wait(connection: Connection, pause: Pause, seconds: float, now: datetime) -> None:
    asked = pause.seconds if pause.seconds is not None else seconds
    connection.waits_until = pause.until or now + timedelta(seconds=asked)
    connection.wait_reason, connection.wait_message = pause.reason, pause.message[:500]


def _line_works(connection: Connection, batch: Batch, found: Outcome, now: datetime) -> None:
    if connection.breaker_open and connection.failing_attempt:
        _suspect_failing_batch(connection.failing_attempt, batch)
    connection.failures = connection.throttles = 0
    connection.breaker_open, connection.failing_attempt = False, None
    connection.waits_until, connection.wait_reason, connection.wait_message = None, "", ""
    if any(verdict.kind == "accepted" for verdict in found.verdicts):
        connection.last_accepted_at = now


def _suspect_failing_batch(attempt: UUID, probe: Batch) -> None:
    """Another event went through: the batch that failed may be poison, and travels apart from now on."""
    failed = ConversionEvent.objects.filter(deliveries__attempt=attempt, status=Status.PENDING)
    if failed.filter(pk__in=[event.pk for event in probe.events]).exists():
        return
    if Delivery.objects.filter(attempt=attempt, event__in=[event.pk for event in probe.events]).exists():
        return
    ConversionEvent.objects.filter(pk__in=list(failed.values_list("pk", flat=True))).update(
        is_suspect=True, batch_key=uuid4()
    )


def _is_over(batch: Batch, found: Outcome) -> bool:
    """Whether a probe (or a test event) showed that what it tried works again."""
    return batch.kind != "normal" and found.reached and found.hold is None and found.pause is None


def _release_probed(connection: Connection, events: Sequence[ConversionEvent], found: Outcome) -> None:
    accepted = {
        e.rule_id for e, verdict in zip(events, found.verdicts, strict=True) if verdict.kind == "accepted"
    }
    if connection.is_held and connection.held_reason != holds.PAUSED_BY_PERSON:
        holds.clear(connection)
    app = holds.app_hold(connection.endpoint)
    if app:
        holds.clear(app)
    for rule in Rule.objects.exclude(held_reason="").filter(pk__in=accepted):
        holds.clear(rule)
