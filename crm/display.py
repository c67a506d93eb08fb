"""Values into the words and signs that people read, in their language: names, money, numbers, times. Pure."""

from __future__ import annotations

import datetime as dt
import zlib
from decimal import Decimal
from functools import lru_cache
from typing import Final

from django.utils.dates import MONTHS, MONTHS_3, MONTHS_AP, WEEKDAYS
from django.utils.formats import get_format
from django.utils.translation import get_language, gettext, ngettext, pgettext

from crm.currencies import CURRENCIES

COLOURS: Final = ("slate", "blue", "violet", "rose", "amber", "teal", "green")

SYMBOLS: Final = {
    "AUD": "A$", "BRL": "R$", "CAD": "CA$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "ILS": "₪",
    "INR": "₹", "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NZD": "NZ$", "PHP": "₱", "TWD": "NT$", "USD": "$",
    "VND": "₫",
}  # fmt: skip

NO_BREAK: Final = "\u00a0"
MINUS: Final = "\u2212"


def initials(name: str) -> str:
    """First letters of the first and the last word: "Annika Sørensen" gives AS. "?" if there is no letter."""
    letters = [letter for letter in map(first_letter, name.split()) if letter]
    if not letters:
        return "?"
    return "".join([letters[0], *letters[1:][-1:]]).upper()


def first_letter(word: str) -> str:
    return next((sign for sign in word if sign.isalnum()), "")


def colour_of(text: str) -> str:
    """One of `COLOURS`, always the same for the same text."""
    return COLOURS[zlib.crc32(text.strip().casefold().encode()) % len(COLOURS)]


def money(amount: Decimal | None, currency: str, *, short: bool = False) -> str:
    """`€48,000.00`, or `€48,000` when short and whole; in German `48.000,00 €`. A currency without a sign of its
    own shows its code. Nothing for None."""
    if amount is None:
        return ""
    digits = 0 if short and amount == amount.to_integral_value() else CURRENCIES.get(currency, 2)
    figures = number(abs(amount), digits)
    pattern = _money_pattern(get_language()) if currency else "{sign}{figures}"
    mark = SYMBOLS.get(currency, currency)
    if mark == currency and "{currency}{figures}" in pattern:
        mark += NO_BREAK  # a code does not stick to the figures behind it
    return pattern.format(sign=MINUS if amount < 0 else "", currency=mark, figures=figures)


# What lists show by the hundred is looked up once for each language: a look-up costs ten times what it says.


@lru_cache(maxsize=64)
def _money_pattern(language: str | None) -> str:
    # Translators: {sign} is a minus or nothing, {currency} a sign or a code.
    return pgettext("money", "{sign}{currency}{figures}")


def number(value: Decimal | float, digits: int = 0) -> str:
    """`1,234.5` with so many digits behind the point, as the reader writes them."""
    return f"{value:,.{digits}f}".translate(_separators(get_language()))


@lru_cache(maxsize=64)
def _separators(language: str | None) -> dict[int, str]:
    """What stands for Python's comma and point."""
    thousands, point = (get_format(kind, language) for kind in ("THOUSAND_SEPARATOR", "DECIMAL_SEPARATOR"))
    return {ord(","): thousands, ord("."): point}


