"""Calendars as RFC 5545 has them, read back by the rules of its sections 3.1 and 3.3.11."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from crm import ics

AT = dt.datetime(2026, 11, 20, 8, 0, tzinfo=dt.UTC)


def read_back(text: str) -> list[tuple[str, str]]:
    """The lines of a calendar as (name with parameters, value), unfolded and unescaped."""
    assert text.endswith("\r\n")
    unfolded = text.replace("\r\n ", "")
    pairs = [line.partition(":") for line in unfolded.split("\r\n")[:-1]]
    return [(name, unescaped(value)) for name, _, value in pairs]


def unescaped(value: str) -> str:
    found, signs = "", iter(value)
    for sign in signs:
        found += (
            {"n": "\n"}.get(following, following) if sign == "\\" and (following := next(signs)) else sign
        )
    return found


def test_a_task_with_an_hour_is_a_moment_in_utc() -> None:
    berlin = dt.timezone(dt.timedelta(hours=1))
    event = ics.Event(
        "1@x", "Call", dt.datetime(2026, 11, 20, 15, 30, tzinfo=berlin), AT, "https://x.test/", 30, 1
    )
    assert ics.calendar("Tasks", [event]) == (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//LeadMachine//Tasks//EN\r\nCALSCALE:GREGORIAN\r\n"
        "METHOD:PUBLISH\r\nX-WR-CALNAME:Tasks\r\nBEGIN:VEVENT\r\nUID:1@x\r\nDTSTAMP:20261120T080000Z\r\n"
        "LAST-MODIFIED:20261120T080000Z\r\nDTSTART:20261120T143000Z\r\nDURATION:PT30M\r\nSUMMARY:Call\r\n"
        "URL:https://x.test/\r\nPRIORITY:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_a_task_without_an_hour_is_a_day() -> None:
    lines = read_back(ics.calendar("Tasks", [ics.Event("1@x", "Call", dt.date(2026, 11, 20), AT)]))
    assert ("DTSTART;VALUE=DATE", "20261120") in lines
    assert ("TRANSP", "TRANSPARENT") in lines


def test_signs_with_a_meaning_are_escaped() -> None:
    assert ics.escaped("a\\b;c,d\r\ne\x00f") == "a\\\\b\\;c\\,d\\nef"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_survives_and_no_line_is_too_long(text: str) -> None:
    written = ics.calendar("Tasks", [ics.Event("1@x", text, dt.date(2026, 11, 20), AT)])
    for line in written.split("\r\n"):
        assert len(line.encode()) <= 75
    kept = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(sign for sign in kept if sign in "\n\t" or (ord(sign) >= 32 and ord(sign) != 127))
    assert dict(read_back(written))["SUMMARY"] == kept
