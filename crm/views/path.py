"""Where a lead or deal stands: its statuses or stages in order, with the days spent in each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.display import days_long, short_date


@dataclass(frozen=True)
class Place:
    """A status or stage, as far as the path goes. Without a url it cannot be gone to."""

    pk: UUID
    name: str
    value: str
    url: str = ""
    is_lost: bool = False


@dataclass(frozen=True)
class Step:
    """What the template of the path shows."""

    name: str
    state: str
    note: str
    url: str
    value: str
    name_of_value: str
    is_lost: bool


@dataclass(frozen=True)
class Visit:
    """When a place was entered. The place is None if it was deleted since."""

    place: UUID | None
    at: dt.datetime


def path_of(places: Sequence[Place], current: UUID, visits: Iterable[Visit], field: str) -> list[Step]:
    """The steps of a path. `field` is what a click posts the value as."""
    now = timezone.now()
    spent = time_spent(visits, now)
    return [_step(place, current, spent.get(place.pk), now, field) for place in places]


@dataclass(frozen=True)
class Stay:
    """All the time spent in a place, and since when the last stay lasts."""

    duration: dt.timedelta
    since: dt.datetime


def time_spent(visits: Iterable[Visit], now: dt.datetime) -> dict[UUID, Stay]:
    """How long each place was stayed in, all stays together."""
    ordered = sorted(visits, key=lambda visit: visit.at)
    stays: dict[UUID, Stay] = {}
    for visit, following in zip(ordered, [*ordered[1:], None], strict=True):
        if visit.place is None:
            continue
        lasted = (following.at if following else now) - visit.at
        before = stays[visit.place].duration if visit.place in stays else dt.timedelta()
        stays[visit.place] = Stay(before + lasted, visit.at)
    return stays


def _step(place: Place, current: UUID, stay: Stay | None, now: dt.datetime, field: str) -> Step:
    is_now = place.pk == current
    note = ""
    if is_now and stay:
        note = _("since {short_date}").format(
            short_date=short_date(timezone.localtime(stay.since).date(), timezone.localdate())
        )
    elif stay:
        note = days_long(now - stay.duration, now)
    return Step(
        name=place.name,
        state="now" if is_now else "done" if stay else "",
        note=note,
        url="" if is_now else place.url,
        value=place.value,
        name_of_value=field,
        is_lost=place.is_lost,
    )
