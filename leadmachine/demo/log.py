"""The sample company's LinkedIn side: connection, rules, and the log of what became of half a year of facts.

Whether an event was sent and what exactly is decided by the same code as in real life (`capi.identity`,
`capi.payload`, `capi.outcome`); only the answers are made up. A few events are left due, and really flow.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import prefetch_related_objects

from capi import holds, identity, outcome, payload
from capi.models import (
    Attempt,
    AttemptOutcome,
    Connection,
    ConnectionKind,
    ConversionEvent,
    CrmEvent,
    Delivery,
    Rule,
    Status,
    ValuePolicy,
)
from capi.outcome import Answer, NoAnswer
from capi.recording import SETTLING
from capi.sandbox import SANDBOX_TOKEN
from capi.wording import sentence
from crm.currencies import in_minor_digits
from crm.mass_insert import Table
from crm.models import User
from leadmachine.demo.world import Fact, World

CONNECTED = timedelta(days=110)
# A larger company was connected later, so that its log stays about as long as this many leads make it.
LOGGED_LEADS = 4_000
# What happened since is left to the workers.
FRESH = timedelta(minutes=30)
RULES = (
    ("Lead", CrmEvent.LEAD_CREATED, "23948811", ValuePolicy.NONE),
    ("Qualified lead", CrmEvent.LEAD_QUALIFIED, "23948812", ValuePolicy.NONE),
    ("Demo booked", CrmEvent.DEAL_CREATED, "23948815", ValuePolicy.NONE),
    ("Purchase, new business", CrmEvent.DEAL_WON, "23948817", ValuePolicy.DEAL_AMOUNT),
)
# A rule whose conversion was disabled in Campaign Manager; somebody has switched it off since.
WEBINAR = ("Webinar sign-up 2025", CrmEvent.LEAD_CREATED, "23948831")
WEBINAR_SOURCE = "Webinar"
_NO_ANSWER = NoAnswer("the connection was closed before the answer came", 20_004)


def connect(world: World, owner: User, leads: int) -> Log:
    """Connect the company to the sandbox and give it rules; the log of that is what to write facts to."""
    at = world.now - CONNECTED * min(1.0, LOGGED_LEADS / max(leads, 1))
    connection = Connection(company=world.company, kind=ConnectionKind.SANDBOX, saved_at=at, saved_by=owner)
    connection.seal(SANDBOX_TOKEN)
    connection.last_accepted_at = world.now - FRESH
    connection.save()
    rules = [
        Rule.objects.create(
            company=world.company, name=name, event=event, conversion_id=conversion, value=value
        )
        for name, event, conversion, value in RULES
    ]
    name, event, conversion = WEBINAR
    webinar = Rule.objects.create(
        company=world.company,
        name=name,
        event=event,
        conversion_id=conversion,
        is_active=False,
        conditions={"sources": [WEBINAR_SOURCE]},
    )
    holds.hold(webinar, "rule_disabled", sentence("rule_disabled"), world.now)
    Rule.objects.update(created_at=at)
    return Log(world, connection, {rule.event: rule for rule in rules}, webinar, since=at)


@dataclass
class Log:
    """What the sample company reported. Rows are collected, then inserted in bulk."""

    world: World
    connection: Connection
    rules: dict[str, Rule]
    webinar: Rule
    since: datetime
    _events: list[ConversionEvent] = field(default_factory=list)
    _tables: dict[type, Table] = field(
        default_factory=lambda: {model: Table(model) for model in (ConversionEvent, Attempt, Delivery)}
    )

    def write(self, facts: Sequence[Fact]) -> None:
        """Insert the events of these facts, whose leads and deals are in the database already."""
        told = [fact for fact in facts if fact.at > self.since]
        prefetch_related_objects([fact.lead for fact in told], "emails")
        for fact in told:
            self._tell(fact, self.rules[fact.event])
            if fact.event == CrmEvent.LEAD_CREATED and fact.lead.source == WEBINAR_SOURCE:
                self._hold_or_expire(self._event(fact, self.webinar))
        self._insert()

    def write_test(self, at: datetime) -> None:
        """A test event that somebody sent to see whether the token works."""
        nonce = f"{self.world.rng.getrandbits(128):032x}"
        rule = self.rules[CrmEvent.LEAD_CREATED]
        event = ConversionEvent(
            company=self.world.company,
            rule=rule,
            event=rule.event,
            conversion_id=rule.conversion_id,
            event_id=payload.test_event_id(nonce),
            happened_at=at,
            is_test=True,
            next_attempt_at=at,
            expires_at=at + timedelta(hours=1),
            created_at=at,
        )
        self._build(event, payload.Person(email=f"test-{nonce[:12]}@leadmachine.example"))
        self._accept(event, at)
        self._events.append(event)
        self._insert()

    def _tell(self, fact: Fact, rule: Rule) -> None:
        event = self._event(fact, rule)
        if fact.at > self.world.now - FRESH:
            return  # due, or settling: the workers take it from here
        event.told_lead = fact.lead
        tell = self._stories.get(fact.story)
        found = identity.obstacle(
            identity.Subject(fact.lead, fact.deal), rule, self.connection, self.world.company
        )
        if found and not tell:
            self._end(event, Status.SKIPPED, found.code, event.next_attempt_at)
            return
        if fact.story not in _NEVER_BUILT:
            self._build(event, identity.person_of(fact.lead))
        (tell or self._sent)(event)

    def _event(self, fact: Fact, rule: Rule) -> ConversionEvent:
        """As it was when it had just been recorded."""
        subject = fact.deal or fact.lead
        recorded = fact.at + timedelta(milliseconds=self.world.rng.randrange(3, 40))
        settles = None
        if fact.event in SETTLING:
            settles = recorded + timedelta(minutes=self.world.company.settle_minutes)
        event = ConversionEvent(
            id=self.world.identity(recorded),
            company=self.world.company,
            rule=rule,
            event=fact.event,
            conversion_id=rule.conversion_id,
            event_id=payload.event_id(
                self.world.company.pk, rule.conversion_id, fact.event, subject.pk, fact.occurrence
            ),
            lead=fact.lead,
            deal=fact.deal,
            occurrence=fact.occurrence,
            happened_at=fact.at,
            settles_at=settles,
            next_attempt_at=settles or recorded,
            expires_at=payload.deadline(fact.at),
            created_at=recorded,
            changed_at=recorded,
        )
        if rule.value == ValuePolicy.DEAL_AMOUNT and fact.deal:
            event.value = in_minor_digits(fact.deal.amount, fact.deal.currency)
            event.currency = fact.deal.currency
        self._events.append(event)
        return event

    # --- what became of it

    @property
    def _stories(self) -> dict[str, Callable[[ConversionEvent], None]]:
        return {
            "second_try": self._sent_at_second_try,
            "faulty": self._still_failing,
            "undone": self._undone,
            "perhaps_twice": self._sent_perhaps_twice,
            "given_up": self._given_up,
            "refused": self._refused,
            "withdrawn": self._withdrawn,
        }

    def _sent(self, event: ConversionEvent) -> None:
        self._accept(event, event.next_attempt_at + timedelta(seconds=self.world.rng.uniform(0.1, 1.9)))

    def _sent_at_second_try(self, event: ConversionEvent) -> None:
        at = event.next_attempt_at + timedelta(seconds=0.7)
        self._failed_try(event, at, 503)
        self._accept(event, at + timedelta(seconds=2.3))

    def _sent_perhaps_twice(self, event: ConversionEvent) -> None:
        at = event.next_attempt_at + timedelta(seconds=0.4)
        verdict = outcome.of_no_answer(_NO_ANSWER, 1).verdicts[0]
        event.unknown_outcomes = 1
        self._try(event, at, None, AttemptOutcome.UNKNOWN, verdict.message, _NO_ANSWER.duration_ms)
        self._accept(event, at + timedelta(seconds=22.2))

    def _still_failing(self, event: ConversionEvent) -> None:
        """LinkedIn failed on this one nine times; the next try is hours away, so that the state can be seen."""
        at = event.next_attempt_at
        verdict = self._failed_try(event, at, 500)
        for wait in outcome.EVENT_RETRIES[:8]:
            at += timedelta(seconds=wait)
            verdict = self._failed_try(event, at, 500)
        event.failures = event.attempts
        at += timedelta(seconds=outcome.EVENT_RETRIES[8])
        event.status, event.reason, event.message = Status.PENDING, verdict.reason, verdict.message
        event.next_attempt_at = max(at, self.world.now + timedelta(hours=2))

    def _given_up(self, event: ConversionEvent) -> None:
        at = event.next_attempt_at
        self._failed_try(event, at, 500)
        for wait in outcome.EVENT_RETRIES:
            at += timedelta(seconds=wait)
            self._failed_try(event, at, 500)
        event.failures = event.attempts
        self._end(event, Status.REJECTED, "exhausted", at)

    def _refused(self, event: ConversionEvent) -> None:
        at = event.next_attempt_at + timedelta(seconds=0.6)
        text = "type=INVALID_USER_IDENTIFICATION_FIELD_VALUE, indices [0] (0-indexed)."
        answer = Answer(400, f'{{"status":400,"message":"{text}"}}')
        verdict = outcome.classify(answer, [event.conversion_id], at, [event.happened_at]).verdicts[0]
        self._try(event, at, 400, AttemptOutcome.REJECTED, verdict.message, 164)
        event.status, event.reason, event.message = Status.REJECTED, verdict.reason, verdict.message

    def _undone(self, event: ConversionEvent) -> None:
        event.told_lead = None
        self._end(event, Status.CANCELLED, "undone", event.happened_at + timedelta(seconds=40))

    def _withdrawn(self, event: ConversionEvent) -> None:
        """The person said no while LinkedIn could not be reached."""
        at = event.next_attempt_at
        self._failed_try(event, at, 503)
        self._end(event, Status.CANCELLED, "consent_denied", at + timedelta(seconds=45))

    def _hold_or_expire(self, event: ConversionEvent) -> None:
        if event.expires_at <= self.world.now:
            self._end(event, Status.EXPIRED, "too_old", event.expires_at)
            return
        event.status, event.held_by = Status.HELD, "rule"
        event.reason, event.message = self.webinar.held_reason, self.webinar.held_message

    # --- parts of it

    def _build(self, event: ConversionEvent, person: payload.Person) -> None:
        facts = payload.Facts(
            event.conversion_id, event.event_id, event.happened_at, event.value, event.currency
        )
        element = payload.build(
            facts,
            person,
            enhanced=self.world.company.enhanced_matching,
            version=settings.LINKEDIN_VERSION,
        )
        event.element, event.identifiers = element.text, list(element.identifiers)

    def _accept(self, event: ConversionEvent, at: datetime) -> None:
        took = self.world.rng.randrange(140, 420)
        answered = at + timedelta(milliseconds=took)
        self._try(event, at, 200, AttemptOutcome.ACCEPTED, sentence("accepted"), took)
        event.status, event.accepted_at, event.changed_at = Status.ACCEPTED, answered, answered

    def _failed_try(self, event: ConversionEvent, at: datetime, status: int) -> outcome.Verdict:
        """503 is LinkedIn's fault as a whole; 500 for one element is a fault with that event."""
        answer = Answer(503, "") if status == 503 else Answer(200, '{"elements":[{"status":500}]}')
        verdict = outcome.classify(answer, [event.conversion_id], at).verdicts[0]
        took = self.world.rng.randrange(80, 900)
        self._try(event, at, answer.status, AttemptOutcome.RETRY, verdict.message, took)
        return verdict

    def _try(
        self, event: ConversionEvent, at: datetime, status: int | None, result: str, message: str, took: int
    ) -> None:
        event.attempts += 1
        event.changed_at = at + timedelta(milliseconds=took)
        attempt = self.world.identity(at)
        self._tables[Attempt].add(
            id=attempt,
            company_id=self.world.company.pk,
            at=at,
            answered_at=event.changed_at,
            status_code=status,
            outcome=result,
            message=message[:500],
            request_id=self._request_id() if status else "",
            duration_ms=took,
            size=1,
        )
        self._tables[Delivery].add(company_id=self.world.company.pk, attempt_id=attempt, event_id=event.pk)

    def _request_id(self) -> str:
        return base64.b64encode(self.world.rng.randbytes(16)).decode()

    def _end(self, event: ConversionEvent, status: Status, reason: str, at: datetime) -> None:
        event.status, event.reason, event.message, event.changed_at = status, reason, sentence(reason), at

    def _insert(self) -> None:
        for event in self._events:
            self._tables[ConversionEvent].add_instance(event)
        for table in self._tables.values():
            table.flush()
        self._events.clear()


_NEVER_BUILT = ("undone",)
