"""Where a person came from: touches as web sites tell them, made fit to be kept, and put in order.

A touch is one arrival at a site. What a visitor's browser says of it is never a reason to refuse a lead: what is too
long is cut, and an id that cannot be one is left out.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from django.utils.dateparse import parse_datetime

from crm.cleaning import OLDEST

CLICK: Final = "li_fat_id"
MOST_CLICK_CHARACTERS: Final = 300
CAMPAIGN: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
PLACES: Final = ("referrer", "landing_page")
FIELDS: Final = (CLICK, *CAMPAIGN, *PLACES)
# Browsers keep cookies of 4 kB with their name and attributes.
_MOST_COOKIE: Final = 3600
_LENGTHS: Final = dict.fromkeys(CAMPAIGN, 200) | dict.fromkeys(PLACES, 2000)


@dataclass(frozen=True)
class Touch:
    """One arrival: when (aware), and what was said of it by field; what is not known is not there."""

    at: datetime
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_marked(self) -> bool:
        """Whether it says more than that somebody typed the address in."""
        return any(self.said.get(name) for name in (CLICK, *CAMPAIGN, "referrer"))

    def as_json(self) -> dict[str, str]:
        return {"at": self.at.isoformat(timespec="seconds"), **self.said}


@dataclass(frozen=True)
class Journey:
    """The first and the last touch, and the one that brought the click id; they may be the same."""

    first: Touch
    last: Touch
    click: Touch | None


def touch_from(said: object, now: datetime) -> Touch | None:
    """A touch as a script, a cookie or a form says it; None if nothing of it can be kept.

    A time that is missing, or cannot be one, becomes `now`; so does one that is still to come.
    """
    if not isinstance(said, Mapping):
        return None
    kept = {name: value for name in FIELDS if (value := _kept(name, said.get(name)))}
    return Touch(_time(said.get("at"), now), kept) if kept else None


def journey_of(touches: Iterable[Touch | None]) -> Journey | None:
    """First and last by time. Somebody who comes back by typing the address in has no new last touch."""
    known = sorted((touch for touch in touches if touch), key=lambda touch: touch.at)
    if not known:
        return None
    marked = [touch for touch in known if touch.is_marked]
    clicks = [touch for touch in known if touch.said.get(CLICK)]
    return Journey(known[0], (marked or known)[-1], clicks[-1] if clicks else None)


def packed(journey: Journey) -> str:
    """A journey as a cookie holds it; of a long one, what matters most."""
    told = {
        "first": journey.first,
        "last": journey.last,
        **({"click": journey.click} if journey.click else {}),
    }
    for names in (FIELDS, (CLICK, *CAMPAIGN), (CLICK,)):
        kept = {
            word: {name: text for name, text in touch.as_json().items() if name in ("at", *names)}
            for word, touch in told.items()
        }
        text = urlsafe_b64encode(json.dumps(kept, separators=(",", ":")).encode()).decode()
        if len(text) <= _MOST_COOKIE:
            return text
    return ""


def unpacked(text: str, now: datetime) -> tuple[Touch, ...]:
    """The touches of a cookie; whatever cannot be read is nothing."""
    if len(text) > _MOST_COOKIE:
        return ()
    try:
        kept = json.loads(urlsafe_b64decode(text.encode()))
    except (ValueError, RecursionError):
        return ()
    return told_by(kept, now)


def told_by(said: object, now: datetime) -> tuple[Touch, ...]:
    """The touches `first`, `last` and `click` of an object."""
    told = said if isinstance(said, Mapping) else {}
    found = (touch_from(told.get(word), now) for word in ("first", "last", "click"))
    return tuple(touch for touch in found if touch)


def _kept(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return ""
    text = "".join(character for character in value.strip() if character.isprintable())
    if name == CLICK:
        return text if len(text) <= MOST_CLICK_CHARACTERS else ""  # a part of an id is another id
    if name in PLACES:
        text = _without_query(text)
    return text[: _LENGTHS[name]]


def _without_query(url: str) -> str:
    """What stands behind the question mark may be anything, such as the visitor's address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _time(value: Any, now: datetime) -> datetime:
    if not isinstance(value, str) or len(value) > 40:
        return now
    try:
        at = parse_datetime(value)
    except ValueError:
        return now
    if at is None or at.tzinfo is None or at < OLDEST:
        return now
    return min(at, now)
