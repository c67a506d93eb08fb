"""The event log: filters held in the URL, counts by status, pages by key, and whether anything changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from capi.models import ConversionEvent, ConversionEventQuerySet, CrmEvent, Holder, Rule, Status
from crm.models import Deal, Lead
from crm.texts import gettext_lazy

PAGE = 50
RECENT = timedelta(days=30)
IN_MOTION = (Status.PENDING, Status.SENDING)


@dataclass(frozen=True)
class Summary:
    """What a sentence says of the last 30 days, test events left out; `held` are all that wait now."""

    recorded: int
    accepted: int
    held: int
    lost: int

    @classmethod
    def now(cls) -> Summary:
        recent = Q(created_at__gte=timezone.now() - RECENT)
        held, lost = Q(status=Status.HELD), Q(status__in=(Status.REJECTED, Status.EXPIRED))
        # What is old and done is left out first, by an index: there may be years of it.
        counts = (
            ConversionEvent.objects.real()
            .filter(recent | held)
            .aggregate(
                recorded=Count("pk", filter=recent),
                accepted=Count("pk", filter=recent & Q(status=Status.ACCEPTED)),
                held=Count("pk", filter=held),
                lost=Count("pk", filter=recent & lost),
            )
        )
        return cls(**counts)


@dataclass(frozen=True)
class StatusCount:
    """A link above the table: how many rows it leads to."""

    key: str
    label: str
    count: int
    icon: str = ""
    tone: str = ""


_STATUS_LINKS: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    ("accepted", gettext_lazy("Accepted"), (Status.ACCEPTED,), "solid-check-circle", "good"),
    ("waiting", gettext_lazy("Waiting"), IN_MOTION, "solid-clock", "info"),
    ("held", gettext_lazy("Held"), (Status.HELD,), "solid-pause-circle", "warn"),
    ("skipped", gettext_lazy("Skipped"), (Status.SKIPPED,), "solid-minus-circle", ""),
    ("rejected", gettext_lazy("Rejected"), (Status.REJECTED,), "solid-x-circle", "bad"),
    ("expired", gettext_lazy("Expired"), (Status.EXPIRED,), "solid-exclamation-circle", "bad"),
    ("cancelled", gettext_lazy("Cancelled"), (Status.CANCELLED,), "solid-no-symbol", ""),
)
_STATUSES: dict[str, tuple[str, ...]] = {key: statuses for key, _, statuses, _, _ in _STATUS_LINKS}


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the parameter that it comes from."""

    about: str
    value: str
    name: str


@dataclass(frozen=True)
class Filters:
    """The filters of a URL. What cannot be understood is left out, as if it were not there."""

    status: str = ""
    event: str = ""
    rule: UUID | None = None
    held_by: str = ""
    reason: str = ""
    is_test: str = ""
    since: str = ""
    until: str = ""
    lead: UUID | None = None
    deal: UUID | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Filters:
        def one_of(name: str, allowed: object) -> str:
            value = parameters.get(name, "")
            return value if value in allowed else ""  # type: ignore[operator]

        return cls(
            status=one_of("status", {*_STATUSES, *Status.values}),
            event=one_of("event", CrmEvent.values),
            rule=_uuid(parameters.get("rule", "")),
            held_by=one_of("held_by", Holder.values),
            reason=parameters.get("reason", "")[:40].replace("\x00", ""),
            is_test=one_of("is_test", {"yes", "no"}),
            since=parameters.get("since", "") if _moment(parameters.get("since", "")) else "",
            until=parameters.get("until", "") if _moment(parameters.get("until", "")) else "",
            lead=_uuid(parameters.get("lead", "")),
            deal=_uuid(parameters.get("deal", "")),
        )

    def query(self) -> str:
        """The same filters as the query of a URL."""
        return urlencode({name: value for name, value in vars(self).items() if value})

    @property
    def is_set(self) -> bool:
        return bool(self.query())

    def rows(self, *, with_status: bool = True) -> ConversionEventQuerySet:
        """The events that match."""
        events = ConversionEvent.objects.all()
        if self.status and with_status:
            events = events.filter(status__in=_STATUSES.get(self.status, (self.status,)))
        if self.is_test:
            events = events.filter(is_test=self.is_test == "yes")
        if since := _moment(self.since):
            events = events.filter(created_at__gte=since)
        if until := _moment(self.until, is_end=True):
            events = events.filter(created_at__lt=until)
        exact = {
            "event": self.event,
            "rule": self.rule,
            "held_by": self.held_by,
            "reason": self.reason,
            "lead": self.lead,
            "deal": self.deal,
        }
        return events.filter(**{name: value for name, value in exact.items() if value})

    def counts(self) -> list[StatusCount]:
        """All, then one for each status, counted under the other filters; one query."""
        by_status = Counter(
            dict(self.rows(with_status=False).order_by().values_list("status").annotate(count=Count("pk")))
        )
        every = StatusCount("", _("All"), sum(by_status.values()))
        return [
            every,
            *(
                StatusCount(key, label, sum(by_status[status] for status in statuses), icon, tone)
                for key, label, statuses, icon, tone in _STATUS_LINKS
            ),
        ]

    def chips(self) -> list[Chip]:
        """What is set, in words. Names of rule, lead and deal cost a query each, if they are set."""
        found = [
            Chip(_("Event is"), CrmEvent(self.event).label if self.event else "", "event"),
            Chip(_("Rule is"), _name(Rule, self.rule), "rule"),
            Chip(_("Held by"), Holder(self.held_by).label if self.held_by else "", "held_by"),
            Chip(_("Reason is"), reason_words(self.reason), "reason"),
            Chip(_("Test is"), self.is_test, "is_test"),
            Chip(_("Since"), self.since, "since"),
            Chip(_("Until"), self.until, "until"),
            Chip(_("Lead is"), _name(Lead, self.lead), "lead"),
            Chip(_("Deal is"), _name(Deal, self.deal), "deal"),
        ]
        return [chip for chip in found if chip.value]


