"""Words and signs that people read."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from crm import display

OSLO = ZoneInfo("Europe/Oslo")
NOW = dt.datetime(2026, 11, 20, 14, 20, 30, tzinfo=OSLO)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Annika Sørensen", "AS"),
        ("Bartholomew van der Featherstonehaugh", "BF"),
        ("Prince", "P"),
        ("øyvind åsen", "ØÅ"),
        ("“Ann” (Nan) Li", "AL"),  # a sign is no letter
        ("3M Company", "3C"),
        ("", "?"),
        ("— —", "?"),
    ],
)
def test_initials_are_the_first_letters_of_the_first_and_last_word(name: str, letters: str) -> None:
    assert display.initials(name) == letters


def test_a_name_always_has_the_same_colour() -> None:
    assert display.colour_of("Annika Sørensen") == display.colour_of(" annika sørensen ")
    assert {display.colour_of(f"Person {n}") for n in range(100)} == set(display.COLOURS)


@pytest.mark.parametrize(
    ("amount", "currency", "long", "short"),
    [
        ("48000", "EUR", "€48,000.00", "€48,000"),
        ("1234.5", "USD", "$1,234.50", "$1,234.50"),  # cents are never hidden
        ("-5", "GBP", "−£5.00", "−£5"),
        ("12000", "JPY", "¥12,000", "¥12,000"),  # no minor unit
        ("1.5", "KWD", "KWD\u00a01.500", "KWD\u00a01.500"),  # three digits, no sign of its own
        ("0", "EUR", "€0.00", "€0"),
        ("7", "", "7.00", "7"),
    ],
)
def test_money_has_its_currency_and_its_digits(amount: str, currency: str, long: str, short: str) -> None:
    assert display.money(Decimal(amount), currency) == long
    assert display.money(Decimal(amount), currency, short=True) == short


def test_no_amount_is_no_text() -> None:
    assert display.money(None, "EUR") == ""


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (dt.timedelta(seconds=5), "just now"),
        (dt.timedelta(seconds=50), "1 min ago"),
        (dt.timedelta(minutes=12), "12 min ago"),
        (dt.timedelta(hours=4, minutes=39), "Today, 09:41"),
        (dt.timedelta(hours=14, minutes=30), "Yesterday"),  # 23:50 the day before
        (dt.timedelta(days=4), "4 days ago"),
        (dt.timedelta(days=15), "5 Nov"),
        (dt.timedelta(days=380), "5 Nov 2025"),
        (dt.timedelta(minutes=-2), "in 2 min"),
        (dt.timedelta(hours=-2), "Today, 16:20"),
        (dt.timedelta(days=-1), "Tomorrow"),
        (dt.timedelta(days=-3), "in 3 days"),
        (dt.timedelta(days=-28), "18 Dec"),
    ],
)
def test_a_moment_is_told_as_a_colleague_would(before: dt.timedelta, words: str) -> None:
    assert display.relative(NOW - before, NOW) == words


def test_the_exact_moment_names_its_zone() -> None:
    assert display.exact(NOW) == "20 Nov 2026, 14:20:30 CET"


@pytest.mark.parametrize(
    ("day", "heading"),
    [
        (dt.date(2026, 11, 20), "Today, 20 November"),
        (dt.date(2026, 11, 19), "Yesterday, 19 November"),
        (dt.date(2026, 11, 18), "Wednesday, 18 November"),
        (dt.date(2025, 11, 18), "Tuesday, 18 November 2025"),
    ],
)
def test_a_day_of_the_timeline_has_a_heading(day: dt.date, heading: str) -> None:
    assert display.day_heading(day, NOW.date()) == heading


@pytest.mark.parametrize(
    ("days", "words"), [(0.5, "less than a day"), (1, "1 day"), (1.9, "1 day"), (12.2, "12 days")]
)
def test_days_are_counted_whole(days: float, words: str) -> None:
    assert display.days_long(NOW - dt.timedelta(days=days), NOW) == words


def test_each_kind_of_status_has_a_shape_of_its_own() -> None:
    seeded = [("open", 0), ("open", 1), ("qualified", 2), ("open", 3), ("won", 4), ("lost", 5)]
    assert [display.status_shape(*status) for status in seeded] == [
        "pie-0", "pie-1", "pie-2", "pie-3", "pie-won", "pie-lost",
    ]  # fmt: skip
    assert display.status_shape("spam", 6) == "pie-lost"


def test_a_stage_is_fuller_the_more_likely_it_is_won() -> None:
    stages = [("open", 10), ("open", 20), ("open", 50), ("open", 75), ("won", 100), ("lost", 0)]
    assert [display.stage_shape(*stage) for stage in stages] == [
        "pie-0", "pie-1", "pie-2", "pie-3", "pie-won", "pie-lost",
    ]  # fmt: skip
    assert [display.stage_colour(*stage) for stage in stages] == [
        "slate", "blue", "violet", "amber", "green", "slate",
    ]  # fmt: skip
