"""Writes calendars as RFC 5545 has them: CRLF, lines folded at 75 octets, text escaped. Pure; no time zones but UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

LINE_OCTETS: Final = 75
_UNPRINTABLE: Final = {number: None for number in range(32) if chr(number) not in "\n\t"} | {127: None}


@dataclass(frozen=True)
class Event:
    """An entry. `start` is a day, or a moment with its offset that lasts `minutes`; `priority` is RFC's, 1 to 9."""

    uid: str
    summary: str
    start: dt.date | dt.datetime
    changed_at: dt.datetime
    url: str = ""
    minutes: int = 30
    priority: int = 0


def calendar(name: str, events: Iterable[Event]) -> str:
    """A whole calendar."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//LeadMachine//Tasks//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"X-WR-CALNAME:{escaped(name)}",
        *(line for event in events for line in _event(event)),
        "END:VCALENDAR",
    ]
    return "".join(f"{folded(line)}\r\n" for line in lines)


def _event(event: Event) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{escaped(event.uid)}"
    yield f"DTSTAMP:{_moment(event.changed_at)}"
    yield f"LAST-MODIFIED:{_moment(event.changed_at)}"
    if isinstance(event.start, dt.datetime):
        yield f"DTSTART:{_moment(event.start)}"
        yield f"DURATION:PT{event.minutes}M"
    else:
        yield f"DTSTART;VALUE=DATE:{event.start:%Y%m%d}"
        yield "TRANSP:TRANSPARENT"
    yield f"SUMMARY:{escaped(event.summary)}"
    if event.url:
        yield f"URL:{event.url}"
    if event.priority:
        yield f"PRIORITY:{event.priority}"
    yield "END:VEVENT"


def escaped(text: str) -> str:
    """Text as a value: backslash, semicolon, comma and line breaks escaped, other control characters left out."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNPRINTABLE)
    for sign in ("\\", ";", ","):
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("\n", "\\n")


def folded(line: str) -> str:
    """A line in pieces of at most 75 octets, none of which cuts a character in two."""
    pieces: list[str] = []
    piece, octets = "", 0
    for sign in line:
        size = len(sign.encode())
        if octets + size > LINE_OCTETS:
            pieces.append(piece)
            piece, octets = "", 1  # the blank that a continued line begins with
        piece, octets = piece + sign, octets + size
    return "\r\n ".join([*pieces, piece])


def _moment(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
