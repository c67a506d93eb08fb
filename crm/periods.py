"""The spans of time that reports are asked for, in whole days of the company. Pure: today in, days out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from crm import display

DEFAULT: Final = "90-days"
CUSTOM: Final = "custom"
# Before and after these no time zone knows all its moments, and nobody sold anything.
EARLIEST: Final = dt.date(1900, 1, 1)
LATEST: Final = dt.date(2200, 1, 1)


@dataclass(frozen=True)
class Period:
    """From the first day to the last one, both included. `name` is what the URL calls it."""

    name: str
    first: dt.date
    last: dt.date

    def moments(self, zone: dt.tzinfo) -> tuple[dt.datetime, dt.datetime]:
        """The first moment of it, and the first one after it."""
        return midnight(self.first, zone), after(self.last, zone)

    @property
    def words(self) -> str:
        """`25 Aug to 22 Nov 2026`; the first year only where it is another one, one day alone."""
        last = display.full_date(self.last)
        if self.first == self.last:
            return last
        same_year = self.first.year == self.last.year
        first = display.day_and_month(self.first) if same_year else display.full_date(self.first)
        return gettext("{first} to {last}").format(first=first, last=last)


def midnight(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """The first moment of a day in this zone."""
    return dt.datetime.combine(min(max(day, EARLIEST), LATEST), dt.time(), zone)


def after(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """The first moment after a day in this zone; a day has 23 or 25 hours where clocks are changed."""
    return midnight(min(day, LATEST) + dt.timedelta(days=1), zone)


def parsed_day(text: str) -> dt.date | None:
    """The day that a URL names as `2026-11-22`; None for anything else."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def named(name: str, today: dt.date) -> Period:
    """The period of that name, one of NAMES."""
    first, last = _SPANS[name](today)
    return Period(name, first, last)


def _month(today: dt.date) -> tuple[dt.date, dt.date]:
    return _months(today.year, today.month, 1)


def _last_month(today: dt.date) -> tuple[dt.date, dt.date]:
    return _months(today.year, today.month - 1, 1)


def _quarter(today: dt.date) -> tuple[dt.date, dt.date]:
    return _months(today.year, (today.month - 1) // 3 * 3 + 1, 3)


def _last_quarter(today: dt.date) -> tuple[dt.date, dt.date]:
    return _months(today.year, (today.month - 1) // 3 * 3 - 2, 3)


def _year(today: dt.date) -> tuple[dt.date, dt.date]:
    return _months(today.year, 1, 12)


def _last_year(today: dt.date) -> tuple[dt.date, dt.date]:
    return _months(today.year - 1, 1, 12)


def _last_days(count: int) -> Callable[[dt.date], tuple[dt.date, dt.date]]:
    """So many days, today being the last of them."""
    return lambda today: (today - dt.timedelta(days=count - 1), today)


def _months(year: int, month: int, count: int) -> tuple[dt.date, dt.date]:
    """So many whole months; a month below 1 is one of the year before."""
    first, after = year * 12 + month - 1, year * 12 + month - 1 + count
    return (
        dt.date(first // 12, first % 12 + 1, 1),
        dt.date(after // 12, after % 12 + 1, 1) - dt.timedelta(days=1),
    )


_SPANS: Final[dict[str, Callable[[dt.date], tuple[dt.date, dt.date]]]] = {
    "30-days": _last_days(30),
    "90-days": _last_days(90),
    "this-month": _month,
    "last-month": _last_month,
    "this-quarter": _quarter,
    "last-quarter": _last_quarter,
    "this-year": _year,
    "last-year": _last_year,
}
# What the URL calls them, and what the menu says.
NAMES: Final[dict[str, Promise]] = {
    "30-days": _("Last 30 days"),
    "90-days": _("Last 90 days"),
    "this-month": _("This month"),
    "last-month": _("Last month"),
    "this-quarter": _("This quarter"),
    "last-quarter": _("Last quarter"),
    "this-year": _("This year"),
    "last-year": _("Last year"),
}
