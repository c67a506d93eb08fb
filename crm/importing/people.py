"""Rows into people, with every fault of a row. What a company's words mean is handed in as `Choices`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from crm import cleaning, customvalues
from crm.customvalues import LONGEST_URL
from crm.importing.fields import FIELDS, Field
from crm.importing.tables import Row
from crm.importing.words import COUNTRY_NAMES, parse_moment


@dataclass(frozen=True)
class Choices:
    """The company's words in lower case: statuses and types by name and key, members by address and name."""

    statuses: Mapping[str, UUID] = field(default_factory=dict)
    types: Mapping[str, UUID] = field(default_factory=dict)
    members: Mapping[str, UUID] = field(default_factory=dict)
    own: Mapping[str, customvalues.Field] = field(default_factory=dict)
    """The company's own fields, by their names in a mapping."""
    zone: tzinfo = UTC
    month_first: bool = False


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value of a row. `field` is a label."""

    field: str
    value: str
    sentence: str


@dataclass
class Person:
    """What a row says of somebody. An empty text says nothing."""

    number: int
    texts: dict[str, str] = field(default_factory=dict)
    emails: list[str] = field(default_factory=list)
    phones: list[tuple[str, str]] = field(default_factory=list)
    websites: list[str] = field(default_factory=list)
    organization: str = ""
    country_code: str = ""
    status: UUID | None = None
    lead_type: UUID | None = None
    owner: UUID | None = None
    tags: list[str] = field(default_factory=list)
    consent: str = ""
    created: datetime | None = None
    note: str = ""
    custom: dict[str, customvalues.Value] = field(default_factory=dict)
    """Values of the company's own fields, by key."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The addresses, as they are looked up."""
        return [email.lower() for email in self.emails]

    @property
    def external_id(self) -> str:
        return self.texts.get("external_id", "")

    @property
    def name(self) -> str:
        return f"{self.texts.get('first_name', '')} {self.texts.get('last_name', '')}".strip()


class Reader:
    """Turns rows into people by a mapping of columns to fields. `lenient`: a bad optional value is left out."""

    def __init__(
        self, mapping: Sequence[str], choices: Choices, now: datetime, *, lenient: bool = False
    ) -> None:
        self._columns = [
            (place, name) for place, name in enumerate(mapping) if name in FIELDS or name in choices.own
        ]
        self._choices, self._now, self._lenient = choices, now, lenient
        self._readers: dict[str, Callable[[Person, str], None]] = {
            "full_name": _read_full_name,
            "email": _read_email,
            "other_email": _read_other_emails,
            "phone": _read_phone,
            "mobile": _read_mobile,
            "website": _read_website,
            "organization": _read_organization,
            "country": _read_country,
            "status": self._read_status,
            "type": self._read_type,
            "owner": self._read_owner,
            "tags": _read_tags,
            "consent": _read_consent,
            "created": self._read_created,
            "note": _read_note,
        }

    def read(self, row: Row) -> Person:
        """What the row says; what is wrong with it is in `faults`."""
        person = Person(row.number)
        for place, name in self._columns:
            text = row.cells[place] if place < len(row.cells) else ""
            if text:
                self._take(person, name, text)
        is_known = person.name or person.emails or person.organization or person.external_id
        if not is_known and not person.faults:
            person.faults.append(Fault("", "", "The row names nobody: no name, no e-mail."))
        return person

    def _take(self, person: Person, name: str, text: str) -> None:
        own = self._choices.own.get(name)
        known = FIELDS[name] if own is None else Field(own.name, max_length=customvalues.LONGEST_LONG_TEXT)
        try:
            if "\x00" in text or not _is_storable(text):
                raise ValidationError("Remove the characters that cannot be stored (NUL or broken Unicode).")  # noqa: TRY301
            if len(text) > known.max_length:
                raise ValidationError(f"At most {known.max_length} characters fit; it has {len(text)}.")  # noqa: TRY301
            if own is not None:
                self._read_own(person, own, text)
            elif name in self._readers:
                self._readers[name](person, text)
            else:
                person.texts[name] = text
        except ValidationError as error:
            if not self._lenient:
                shown = text.replace("\x00", "�")[:120]
                person.faults.append(Fault(known.label, shown, " ".join(error.messages)))

    def _read_own(self, person: Person, own: customvalues.Field, text: str) -> None:
        given: object = text
        if own.kind == customvalues.DATE:
            given = parse_moment(text, self._choices.zone, month_first=self._choices.month_first).date()
        value = customvalues.cleaned(own, given)
        if value is not None:
            person.custom[own.key] = value

    def _read_status(self, person: Person, text: str) -> None:
        person.status = _chosen(self._choices.statuses, text, "status")

    def _read_type(self, person: Person, text: str) -> None:
        person.lead_type = _chosen(self._choices.types, text, "type")

    def _read_owner(self, person: Person, text: str) -> None:
        person.owner = _chosen(self._choices.members, text, "member")

    def _read_created(self, person: Person, text: str) -> None:
        at = parse_moment(text, self._choices.zone, month_first=self._choices.month_first)
        person.created = cleaning.moment(at, self._now)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _chosen(words: Mapping[str, Any], text: str, noun: str) -> Any:
    found = words.get(" ".join(text.lower().split()))
    if found is None:
        raise ValidationError(f"The company has no {noun} of this name.")
    return found


