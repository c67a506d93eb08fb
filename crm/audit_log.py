"""Reads the audit log: filters held in the URL, pages by key, and names for the ids in its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from crm.audit import ACTIONS, MASKED
from crm.models import AuditEntry, Lead, Membership, User
from crm.tenancy import TenantQuerySet

PAGE: Final = 50
NOT_A_USER: Final = "none"
_CHUNK: Final = 1000


@dataclass(frozen=True)
class Filters:
    """The filters of a URL. What cannot be understood is left out, as if it were not there."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Filters:
        given = {name: parameters.get(name, "").strip() for name in cls.__dataclass_fields__}
        actor, subject = _uuid(given["actor"]), _uuid(given["subject"])
        return cls(
            actor=str(actor) if actor else NOT_A_USER if given["actor"] == NOT_A_USER else "",
            action=given["action"] if given["action"] in ACTIONS else "",
            subject=str(subject) if subject else "",
            since=given["since"] if _day(given["since"]) else "",
            until=given["until"] if _day(given["until"]) else "",
        )

    def query(self) -> str:
        """The same filters as the query of a URL."""
        return urlencode({name: value for name, value in vars(self).items() if value})

    def rows(self) -> TenantQuerySet[AuditEntry]:
        """The entries that match. The days are the reader's."""
        rows = AuditEntry.objects.all()
        if self.actor:
            rows = rows.filter(actor_id=None if self.actor == NOT_A_USER else self.actor)
        if self.action:
            rows = rows.filter(action=self.action)
        if self.subject:
            rows = rows.filter(subject_id=self.subject)
        if since := _day(self.since):
            rows = rows.filter(at__gte=since)
        if until := _day(self.until):
            rows = rows.filter(at__lt=until + timedelta(days=1))
        return rows


@dataclass(frozen=True)
class Line:
    """An entry as people read it."""

    entry: AuditEntry
    who: str
    sentence: str
    subject: str
    is_open_lead: bool
    """Whether there is a page to look at."""
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Some lines, newest first, and the cursors of the pages beside it, empty where there is none."""

    lines: list[Line]
    previous: str
    next: str


def page(rows: TenantQuerySet[AuditEntry], cursor: str) -> Page:
    """A page by key: the rows after (older, `o…`) or before (newer, `n…`) one. A bad cursor is the first page."""
    direction, at, key = _parse(cursor)
    if direction == "n":
        rows = rows.filter(Q(at__gt=at) | Q(at=at, pk__gt=key)).order_by("at", "id")
    else:
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=key)) if direction else rows
        rows = rows.order_by("-at", "-id")
    loaded = list(rows[: PAGE + 1])
    found, is_more = loaded[:PAGE], len(loaded) > PAGE
    if direction == "n":
        found.reverse()
    newer, older = (is_more, True) if direction == "n" else (bool(direction), is_more)
    return Page(
        lines(found),
        _cursor("n", found[0]) if found and newer else "",
        _cursor("o", found[-1]) if found and older else "",
    )


def lines(entries: Sequence[AuditEntry]) -> list[Line]:
    """Entries with the names of people as they are now; a few queries, however many there are."""
    leads = _leads(entries)
    names = _people(entries) | {lead.pk: str(lead) for lead in leads}
    still_open = {lead.pk for lead in leads if not lead.is_archived}
    return [
        Line(
            entry,
            _who(entry, names),
            ACTIONS.get(entry.action, entry.action),
            _subject(entry, names),
            entry.subject_id in still_open,
            tuple(_told(field, change) for field, change in entry.changes.items()),
        )
        for entry in entries
    ]


def every_line(rows: TenantQuerySet[AuditEntry], most: int) -> Iterator[Line]:
    """The newest, `most` at most, named a chunk at a time."""
    chunk: list[AuditEntry] = []
    for entry in rows.order_by("-at", "-id")[:most].iterator(chunk_size=_CHUNK):
        chunk.append(entry)
        if len(chunk) == _CHUNK:
            yield from lines(chunk)
            chunk = []
    yield from lines(chunk)


def _leads(entries: Iterable[AuditEntry]) -> list[Lead]:
    return list(Lead.objects.filter(pk__in=_ids(entries, "lead")).prefetch_related("emails"))


def _people(entries: Sequence[AuditEntry]) -> dict[UUID, str]:
    """What people are called today; who is gone has no name any more."""
    places = Membership.objects.filter(pk__in=_ids(entries, "membership")).select_related("user")
    actors = {entry.actor_id for entry in entries if entry.actor_id}
    users = User.objects.filter(pk__in=actors | _ids(entries, "user"))
    return {place.pk: str(place.user) for place in places} | {user.pk: str(user) for user in users}


def _ids(entries: Iterable[AuditEntry], kind: str) -> set[UUID]:
    return {entry.subject_id for entry in entries if entry.subject_id and entry.subject_type == kind}


def _who(entry: AuditEntry, names: Mapping[UUID, str]) -> str:
    if entry.actor_id is None:
        return entry.actor_label or "LeadMachine"
    return names.get(entry.actor_id, _("Somebody who left ({short})").format(short=_short(entry.actor_id)))


def _subject(entry: AuditEntry, names: Mapping[UUID, str]) -> str:
    """Nothing where the action is about the company or about whoever did it."""
    if entry.subject_id is None or entry.subject_type == "company" or entry.subject_id == entry.actor_id:
        return ""
    words = {"leadstatus": "status", "leadtype": "type", "conversionevent": "event", "apikey": _("API key")}
    kind = words.get(entry.subject_type, entry.subject_type)
    return names.get(entry.subject_id, f"{kind} {_short(entry.subject_id)}")


def _told(field: str, change: Any) -> str:
    words = field.replace("_", " ")
    if change == MASKED:
        return _("{words} changed").format(words=words)
    before, after = change
    return f"{words}: {_value(after)}" if before is None else f"{words}: {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    return "none" if value in (None, "") else str(value)


def _short(key: UUID) -> str:
    """The end of an id: its beginning is only the time."""
    return key.hex[-8:]


def _cursor(direction: str, entry: AuditEntry) -> str:
    # Not from a float: microseconds must survive the way there and back.
    passed = entry.at - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{direction}{passed // timedelta(microseconds=1)}-{entry.pk.hex}"


def _parse(cursor: str) -> tuple[str, datetime, UUID]:
    direction, (digits, _, key) = cursor[:1], cursor[1:].partition("-")
    pk = _uuid(key)
    if (
        direction not in ("n", "o")
        or not (digits.isascii() and digits.isdigit())
        or len(digits) > 17
        or not pk
    ):
        return "", datetime.min.replace(tzinfo=UTC), UUID(int=0)
    return direction, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(digits)), pk


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _day(text: str) -> datetime | None:
    """The begin of a day in the reader's zone; None if it is none, or too near the end of time to add one."""
    try:
        day = parse_date(text)
        if day is None or not 1970 <= day.year <= 9998:
            return None
        return timezone.make_aware(datetime.combine(day, time.min))
    except ValueError:
        return None
