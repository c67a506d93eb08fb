"""What LinkedIn is told: from the facts of one event and one person to the JSON element that is sent."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from capi import hashing

SENDABLE_DAYS = 90
DEADLINE_MARGIN = timedelta(hours=6)
RESEND_MARGIN = timedelta(minutes=15)
RESENDABLE_FOR = timedelta(days=SENDABLE_DAYS) - RESEND_MARGIN
RECORDING_MARGIN = timedelta(hours=24)
CLOCK_TOLERANCE = timedelta(minutes=5)
HASHED_NAMES_SINCE = "202609"

_CONVERSION_URN = "urn:lla:llaPartnerConversion:"
_LEAD_URN = "urn:li:leadGenFormResponse:"
_CONVERSION_ID = re.compile(r"[1-9][0-9]{0,19}")
_BROWSER_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Older than LinkedIn itself: in practice epoch seconds that somebody read as milliseconds.
_PLAUSIBLE_SINCE = datetime(2000, 1, 1, tzinfo=UTC)


class NoIdentifier(Exception):
    """Nothing that LinkedIn accepts tells who the person is."""


@dataclass(frozen=True)
class Person:
    """Who LinkedIn is told about, as known at the first send. Empty text means unknown."""

    email: str = ""
    li_fat_id: str = ""
    lead_gen_response: str = ""
    first_name: str = ""
    last_name: str = ""
    title: str = ""
    organization: str = ""
    country_code: str = ""


@dataclass(frozen=True)
class Facts:
    """What was frozen when the event was recorded. `conversion_id` is the bare number."""

    conversion_id: str
    event_id: str
    happened_at: datetime
    value: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True)
class Element:
    """One element of a batch. `text` is stored and sent as it stands, so that a retry sends the same bytes.

    `identifiers` says what identifies the person: lead_gen_response, click_id, email, name, in this order.
    """

    text: str
    identifiers: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """Something the element could carry and does not; `blocks` if it cannot be sent without it."""

    code: str
    sentence: str
    blocks: bool = False


@dataclass(frozen=True)
class Preview:
    """The element as it would be sent now, or None if it cannot be, and what is missing and why."""

    element: dict[str, object] | None
    missing: tuple[Missing, ...] = ()


def build(facts: Facts, person: Person, *, enhanced: bool, version: str) -> Element:
    """Build the element for LinkedIn API `version` (YYYYMM).

    `enhanced` is the company's opt-in to names, title, company and country; without it none of them leaves.
    Raises NoIdentifier, and ValueError for a time that cannot be meant.
    """
    ids = _user_ids(person)
    lead = _lead_urn(person.lead_gen_response)
    details = _user_info(person, version) if enhanced else {}
    identifiers = _identifiers(lead, ids, details)
    if not identifiers:
        raise NoIdentifier("The person has no e-mail, no LinkedIn click id and no LinkedIn form response.")

    element: dict[str, object] = {
        "conversion": conversion_urn(facts.conversion_id),
        "conversionHappenedAt": milliseconds(facts.happened_at),
    }
    if value := _conversion_value(facts):
        element["conversionValue"] = value
    element["eventId"] = facts.event_id
    user: dict[str, object] = {"userIds": ids}
    if details:
        user["userInfo"] = details
    if lead:
        user["lead"] = lead
    element["user"] = user
    # ASCII with escapes: no character set, database or log on the way can change the bytes.
    return Element(json.dumps(element, separators=(",", ":")), identifiers)


def preview(
    facts: Facts, person: Person, *, enhanced: bool, version: str, wants_value: bool = False
) -> Preview:
    """Show what `build` would make. `wants_value` says that the rule reports a value."""
    missing = _missing_about(person, enhanced, version)
    try:
        element = json.loads(build(facts, person, enhanced=enhanced, version=version).text)
    except NoIdentifier:
        missing.insert(0, Missing("no_identifier", _NO_IDENTIFIER, blocks=True))
        return Preview(None, tuple(missing))
    except ValueError as error:
        return Preview(None, (Missing("bad_time", str(error), blocks=True), *missing))
    if (wants_value or facts.value is not None) and "conversionValue" not in element:
        missing.append(Missing("no_value", _NO_VALUE))
    return Preview(element, tuple(missing))


def conversion_id(text: str) -> str:
    """Return the bare number from "123" or "urn:lla:llaPartnerConversion:123".

    Raises ValueError with a sentence for whoever typed it.
    """
    number = text.strip().removeprefix(_CONVERSION_URN)
    if _CONVERSION_ID.fullmatch(number):
        return number
    raise ValueError(_what_is_wrong_with(number))


def conversion_urn(conversion_id: str) -> str:
    return _CONVERSION_URN + conversion_id


def event_id(company: UUID, conversion_id: str, event: str, subject: UUID, occurrence: int) -> str:
    """Return the id by which LinkedIn and we know this fact for ever: 55 characters, opaque.

    It follows from the arguments alone, so retry, resend, backfill and a restored backup agree on it.
    Changing it would make LinkedIn count what it already has once more.
    """
    return "lm_" + _digest(str(company), conversion_id, event, str(subject), str(occurrence))


def test_event_id(nonce: str) -> str:
    """Return an id for a test event; `nonce` must differ for each."""
    return "test_" + _digest(nonce)


def is_browser_event_id(text: str) -> bool:
    """Whether an id captured in the browser may be sent verbatim, to be matched with the Insight Tag's."""
    return _BROWSER_EVENT_ID.fullmatch(text) is not None


