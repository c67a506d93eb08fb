"""Delivers: claim, build, note, send, settle. The only module that joins them.

    claim   (database)  take a batch under a lease
    build   (pure)      the element of each event, once; skip or hold what must not be sent
    note    (database)  the attempt is written down before anything leaves
    send    (HTTP)      no transaction and no lock is open
    settle  (database)  what the answer means, written back where the lease is still ours

Works with Celery and without (`manage.py deliver`): the rows are the queue.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from capi import claiming, erasing, failpoints, heartbeat, holds, identity, outcome, payload
from capi.claiming import Batch, claim
from capi.linkedin import LinkedInClient
from capi.models import (
    AppHold,
    Attempt,
    Connection,
    ConversionEvent,
    Endpoint,
    Holder,
    Rule,
    Status,
)
from capi.outcome import NoAnswer, NotSent, Outcome
from capi.settling import settle
from capi.wording import sentence
from crm.actions import erase
from crm.currencies import in_minor_digits
from crm.models import Company, Lead
from crm.tenancy import company_scope, every_company
from crm.vault import VaultError

logger = logging.getLogger(__name__)

# A company's turn: long enough to be efficient, short enough that the others are not kept waiting.
TURN_SECONDS = 2.0
_BUCKET_PAUSE = 0.125

# Not every exception: a database that is away and a time limit are no fault of one event or company.
FAULTS_OF_OURS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# Two statements that the ORM would make row by row; both are the same on PostgreSQL and SQLite.
_STORE_ELEMENT = (
    "UPDATE capi_conversionevent SET element = %s, identifiers = %s, told_lead_id = %s "
    "WHERE id = %s AND lease = %s"
)
_NOTE_DELIVERIES = (
    "INSERT INTO capi_delivery (company_id, attempt_id, event_id, outcome, message) "
    "SELECT company_id, lease, id, '', '' FROM capi_conversionevent WHERE lease = %s"
)

# PostgreSQL only; migration 0005 makes the function.
_WITH_WORK = "SELECT leadmachine_companies_with_work(%s, %s)"


def deliver_all() -> int:
    """Deliver everything that is due, company by company, turn by turn; returns the number of requests."""
    heartbeat.asked()
    requests = 0
    while companies := companies_with_work():
        before = requests
        for company in companies:
            requests += _turn(company)[0]
        if requests == before:
            break
    return requests


def deliver_turn(company: UUID) -> bool:
    """Take one turn for a company; True if more is due at once. A company that is gone has nothing due."""
    heartbeat.asked()
    return _turn(company)[1]


def companies_with_work() -> list[UUID]:
    """The companies with something due now: events, ended leases, ended windows, probes."""
    now = timezone.now()
    return sorted(_ids_with_work(now) if database.vendor == "postgresql" else rows_with_work(now))


def _ids_with_work(now: datetime) -> set[UUID]:
    """The same question as `rows_with_work`, answered where row-level security shows no rows: by ids alone."""
    with database.cursor() as cursor:
        cursor.execute(_WITH_WORK, [now, settings.LINKEDIN_VERSION])
        return {company for (company,) in cursor.fetchall()}


def rows_with_work(now: datetime) -> set[UUID]:
    """Asks the rows themselves, of every company."""
    with every_company():
        events = ConversionEvent.objects.filter(
            Q(status=Status.PENDING, next_attempt_at__lte=now)
            | Q(status=Status.SENDING, lease_until__lte=now)
            | Q(status__in=(Status.PENDING, Status.HELD), expires_at__lte=now)
        )
        waiting = Connection.objects.filter(waits_until__gt=now)
        companies = set(
            events.exclude(Q(company__in=waiting.values("company"), is_test=False, status=Status.PENDING))
            .order_by()
            .values_list("company", flat=True)
            .distinct()
        )
        companies |= set(Connection.objects.filter(probe_at__lte=now).values_list("company", flat=True))
        companies |= set(Rule.objects.filter(probe_at__lte=now).values_list("company", flat=True))
        return companies | _companies_held_by_app(now)


def _companies_held_by_app(now: datetime) -> set[UUID]:
    """With an app hold whose probe is due or whose version was replaced: everybody who waits for it."""
    over = AppHold.objects.exclude(held_reason="").filter(
        Q(probe_at__lte=now) | ~Q(linkedin_version=settings.LINKEDIN_VERSION)
    )
    if not over.exists():
        return set()
    held = ConversionEvent.objects.filter(status=Status.HELD, held_by=Holder.APP)
    return set(held.order_by().values_list("company", flat=True).distinct())


def _turn(company_id: UUID) -> tuple[int, bool]:
    company = Company.objects.filter(pk=company_id).first()
    if company is None:
        return 0, False
    requests, end = 0, time.monotonic() + TURN_SECONDS
    with company_scope(company):
        while time.monotonic() < end:
            batch = claim(company, timezone.now(), tidy_first=requests == 0)
            if isinstance(batch, Batch):
                failpoints.reach("after_claim")
                requests += _deliver(batch)
            elif batch.soon:
                time.sleep(_BUCKET_PAUSE)
            else:
                return requests, False
    return requests, True


def _deliver(batch: Batch) -> int:
    """Send one batch; returns how many requests that took (0 if nothing in it may be sent)."""
    try:
        token = batch.connection.token()
    except VaultError as error:
        _hold_unreadable(batch, str(error))
        return 0
    events = _prepare(batch)
    if not events:
        return 0
    started = time.monotonic()
    status_code, found = _send(batch, token, events)
    duration_ms = round((time.monotonic() - started) * 1000)
    failpoints.reach("before_record")
    settle(batch, events, found, timezone.now(), status_code=status_code, duration_ms=duration_ms)
    return 1


def _send(batch: Batch, token: str, events: Sequence[ConversionEvent]) -> tuple[int | None, Outcome]:
    """Post the stored texts; the answer's status and meaning."""
    client = client_of(batch.connection.endpoint)
    failpoints.reach("before_post")
    try:
        answer = client.send(token, [event.element for event in events])
        failpoints.reach("after_post")
    except NotSent as error:
        return None, outcome.of_not_sent(error, len(events))
    except NoAnswer as error:
        return None, outcome.of_no_answer(error, len(events))
    conversions = [event.conversion_id for event in events]
    times = [event.happened_at for event in events]
    return answer.status, outcome.classify(answer, conversions, timezone.now(), times)


