"""Spans of days: what the names mean, and where a day begins."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from crm import periods
from crm.periods import Period


@pytest.mark.parametrize(
    ("today", "name", "first", "last"),
    [
        ("2026-11-22", "30-days", "2026-10-24", "2026-11-22"),
        ("2026-11-22", "90-days", "2026-08-25", "2026-11-22"),
        ("2026-11-22", "this-month", "2026-11-01", "2026-11-30"),
        ("2026-11-22", "last-month", "2026-10-01", "2026-10-31"),
        ("2026-11-22", "this-quarter", "2026-10-01", "2026-12-31"),
        ("2026-11-22", "last-quarter", "2026-07-01", "2026-09-30"),
        ("2026-11-22", "this-year", "2026-01-01", "2026-12-31"),
        ("2026-11-22", "last-year", "2025-01-01", "2025-12-31"),
        # The year before, and February.
        ("2026-01-31", "last-month", "2025-12-01", "2025-12-31"),
        ("2026-02-01", "last-quarter", "2025-10-01", "2025-12-31"),
        ("2028-02-10", "this-month", "2028-02-01", "2028-02-29"),
        ("2026-12-31", "this-month", "2026-12-01", "2026-12-31"),
    ],
)
def test_a_name_means_whole_days(today: str, name: str, first: str, last: str) -> None:
    found = periods.named(name, dt.date.fromisoformat(today))
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


def test_every_name_of_the_menu_is_known() -> None:
    for name in periods.NAMES:
        assert periods.named(name, dt.date(2026, 11, 22)).name == name


def test_days_are_those_of_the_zone_and_may_have_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start, end = Period("custom", dt.date(2026, 10, 25), dt.date(2026, 10, 25)).moments(berlin)
    assert start.astimezone(dt.UTC) == dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)
    assert end.astimezone(dt.UTC) == dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC)


@pytest.mark.parametrize("day", [dt.date.min, dt.date.max])
def test_the_ends_of_the_calendar_have_moments(day: dt.date) -> None:
    zone = ZoneInfo("Pacific/Apia")
    assert periods.midnight(day, zone) <= periods.after(day, zone)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-08-25", "2026-11-22", "25 Aug to 22 Nov 2026"),
        ("2025-12-01", "2026-01-31", "1 Dec 2025 to 31 Jan 2026"),
        ("2026-11-22", "2026-11-22", "22 Nov 2026"),
    ],
)
def test_a_period_in_words(first: str, last: str, words: str) -> None:
    assert Period("custom", dt.date.fromisoformat(first), dt.date.fromisoformat(last)).words == words


@pytest.mark.parametrize("text", ["", "x", "2026-13-01", "22.11.2026", "\x00"])
def test_what_is_no_day_is_none(text: str) -> None:
    assert periods.parsed_day(text) is None