def reason_words(reason: str) -> str:
    """A stable code as words: "consent_unknown" → "consent unknown"."""
    return reason.replace("_", " ")


@dataclass(frozen=True)
class ReasonCount:
    """How many of the rows shown have this reason."""

    reason: str
    count: int

    @property
    def words(self) -> str:
        return reason_words(self.reason)


def reasons(filters: Filters) -> list[ReasonCount]:
    """The reasons among held, skipped or rejected rows, most frequent first."""
    found = filters.rows().exclude(reason="").order_by().values_list("reason").annotate(count=Count("pk"))
    return [ReasonCount(reason, count) for reason, count in sorted(found, key=lambda one: (-one[1], one[0]))]


@dataclass(frozen=True)
class Page:
    """Some rows, newest first, and the cursors of the pages beside it, empty where there is none."""

    rows: list[ConversionEvent]
    previous: str
    next: str


def page(events: ConversionEventQuerySet, cursor: str) -> Page:
    """A page by key: the rows after (older, `o…`) or before (newer, `n…`) a row. A bad cursor is the first page."""
    direction, found = _keyset(events, cursor)
    loaded = list(found.for_log())
    rows, is_more = loaded[:PAGE], len(loaded) > PAGE
    if direction == "n":
        rows.reverse()
        return Page(rows, _cursor("n", rows[:1]) if is_more else "", _cursor("o", rows[-1:]))
    older = _cursor("o", rows[-1:]) if is_more else ""
    return Page(rows, _cursor("n", rows[:1]) if direction else "", older)


def fingerprint(events: ConversionEventQuerySet, cursor: str = "") -> str:
    """Changes when a row of that page comes, goes or changes: what an open page compares, in one small query."""
    _, found = _keyset(events, cursor)
    rows = found.values_list("pk", "changed_at")
    text = ",".join(f"{pk}{changed_at.timestamp()}" for pk, changed_at in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _keyset(events: ConversionEventQuerySet, cursor: str) -> tuple[str, ConversionEventQuerySet]:
    """The direction of a cursor, and the rows of its page in the order of that direction, one more than fit."""
    direction, at, key = _parse(cursor)
    if direction == "n":
        newer = Q(created_at__gt=at) | Q(created_at=at, pk__gt=key)
        return direction, events.filter(newer).order_by("created_at", "id")[: PAGE + 1]
    if direction == "o":
        events = events.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=key))
    return direction, events.order_by("-created_at", "-id")[: PAGE + 1]


def _cursor(direction: str, rows: list[ConversionEvent]) -> str:
    if not rows:
        return ""
    microseconds = round(rows[0].created_at.timestamp() * 1_000_000)
    return f"{direction}{microseconds}-{rows[0].pk.hex}"


def _parse(cursor: str) -> tuple[str, datetime, UUID]:
    direction, rest = cursor[:1], cursor[1:]
    digits, _, key = rest.partition("-")
    pk = _uuid(key)
    if direction not in ("n", "o") or not digits.isdigit() or len(digits) > 17 or pk is None:
        return "", datetime.min.replace(tzinfo=UTC), UUID(int=0)
    # Not from a float: microseconds must survive the way there and back.
    return direction, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(digits)), pk


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moment(text: str, *, is_end: bool = False) -> datetime | None:
    """A day (its begin, or its end) or an exact time, in the reader's zone; None if it is neither."""
    try:
        if moment := parse_datetime(text) if "T" in text or " " in text else None:
            return moment if moment.tzinfo else timezone.make_aware(moment)
        if day := parse_date(text):
            return timezone.make_aware(datetime.combine(day + timedelta(days=int(is_end)), time.min))
    except (ValueError, OverflowError):
        return None
    return None


def _name(model: type[Rule | Lead | Deal], pk: UUID | None) -> str:
    if pk is None:
        return ""
    return str(model.objects.filter(pk=pk).first() or "unknown")