def client_of(endpoint: str) -> LinkedInClient:
    """The client of an endpoint; one a process and address, because it keeps its connections open."""
    url = settings.SANDBOX_URL if endpoint == Endpoint.SANDBOX else settings.LINKEDIN_API_URL
    return _client(url, settings.LINKEDIN_VERSION)


@lru_cache(maxsize=8)
def _client(url: str, version: str) -> LinkedInClient:
    return LinkedInClient(url, version)


@dataclass(frozen=True)
class _Decision:
    """What building made of an event: it goes, with a new element or the stored one, or it stays."""

    event: ConversionEvent
    obstacle: identity.Obstacle | None = None
    is_new: bool = False


def _prepare(batch: Batch) -> list[ConversionEvent]:
    """Build, set aside what may not be sent, and note the attempt; returns what is to be sent, in order."""
    subjects = identity.subjects_of([event for event in batch.events if not event.is_test])
    decisions = [_decide(event, subjects.get(event.pk), batch) for event in batch.events]
    going = [decision for decision in decisions if decision.obstacle is None]
    now = timezone.now()
    with transaction.atomic():
        _drop_erased(batch, going, now)
        _set_aside(batch.lease, decisions, now)
        _store_elements(batch.lease, [decision.event for decision in going if decision.is_new])
        leased = ConversionEvent.objects.filter(lease=batch.lease, status=Status.SENDING)
        if not leased.update(attempts=F("attempts") + 1, **_renewed(batch, now)):
            return []
        mine = set(leased.values_list("pk", flat=True))
        events = [decision.event for decision in going if decision.event.pk in mine]
        _note(batch, len(events), now)
    return events


def _renewed(batch: Batch, now: datetime) -> dict[str, datetime]:
    """A lease that was eaten up by a slow start begins anew, or it could end while LinkedIn is being asked."""
    ends, whole = batch.events[0].lease_until, timedelta(seconds=claiming.LEASE_SECONDS)
    return {} if ends and ends - now > whole * 2 / 3 else {"lease_until": now + whole}


def _decide(event: ConversionEvent, subject: identity.Subject | None, batch: Batch) -> _Decision:
    if event.is_test:
        return _Decision(event)
    subject = subject or identity.Subject(None, None)
    event.told_lead = subject.lead
    if event.element:
        # Built before: only consent is asked again, and only it can stop the same bytes from going out.
        denied = subject.lead and identity.consent_obstacle(subject.lead, batch.company)
        return _Decision(event, denied or None)
    try:
        return _build(event, subject, batch)
    except FAULTS_OF_OURS as error:
        # One bad event must not hold up the others of its batch. The error's own words may name the person.
        logger.error("Event %s cannot be built (%s).", event.pk, type(error).__name__)  # noqa: TRY400
        return _Decision(event, identity.Obstacle("not_built"))


