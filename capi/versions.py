"""When LinkedIn's API versions end: the table of its migrations page, as read on 22 September 2026. Pure."""

from __future__ import annotations

import re
from datetime import date

WARN_DAYS = 60

# The last day of each version. LinkedIn sends no header about it, so the dates must be known here.
ENDS: dict[str, date] = {
    "202609": date(2027, 9, 15),
    "202608": date(2027, 8, 17),
    "202607": date(2027, 7, 15),
    "202606": date(2027, 6, 15),
    "202605": date(2027, 5, 15),
    "202604": date(2027, 4, 15),
    "202603": date(2027, 3, 16),
    "202602": date(2027, 2, 15),
    "202601": date(2027, 1, 15),
    "202511": date(2026, 11, 16),
    "202510": date(2026, 10, 15),
    "202509": date(2026, 9, 15),
}
OLDEST, NEWEST = min(ENDS), max(ENDS)


def is_version(text: str) -> bool:
    """Whether the text has the form of a version: YYYYMM."""
    return re.fullmatch(r"20[0-9]{2}(0[1-9]|1[0-2])", text) is not None


def last_day(version: str) -> date | None:
    """The day after which LinkedIn answers 426; None for a version newer than the table or never made.

    Versions older than the table ended before its oldest did.
    """
    if version < OLDEST:
        return ENDS[OLDEST]
    return ENDS.get(version)


def days_left(version: str, today: date) -> int | None:
    """Days until the last day, 0 on it, negative after it; None if the last day is not known."""
    ends = last_day(version)
    return (ends - today).days if ends else None
