"""Reads what a web form or a script sends: names of fields as the world writes them, values checked one by one.

Nothing here asks the database who the person is, so that an answer cannot tell whether they are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError

from crm import attribution, cleaning, customvalues
from crm.attribution import Touch
from crm.countries import COUNTRIES
from crm.models import Consent

# Filled in by machines alone: our own forms hide the first, other services' forms have the rest.
HONEYPOTS: Final = ("_gotcha", "_honey", "bot-field", "honeypot")
# How long the form was looked at, in milliseconds; our script says so.
ELAPSED: Final = "_elapsed"
FASTEST: Final = 2000
LONGEST_MESSAGE: Final = 10_000
_MOST_WRONG: Final = 20

LENGTHS: Final = {
    "first_name": 80,
    "last_name": 80,
    "name": 160,
    "email": 254,
    "phone": 40,
    "title": 120,
    "organization": 160,
    "country_code": 80,
    "source": 80,
    "type": 60,
    "message": LONGEST_MESSAGE,
    "consent_text_version": 40,
    "redirect": 500,
}
_OTHERS: Final = frozenset(
    {
        "consent",
        "custom",
        "is_test",
        "attribution",
        "event_id",
        "li_fat_id_captured_at",
        "first_touch",
        "last_touch",
        "click_touch",
        *attribution.FIELDS,
    }
)
# As form builders and people call them. Compared in lower case, with "-" and blanks as "_".
_ALIASES: Final = {
    "firstname": "first_name",
    "fname": "first_name",
    "given_name": "first_name",
    "lastname": "last_name",
    "lname": "last_name",
    "surname": "last_name",
    "family_name": "last_name",
    "full_name": "name",
    "fullname": "name",
    "your_name": "name",
    "e_mail": "email",
    "email_address": "email",
    "emailaddress": "email",
    "work_email": "email",
    "your_email": "email",
    "telephone": "phone",
    "tel": "phone",
    "mobile": "phone",
    "mobilephone": "phone",
    "phone_number": "phone",
    "phonenumber": "phone",
    "job_title": "title",
    "jobtitle": "title",
    "company": "organization",
    "company_name": "organization",
    "organisation": "organization",
    "country": "country_code",
    "comment": "message",
    "comments": "message",
    "your_message": "message",
    "_linkedin_event_id": "event_id",
}
# What browsers and form builders add, and nobody has filled in.
_IDLE: Final = frozenset({"submit", "button", "csrfmiddlewaretoken"})
_YES: Final = frozenset({"granted", "yes", "on", "true", "1"})
_NO: Final = frozenset({"denied", "no", "off", "false", "0"})
_COUNTRY_NAMES: Final = {name.casefold(): code for code, name in COUNTRIES.items()}


@dataclass(frozen=True)
class Said:
    """What was sent, checked. `custom` is by key; `consent` is "" where nothing was said of it."""

    text: Mapping[str, str]
    email: str = ""
    country_code: str = ""
    custom: Mapping[str, object] = field(default_factory=dict)
    consent: str = ""
    is_test: bool = False
    event_id: str = ""
    touches: tuple[Touch, ...] = ()

    def __getitem__(self, name: str) -> str:
        """A text, "" if it was not sent."""
        return self.text.get(name, "")

    @property
    def names(self) -> tuple[str, str]:
        """First and last name; of a name in one piece, the last name is everything after the first word."""
        if self["first_name"] or self["last_name"] or not self["name"]:
            return self["first_name"], self["last_name"]
        first, _, last = self["name"].partition(" ")
        return first[:80], last.strip()[:80]


def is_known(name: str) -> bool:
    """Whether a field of this name is one of ours."""
    ours = _ours(name)
    return ours in LENGTHS or ours in _OTHERS


def spam_reason(body: Mapping[str, Any]) -> str:
    """Why a machine must have filled this in; "" if nothing says so."""
    if any(str(body.get(name) or "").strip() for name in HONEYPOTS):
        return "honeypot"
    elapsed = str(body.get(ELAPSED, ""))
    if elapsed.isascii() and elapsed.isdigit() and len(elapsed) < 12 and int(elapsed) < FASTEST:
        return "too_fast"
    return ""


def read(body: Mapping[str, Any], fields: Mapping[str, customvalues.Field], now: datetime) -> Said:
    """What was sent, by our names. `fields` are the company's custom fields by key.

    Raises ValidationError by the sender's own names.
    """
    reading = _Reading(body, fields, now)
    said = reading.said()
    if reading.errors:
        raise ValidationError(dict(list(reading.errors.items())[:_MOST_WRONG]))
    return said


class _Reading:
    """One body on its way to what it says, with what is wrong in it."""

    def __init__(
        self, body: Mapping[str, Any], fields: Mapping[str, customvalues.Field], now: datetime
    ) -> None:
        self.errors: dict[str, list[ValidationError]] = {}
        self._now = now
        self._fields = fields
        self._sent_as: dict[str, str] = {}
        self._custom: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        for name, value in body.items():
            self._sort(name, value)

    def said(self) -> Said:
        text = {name: self._text(name) for name in LENGTHS if name in self._known}
        email = self._cleaned("email", text, cleaning.email)
        country = self._cleaned("country_code", text, _country)
        said = Said(
            {name: value for name, value in text.items() if value},
            email=email,
            country_code=country,
            custom=self._customised(),
            consent=self._consent(),
            is_test=self._answer("is_test") is True,
            event_id=self._event_id(),
            touches=self._touches(),
        )
        if not (email or said["phone"] or any(said.names)) and not self.errors:
            self._wrong("email", "Give at least an e-mail address, a phone number or a name.", "required")
        return said

    # --- Names

    def _sort(self, name: str, value: Any) -> None:
        ours = _ours(name)
        if name in HONEYPOTS or name in _IDLE:
            return
        if ours in LENGTHS or ours in _OTHERS:
            if not self._known.get(ours):
                self._known[ours], self._sent_as[ours] = value, name
        elif name in self._fields:
            self._custom[name] = value
        elif name.startswith(("custom.", "custom[")):
            self._custom[name[7:].removesuffix("]")] = value
        elif not name.startswith("_"):
            self._sent_as[name] = name
            self._wrong(name, "There is no field of this name.", "unknown_field")

    def _wrong(self, name: str, sentence: str, code: str) -> None:
        error = ValidationError(sentence, code=code)
        self.errors.setdefault(self._sent_as.get(name, name), []).append(error)

    # --- Values

    def _text(self, name: str) -> str:
        value = self._known[name]
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool) and name == "phone":
            value = str(value)
        if not isinstance(value, str):
            self._wrong(name, "Send text.", "invalid")
            return ""
        value = value.strip()
        if not _is_storable(value):
            self._wrong(
                name, "Remove the characters that cannot be stored (NUL or broken Unicode).", "invalid"
            )
        elif len(value) > LENGTHS[name]:
            self._wrong(name, f"At most {LENGTHS[name]:,} characters.", "max_length")
        else:
            return value
        return ""

    def _cleaned(self, name: str, text: Mapping[str, str], clean: Callable[[str], str]) -> str:
        if not text.get(name):
            return ""
        try:
            return clean(text[name])
        except ValidationError as error:
            self._wrong(name, " ".join(error.messages), str(error.code or "invalid"))
            return ""

    def _customised(self) -> dict[str, object]:
        nested = self._known.get("custom")
        if nested is not None and not isinstance(nested, Mapping):
            self._wrong("custom", "Send an object.", "invalid")
            nested = None
        try:
            return dict(customvalues.changed(self._fields.values(), {}, {**self._custom, **(nested or {})}))
        except ValidationError as error:
            self.errors |= error.error_dict
            return {}

    def _answer(self, name: str) -> bool | None:
        """Yes or no, as JSON or a checkbox says it; None if nothing was said."""
        value = self._known.get(name)
        word = str(value).strip().lower() if isinstance(value, str | bool | int) else value
        if word in (None, "", "unknown"):
            return None
        if isinstance(word, str) and word in _YES | _NO:
            return word in _YES
        self._wrong(name, "Say yes or no.", "invalid")
        return None

    def _consent(self) -> str:
        answer = self._answer("consent")
        if answer is None:
            return ""
        return Consent.GRANTED.value if answer else Consent.DENIED.value

    def _event_id(self) -> str:
        """An id that no event can have is left away by whoever makes the lead."""
        value = self._known.get("event_id") or _mapping(self._known.get("attribution")).get("event_id")
        return value.strip() if isinstance(value, str) else ""

    def _touches(self) -> tuple[Touch, ...]:
        """Those that the script tells, and what hidden fields say of the last one."""
        nested = _mapping(self._known.get("attribution"))
        flat = {name: self._known.get(name) or nested.get(name) for name in attribution.FIELDS}
        captured = self._known.get("li_fat_id_captured_at") or nested.get("li_fat_id_captured_at")
        told = (
            _mapping(self._known.get("first_touch") or nested.get("first_touch")),
            _mapping(self._known.get("last_touch") or nested.get("last_touch")),
            _mapping(self._known.get("click_touch")),
            {**flat, "at": captured},
        )
        return tuple(touch for one in told if (touch := attribution.touch_from(one, self._now)))


def _ours(name: str) -> str:
    """Our name for a field, as far as it has one."""
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    return _ALIASES.get(plain, plain)


def _mapping(value: Any) -> Mapping[str, Any]:
    """An object, also as the text that a hidden field holds it as."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def _country(text: str) -> str:
    return _COUNTRY_NAMES.get(text.casefold()) or cleaning.country_code(text)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text
