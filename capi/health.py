"""How delivery is doing in one company: what waits and since when, what is held and why, what LinkedIn takes.

Everything is asked for now, and runs in the company's scope. The page, the API and whoever looks for a fault read
the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Case, Count, F, Max, Min, Q, When

from capi import versions
from capi.accounting import Account, account
from capi.log import reason_words
from capi.models import Alarm, Connection, ConversionEvent, Holder, Rule, Status, Worker
from crm.models import Company

DAYS: Final = 30
# A worker asks every few seconds whether there is work; one that has not for so long is deaf.
DEAF: Final = timedelta(seconds=120)

_WITH_REASONS: Final = (Status.PENDING, Status.HELD, Status.SKIPPED, Status.REJECTED, Status.EXPIRED)


@dataclass(frozen=True)
class Reason:
    """Events of one status for one reason. `rule` is set where it is the rule that holds them."""

    status: str
    held_by: str
    reason: str
    message: str
    rule: Rule | None
    count: int
    first_expires_at: datetime

    @property
    def words(self) -> str:
        """The code as words."""
        return reason_words(self.reason)


@dataclass(frozen=True)
class OfRule:
    """What became of the events of a rule in the last 30 days."""

    rule: Rule
    recorded: int
    accepted: int
    lost: int
    waiting: int

    @property
    def percent(self) -> int | None:
        """How many of those that LinkedIn has answered for it accepted; None while there is none."""
        answered = self.accepted + self.lost
        return round(100 * self.accepted / answered) if answered else None


@dataclass(frozen=True)
class Health:
    """The whole picture at `at`."""

    at: datetime
    account: Account
    oldest_due_at: datetime | None
    reasons: Sequence[Reason]
    rules: Sequence[OfRule]
    connection: Connection | None
    version: str
    version_days_left: int | None
    possible_duplicates: int
    alarms: Sequence[Alarm]
    worker_asked_at: datetime | None

    @property
    def oldest_due(self) -> timedelta:
        """How long the oldest event has been due."""
        return max(self.at - self.oldest_due_at, timedelta()) if self.oldest_due_at else timedelta()

    @property
    def is_deaf(self) -> bool:
        """Whether something is due and no worker has asked for work for too long."""
        last = self.worker_asked_at
        return self.oldest_due > DEAF and (last is None or self.at - last > DEAF)

    @property
    def held(self) -> list[Reason]:
        """Why events are held, most of them first."""
        return [reason for reason in self.reasons if reason.status == Status.HELD]


def health(company: Company, now: datetime) -> Health:
    """Look at everything."""
    connection = Connection.objects.select_related("saved_by").first()
    return Health(
        at=now,
        account=account(company),
        oldest_due_at=_oldest_due(now),
        reasons=_reasons(),
        rules=_of_rules(now),
        connection=connection,
        version=settings.LINKEDIN_VERSION,
        version_days_left=versions.days_left(settings.LINKEDIN_VERSION, now.date()),
        possible_duplicates=ConversionEvent.objects.real().filter(unknown_outcomes__gt=0).count(),
        alarms=list(Alarm.objects.filter(ended_at=None)),
        worker_asked_at=Worker.objects.aggregate(last=Max("asked_at"))["last"],
    )


def is_anybody_working(now: datetime) -> bool:
    """Whether a worker has asked for work lately, of any company."""
    last: datetime | None = Worker.objects.aggregate(last=Max("asked_at"))["last"]
    return last is not None and now - last <= DEAF


def _oldest_due(now: datetime) -> datetime | None:
    """Since when the event that has been due for longest is due."""
    due = ConversionEvent.objects.real().filter(status=Status.PENDING, next_attempt_at__lte=now, erasure=None)
    found: datetime | None = due.aggregate(first=Min("next_attempt_at"))["first"]
    return found


def _reasons() -> list[Reason]:
    rules = {rule.pk: rule for rule in Rule.objects.all()}
    groups = (
        ConversionEvent.objects.real()
        .filter(status__in=_WITH_REASONS)
        .exclude(reason="")
        .order_by()
        .values("status", "held_by", "reason")
        # A hold by the rule is one for each of them; all others are one, whichever the rule.
        .annotate(
            of_rule=Case(When(held_by=Holder.RULE, then=F("rule"))),
            count=Count("pk"),
            first=Min("expires_at"),
            message=Max("message"),
        )
    )
    found = [
        Reason(
            group["status"],
            group["held_by"],
            group["reason"],
            group["message"],
            rules.get(group["of_rule"]),
            group["count"],
            group["first"],
        )
        for group in groups
    ]
    return sorted(found, key=lambda reason: (-reason.count, reason.status, reason.reason))


def _of_rules(now: datetime) -> list[OfRule]:
    lost = Q(status__in=(Status.REJECTED, Status.EXPIRED))
    waiting = Q(status__in=(Status.PENDING, Status.SENDING, Status.HELD))
    groups = (
        ConversionEvent.objects.real()
        .filter(created_at__gte=now - timedelta(days=DAYS))
        .order_by()
        .values("rule")
        .annotate(
            recorded=Count("pk"),
            accepted=Count("pk", filter=Q(status=Status.ACCEPTED)),
            lost=Count("pk", filter=lost),
            waiting=Count("pk", filter=waiting),
        )
        .values_list("rule", "recorded", "accepted", "lost", "waiting")
    )
    counts = {rule: numbers for rule, *numbers in groups}
    rules = Rule.objects.filter(Q(deleted_at=None) | Q(pk__in=counts))
    return [OfRule(rule, *counts.get(rule.pk, [0, 0, 0, 0])) for rule in rules]
