"""Values into the words and signs that people read: names, money, times. Pure."""

from __future__ import annotations

import datetime as dt
import zlib
from decimal import Decimal
from typing import Final

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
    """`€48,000.00`, or `€48,000` when short and whole. Currencies without a sign of their own lead with
    their code. Nothing for None."""
    if amount is None:
        return ""
    digits = 0 if short and amount == amount.to_integral_value() else CURRENCIES.get(currency, 2)
    sign = MINUS if amount < 0 else ""
    return f"{sign}{currency_sign(currency)}{abs(amount):,.{digits}f}"


def currency_sign(currency: str) -> str:
    if currency in SYMBOLS:
        return SYMBOLS[currency]
    return f"{currency}{NO_BREAK}" if currency else ""


def relative(moment: dt.datetime, now: dt.datetime) -> str:
    """How long ago, or how soon, in the words of a colleague. Both in the reader's time zone."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 45:
        return "just now"
    if abs(seconds) < 3600:
        minutes = max(1, round(abs(seconds) / 60))
        return f"{minutes} min ago" if seconds > 0 else f"in {minutes} min"
    if moment.date() == now.date():
        return f"Today, {moment:%H:%M}"
    return relative_day(moment.date(), now.date())


def relative_day(day: dt.date, today: dt.date) -> str:
    """A day as people say it: Yesterday, 4 days ago, in 3 days, 5 Nov, 5 Nov 2025."""
    days = (today - day).days
    if days in NEAR_DAYS:
        return NEAR_DAYS[days]
    if 0 < days < 14:
        return f"{days} days ago"
    if -14 < days < 0:
        return f"in {-days} days"
    return short_date(day, today)


NEAR_DAYS: Final = {0: "Today", 1: "Yesterday", -1: "Tomorrow"}


def short_date(day: dt.date, today: dt.date) -> str:
    """`18 Dec`, with the year when it is another one."""
    return f"{day.day} {day:%b}" if day.year == today.year else f"{day.day} {day:%b %Y}"


def exact(moment: dt.datetime) -> str:
    """`20 Nov 2026, 14:08:31 CET`."""
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} {moment.tzname() or ''}".rstrip()


def day_heading(day: dt.date, today: dt.date) -> str:
    """The head of a day in a timeline: `Today, 20 November`, `Wednesday, 18 November 2025`."""
    name = {0: "Today", 1: "Yesterday"}.get((today - day).days) or f"{day:%A}"
    year = "" if day.year == today.year else f" {day.year}"
    return f"{name}, {day.day} {day:%B}{year}"


def days_long(since: dt.datetime, until: dt.datetime) -> str:
    """Whole days between two moments: `less than a day`, `1 day`, `12 days`."""
    days = (until - since).days
    if days < 1:
        return "less than a day"
    return "1 day" if days == 1 else f"{days} days"


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