def milliseconds(moment: datetime) -> int:
    """Return epoch milliseconds, rounded down. Raises ValueError with a sentence if it cannot be meant."""
    if moment.utcoffset() is None:
        raise ValueError("The time has no time zone, so it does not say when this happened.")
    if moment < _PLAUSIBLE_SINCE:
        raise ValueError(
            f"The time lies in {moment.year}. It looks like seconds that were read as milliseconds."
        )
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def deadline(happened_at: datetime) -> datetime:
    """The last moment to send by ourselves: LinkedIn refuses what is older than 90 days."""
    return happened_at + timedelta(days=SENDABLE_DAYS) - DEADLINE_MARGIN


def resend_deadline(happened_at: datetime) -> datetime:
    """The last moment a person may still ask for a resend."""
    return happened_at + RESENDABLE_FOR


def too_old_to_record(happened_at: datetime, now: datetime) -> bool:
    """Whether a fact is learnt too late to be reported with any certainty."""
    return now - happened_at > timedelta(days=SENDABLE_DAYS) - RECORDING_MARGIN


def clamp_future(happened_at: datetime, now: datetime) -> datetime:
    """Return a time that is not in the future: clocks differ, so up to five minutes ahead become now.

    Raises ValueError with a sentence for more.
    """
    if happened_at - now > CLOCK_TOLERANCE:
        raise ValueError("The time lies in the future. Give the time when it happened, with its time zone.")
    return min(happened_at, now)


def _user_ids(person: Person) -> list[dict[str, str]]:
    ids = {
        "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID": person.li_fat_id.strip(),
        "SHA256_EMAIL": hashing.email(person.email),
    }
    return [{"idType": kind, "idValue": value} for kind, value in ids.items() if value]


def _lead_urn(response: str) -> str:
    identity = response.strip().removeprefix(_LEAD_URN)
    if not identity or identity.startswith("urn:") or identity.split() != [identity]:
        return ""
    return _LEAD_URN + identity


def _user_info(person: Person, version: str) -> dict[str, str]:
    """LinkedIn takes these only with both names; from 202609 on the names can travel hashed."""
    if version >= HASHED_NAMES_SINCE:
        names = {
            "hashedFirstName": hashing.name(person.first_name),
            "hashedLastName": hashing.name(person.last_name),
        }
    else:
        names = {"firstName": person.first_name.strip(), "lastName": person.last_name.strip()}
    if not all(names.values()):
        return {}
    country = person.country_code.strip().upper()
    rest = {
        "title": person.title.strip(),
        "companyName": person.organization.strip(),
        "countryCode": country if re.fullmatch("[A-Z]{2}", country) else "",
    }
    return names | {key: text for key, text in rest.items() if text}


def _identifiers(lead: str, ids: list[dict[str, str]], details: dict[str, str]) -> tuple[str, ...]:
    kinds = {one["idType"] for one in ids}
    present = {
        "lead_gen_response": bool(lead),
        "click_id": "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID" in kinds,
        "email": "SHA256_EMAIL" in kinds,
        "name": bool(details),
    }
    return tuple(word for word, there in present.items() if there)


def _conversion_value(facts: Facts) -> dict[str, str]:
    value = facts.value
    if value is None or not value.is_finite() or value <= 0 or not re.fullmatch("[A-Z]{3}", facts.currency):
        return {}
    return {"currencyCode": facts.currency, "amount": format(value, "f")}


_NO_IDENTIFIER = (
    "LinkedIn cannot tell who this is: there is no e-mail, no LinkedIn click id and no LinkedIn form "
    "response. Add an e-mail."
)
_NO_VALUE = "No value will be reported: it needs an amount above zero and a currency."
_NO_EMAIL = "No e-mail: add one, so that LinkedIn can find the person by it."
_NO_CLICK_ID = "No LinkedIn click id: the person did not come through a page with the click-id snippet."
_BAD_RESPONSE = "The LinkedIn form response is not one that LinkedIn knows, so it is left out."
_NO_NAME_PAIR = "Name, title, company and country stay out: LinkedIn takes them only with both names."


def _missing_about(person: Person, enhanced: bool, version: str) -> list[Missing]:
    missing = []
    if person.lead_gen_response.strip() and not _lead_urn(person.lead_gen_response):
        missing.append(Missing("bad_lead_gen_response", _BAD_RESPONSE))
    if not person.li_fat_id.strip():
        missing.append(Missing("no_click_id", _NO_CLICK_ID))
    if not hashing.email(person.email):
        missing.append(Missing("no_email", _NO_EMAIL))
    if enhanced and not _user_info(person, version):
        missing.append(Missing("no_name_pair", _NO_NAME_PAIR))
    return missing


def _what_is_wrong_with(number: str) -> str:
    example = (
        "Copy it from Campaign Manager: 104012345, for example, or urn:lla:llaPartnerConversion:104012345."
    )
    if not number:
        return f"The conversion id is missing. {example}"
    if number.startswith("urn:"):
        return f"This is not the URN of a LinkedIn conversion. {example}"
    if not re.fullmatch("[0-9]+", number):
        return f"A LinkedIn conversion id has digits only. {example}"
    if number.startswith("0"):
        return f"A LinkedIn conversion id does not start with zero. {example}"
    return f"A LinkedIn conversion id has at most 20 digits. {example}"


def _digest(*parts: str) -> str:
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=").lower()
