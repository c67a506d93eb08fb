"""LinkedIn's Lead Gen Forms as they come in: challenge, signature, notice, and response to answers. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

URN: Final = "urn:li:leadGenFormResponse:"
PREFIX: Final = "hmacsha256="
RESPONSE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_CODE = re.compile(r"[A-Za-z0-9-]{1,100}")
_MILLISECONDS: Final = 10**12
_LONGEST_CAMPAIGN: Final = 200

Action = Literal["CREATED", "DELETED"]


@dataclass(frozen=True)
class Notice:
    """LinkedIn says that a response is there, or is gone. It holds no answers."""

    response: str
    action: Action
    at: datetime


@dataclass(frozen=True)
class Answer:
    """A question with what was answered; `field` is LinkedIn's name of a question it knows, such as EMAIL."""

    question: str
    text: str
    field: str = ""


@dataclass(frozen=True)
class Submission:
    """A form as somebody sent it."""

    response: str
    at: datetime
    form: str
    is_test: bool
    campaign: str = ""
    answers: tuple[Answer, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)

    @property
    def urn(self) -> str:
        return URN + self.response


def challenge_response(code: str, secret: str) -> str | None:
    """What LinkedIn wants to hear to its challenge; None for what is none."""
    if not _CODE.fullmatch(code):
        return None
    return hmac.new(secret.encode(), code.encode(), hashlib.sha256).hexdigest()


def signature(body: bytes, secret: str) -> str:
    """Over the raw bytes, with the prefix that LinkedIn's page gives."""
    return hmac.new(secret.encode(), PREFIX.encode() + body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, header: str, secret: str) -> bool:
    """Whether it comes from LinkedIn. Some senders put the prefix before the header's value as well."""
    given = header.strip().removeprefix(PREFIX).lower()
    return bool(body) and given.isascii() and hmac.compare_digest(signature(body, secret), given)


def read_notice(body: bytes) -> Notice | None:
    """A notice, or None for what is none that concerns us."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("type") != "LEAD_ACTION":
        return None
    response = str(found.get("leadGenFormResponse") or "").removeprefix(URN)
    action, at = found.get("leadAction"), _moment(found.get("occurredAt"))
    if not RESPONSE.fullmatch(response) or action not in ("CREATED", "DELETED") or at is None:
        return None
    entity = found.get("associatedEntity")
    if found.get("leadType") == "EVENT" and not (isinstance(entity, dict) and entity.get("event")):
        return None
    return Notice(response, action, at)


def read_response(found: Mapping[str, Any]) -> Submission | None:
    """A response with its form; None if it is not one. Answers come in any order and are joined by question id."""
    response, at = str(found.get("id") or ""), _moment(found.get("submittedAt"))
    if not RESPONSE.fullmatch(response) or at is None:
        return None
    form = _object(found.get("form"))
    questions = {
        str(one.get("questionId")): one for one in _objects(_object(form.get("content")).get("questions"))
    }
    given = [
        (questions.get(str(one.get("questionId")), {}), _object(one.get("answerDetails")))
        for one in _objects(_object(found.get("formResponse")).get("answers"))
    ]
    answers = (
        Answer(_name(question), text, str(question.get("predefinedField") or ""))
        for question, details in given
        if (text := _text(question, details))
    )
    metadata = found.get("leadMetadata") or found.get("leadMetadataInfo")
    campaign = _object(_object(metadata).get("sponsoredLeadMetadata")).get("campaign")
    return Submission(
        response,
        at,
        _plain(form.get("name") or ""),
        found.get("testLead") is True,
        _plain(campaign or "").rpartition(":")[2][:_LONGEST_CAMPAIGN],
        tuple(answers),
        {_plain(one.get("name")): _plain(one.get("value")) for one in _objects(form.get("hiddenFields"))},
    )


def _moment(value: object) -> datetime | None:
    """Milliseconds, or seconds where the number is too small for them."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS else value, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _name(question: Mapping[str, Any]) -> str:
    localized = _object(_object(question.get("question")).get("localized"))
    return _plain(next(iter(localized.values()), "") or question.get("name") or "")


def _text(question: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    plain = _object(details.get("textQuestionAnswer")).get("answer")
    if plain is not None:
        return _plain(plain)
    chosen = _object(details.get("multipleChoiceAnswer")).get("options")
    kind = _object(_object(question.get("questionDetails")).get("multipleChoiceQuestionDetails"))
    options = {str(one.get("id")): one for one in _objects(kind.get("options"))}
    if not isinstance(chosen, list):
        return ""
    return ", ".join(
        _option(options.get(str(each)), each) for each in chosen if not isinstance(each, (dict, list))
    )


def _option(option: Mapping[str, Any] | None, number: object) -> str:
    localized = _object(_object((option or {}).get("text")).get("localized"))
    return _plain(next(iter(localized.values()), number))


def _plain(value: object) -> str:
    """In one line, without what no database stores: NUL, half of a character."""
    return "".join(sign for sign in " ".join(str(value).split()) if sign.isprintable())


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