def _read_full_name(person: Person, text: str) -> None:
    if "," in text:
        last, _, first = text.partition(",")
    else:
        first, _, last = text.rpartition(" ")
    if not first:
        first, last = "", last or text
    person.texts.setdefault("first_name", first.strip()[:80])
    person.texts.setdefault("last_name", last.strip()[:80])


def _read_email(person: Person, text: str) -> None:
    for position, address in enumerate(_parts(text)):
        clean = cleaning.email(address)
        if clean.lower() not in person.keys:
            person.emails.insert(position, clean)


def _read_other_emails(person: Person, text: str) -> None:
    for address in _parts(text):
        clean = cleaning.email(address)
        if clean.lower() not in person.keys:
            person.emails.append(clean)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;,\s]+", text) if part.strip()]


def _read_phone(person: Person, text: str) -> None:
    _add_phones(person, text, "")


def _read_mobile(person: Person, text: str) -> None:
    _add_phones(person, text, "Mobile")


def _add_phones(person: Person, text: str, label: str) -> None:
    for number in filter(None, (part.strip() for part in text.split(";"))):
        if not cleaning.phone_digits(number):
            raise ValidationError("A phone number has digits.")
        person.phones.append((number, label))


def _read_website(person: Person, text: str) -> None:
    for url in filter(None, (part.strip() for part in text.split(";"))):
        whole = url if re.match(r"https?://", url, re.IGNORECASE) else f"https://{url}"
        is_address = re.fullmatch(r"https?://[\w.-]+\.\w{2,}([/:?#]\S*)?", whole, re.IGNORECASE)
        if not is_address or len(whole) > LONGEST_URL:
            raise ValidationError("Enter an address such as example.com.")
        person.websites.append(whole)


def _read_organization(person: Person, text: str) -> None:
    person.organization = " ".join(text.split())


def _read_country(person: Person, text: str) -> None:
    code = COUNTRY_NAMES.get(text.lower().strip(" ."), "")
    if not code:
        raise ValidationError("The country is not known. Write its English name, or its code, such as DE.")
    person.country_code = code


def _read_tags(person: Person, text: str) -> None:
    for tag in (" ".join(part.split()) for part in re.split(r"[;,]", text)):
        if max(len(tag), len(tag.lower())) > 60:  # a letter may become two
            raise ValidationError("A tag has at most 60 characters.")
        if tag and tag.lower() not in {each.lower() for each in person.tags}:
            person.tags.append(tag)


_GRANTED = frozenset(
    ("granted", "yes", "y", "true", "1", "ja", "oui", "si", "sí", "opt-in", "opted in", "subscribed")
)
_DENIED = frozenset(
    ("denied", "no", "n", "false", "0", "nein", "non", "opt-out", "opted out", "unsubscribed")
)


def _read_consent(person: Person, text: str) -> None:
    word = text.lower()
    if word in _GRANTED:
        person.consent = "granted"
    elif word in _DENIED:
        person.consent = "denied"
    elif word != "unknown":
        raise ValidationError("Write granted (or yes), denied (or no), or unknown.")


def _read_note(person: Person, text: str) -> None:
    person.note = text if not person.note else f"{person.note}\n{text}"