def relative(moment: dt.datetime, now: dt.datetime) -> str:
    """How long ago, or how soon, in the words of a colleague. Both in the reader's time zone."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 45:
        return gettext("just now")
    if abs(seconds) < 3600:
        minutes = max(1, round(abs(seconds) / 60))
        words = gettext("{minutes} min ago") if seconds > 0 else gettext("in {minutes} min")
        return words.format(minutes=minutes)
    if moment.date() == now.date():
        return gettext("Today, {time}").format(time=f"{moment:%H:%M}")
    return relative_day(moment.date(), now.date())


def relative_day(day: dt.date, today: dt.date) -> str:
    """A day as people say it: Yesterday, 4 days ago, in 3 days, 5 Nov, 5 Nov 2025."""
    days = (today - day).days
    return _days_away(days, get_language()) if -14 < days < 14 else short_date(day, today)


@lru_cache(maxsize=256)
def _days_away(days_ago: int, language: str | None) -> str:
    if near := near_day(days_ago):
        return near
    if days_ago > 0:
        return ngettext("{days} day ago", "{days} days ago", days_ago).format(days=days_ago)
    return ngettext("in {days} day", "in {days} days", -days_ago).format(days=-days_ago)


def near_day(days_ago: int) -> str:
    """Today, Yesterday, Tomorrow; nothing for any other."""
    if days_ago == 0:
        return gettext("Today")
    if days_ago == 1:
        return gettext("Yesterday")
    return gettext("Tomorrow") if days_ago == -1 else ""


def short_date(day: dt.date, today: dt.date) -> str:
    """`18 Dec`, with the year when it is another one; in German `18. Dez.`."""
    if day.year != today.year:
        return full_date(day)
    return day_and_month(day)


def day_and_month(day: dt.date) -> str:
    """`18 Dec`; in German `18. Dez.`."""
    return _day_and_month(day.day, day.month, get_language())


@lru_cache(maxsize=1024)
def _day_and_month(day: int, month: int, language: str | None) -> str:
    return pgettext("short date", "{day} {month}").format(day=day, month=_month(month, language))


def full_date(day: dt.date) -> str:
    """`18 Dec 2026`; in German `18. Dez. 2026`."""
    return _full_date(day.day, day.month, day.year, get_language())


@lru_cache(maxsize=4096)
def _full_date(day: int, month: int, year: int, language: str | None) -> str:
    pattern = pgettext("short date", "{day} {month} {year}")
    return pattern.format(day=day, month=_month(month, language), year=year)


def _month(number: int, language: str | None) -> str:
    """`Dec`; in other languages as their newspapers shorten it, which in English would be `Dec.`."""
    return str((MONTHS_3 if (language or "en").startswith("en") else MONTHS_AP)[number]).title()


def exact(moment: dt.datetime) -> str:
    """`20 Nov 2026, 14:08:31 CET`."""
    return f"{full_date(moment)}, {moment:%H:%M:%S} {moment.tzname() or ''}".rstrip()


def day_heading(day: dt.date, today: dt.date) -> str:
    """The head of a day in a timeline: `Today, 20 November`, `Wednesday, 18 November 2025`."""
    days_ago = (today - day).days
    name = near_day(days_ago) if days_ago in (0, 1) else str(WEEKDAYS[day.weekday()])
    words = {"weekday": name, "day": day.day, "month": str(MONTHS[day.month]), "year": day.year}
    if day.year == today.year:
        return pgettext("day of a timeline", "{weekday}, {day} {month}").format(**words)
    return pgettext("day of a timeline", "{weekday}, {day} {month} {year}").format(**words)


def long_day(day: dt.date) -> str:
    """`Sunday, 22 November`; in German `Sonntag, 22. November`."""
    words = {"weekday": str(WEEKDAYS[day.weekday()]), "day": day.day, "month": str(MONTHS[day.month])}
    return pgettext("day of a timeline", "{weekday}, {day} {month}").format(**words)


def days_long(since: dt.datetime, until: dt.datetime) -> str:
    """Whole days between two moments: `less than a day`, `1 day`, `12 days`."""
    days = (until - since).days
    if days < 1:
        return gettext("less than a day")
    return ngettext("{days} day", "{days} days", days).format(days=days)


def status_shape(category: str, position: int) -> str:
    """The sprite symbol of a lead status: its category as a shape, so that colour never stands alone."""
    if category == "open":
        return {0: "pie-0", 1: "pie-1", 2: "pie-1"}.get(position, "pie-3")
    return {"qualified": "pie-2", "won": "pie-won"}.get(category, "pie-lost")


def stage_shape(kind: str, probability: int) -> str:
    """The sprite symbol of a deal's stage: fuller the more likely it is won."""
    if kind != "open":
        return "pie-won" if kind == "won" else "pie-lost"
    return f"pie-{probability_step(probability)}"


def stage_colour(kind: str, probability: int) -> str:
    if kind != "open":
        return "green" if kind == "won" else "slate"
    return ("slate", "blue", "violet", "amber")[probability_step(probability)]


def probability_step(probability: int) -> int:
    """0–3 for a stage's chance in percent."""
    return sum(probability > limit for limit in (10, 33, 66))