def _build(event: ConversionEvent, subject: identity.Subject, batch: Batch) -> _Decision:
    """Look at what keeps it from being sent, and make its element if nothing does."""
    obstacle = identity.obstacle(subject, event.rule, batch.connection, batch.company)
    if obstacle or subject.lead is None:
        return _Decision(event, obstacle or identity.Obstacle("no_identifier"))
    facts = payload.Facts(
        event.conversion_id,
        event.event_id,
        event.happened_at,
        in_minor_digits(event.value, event.currency),
        event.currency,
    )
    try:
        element = payload.build(
            facts,
            identity.person_of(subject.lead),
            enhanced=batch.company.enhanced_matching,
            version=settings.LINKEDIN_VERSION,
        )
    except payload.NoIdentifier:
        return _Decision(event, identity.Obstacle("no_identifier"))
    event.element, event.identifiers = element.text, list(element.identifiers)
    return _Decision(event, is_new=True)


def _drop_erased(batch: Batch, going: Sequence[_Decision], now: datetime) -> None:
    """Who was erased since the batch was taken is not told of. The lock makes an erasure wait until we have noted.

    From the note on, an erasure sees the event on its way, and is not completed before its lease ends.
    """
    told = {decision.event.told_lead_id for decision in going if decision.event.told_lead_id}
    there = set(
        Lead.objects.select_for_update(no_key=True)
        .filter(pk__in=told)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    lost = [decision.event.pk for decision in going if decision.event.told_lead_id in told - there]
    taken = ConversionEvent.objects.filter(lease=batch.lease)
    dropped = taken.filter(Q(erasure__isnull=False) | Q(pk__in=lost)).update(
        status=Status.CANCELLED,
        reason="erased",
        message=sentence("erased"),
        element="",
        identifiers=[],
        told_lead=None,
        lease=None,
        lease_until=None,
        changed_at=now,
    )
    if dropped:
        transaction.on_commit(lambda: erase.finish(batch.company))


def _set_aside(lease: UUID, decisions: Sequence[_Decision], now: datetime) -> None:
    groups: dict[tuple[identity.Obstacle, UUID | None], list[UUID]] = defaultdict(list)
    for decision in decisions:
        if decision.obstacle:
            groups[decision.obstacle, decision.event.told_lead_id].append(decision.event.pk)
    for (obstacle, lead), ids in groups.items():
        ConversionEvent.objects.filter(pk__in=ids, lease=lease).update(
            status=Status.HELD if obstacle.held else Status.SKIPPED,
            held_by=Holder.LEAD if obstacle.held else "",
            reason=obstacle.code,
            message=sentence(obstacle.code),
            told_lead=lead,
            lease=None,
            lease_until=None,
            changed_at=now,
        )


def _store_elements(lease: UUID, events: Sequence[ConversionEvent]) -> None:
    """Keep the bytes before they leave. One prepared statement: bulk_update is several times slower here."""
    if not events:
        return
    prepare = ConversionEvent._meta.get_field("id").get_db_prep_value
    rows = [
        (
            event.element,
            json.dumps(event.identifiers),
            prepare(event.told_lead_id, database),
            prepare(event.pk, database),
            prepare(lease, database),
        )
        for event in events
    ]
    with database.cursor() as cursor:
        cursor.executemany(_STORE_ELEMENT, rows)


def _note(batch: Batch, size: int, now: datetime) -> None:
    """Write the attempt and its events down; if we die from here on, the outcome is unknown and shown so."""
    Attempt.objects.create(pk=batch.lease, company=batch.company, at=now, size=size)
    prepare = ConversionEvent._meta.get_field("id").get_db_prep_value
    with database.cursor() as cursor:
        cursor.execute(_NOTE_DELIVERIES, [prepare(batch.lease, database)])


def _hold_unreadable(batch: Batch, why: str) -> None:
    """The stored token cannot be decrypted: nothing is lost, and whoever saves it again cures it."""
    now = timezone.now()
    free = {"lease": None, "lease_until": None, "changed_at": now}
    with transaction.atomic():
        connection = Connection.objects.select_for_update().get(pk=batch.connection.pk)
        taken = ConversionEvent.objects.filter(pk__in=[event.pk for event in batch.events])
        ours = taken.filter(lease=batch.lease)
        # A test event waits for no hold, so it would be taken again at once.
        ours.filter(is_test=True).update(
            status=Status.REJECTED, reason="token_unreadable", message=why[:500], **free
        )
        ours.update(status=Status.PENDING, **free)
        if connection.token_sealed == batch.connection.token_sealed:
            holds.hold(connection, "token_unreadable", why, now)
        holds.apply(connection, now)
        erasing.close(taken, batch.company, now)
