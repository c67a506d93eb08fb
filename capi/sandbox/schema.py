"""The structural check of a conversion event: pure, and every error is collected, not only the first.

Texts and shapes are those of Rest.li, the framework that LinkedIn's endpoint is made with:
``ERROR :: /path :: text``. The rejected value is echoed, as the real endpoint does.
Straight code and not a table, because a batch of 500 elements is checked in a few milliseconds this way.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

RULE_PREFIX: Final = "urn:lla:llaPartnerConversion:"
LEAD_PREFIX: Final = "urn:li:leadGenFormResponse:"
ID_TYPES: Final = frozenset(
    {
        "SHA256_EMAIL",
        "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID",
        "ACXIOM_ID",
        "PLAINTEXT_IP_ADDRESS",
        "SHA256_IP_ADDRESS",
        "GOOGLE_AID",
    }
)
HASHED_NAMES_SINCE: Final = "202609"

_EVENT = frozenset({"conversion", "conversionHappenedAt", "conversionValue", "eventId", "user"})
_VALUE = frozenset({"currencyCode", "amount"})
_USER = frozenset({"userIds", "userInfo", "externalIds", "lead"})
_USER_ID = frozenset({"idType", "idValue"})
_USER_INFO = frozenset({"firstName", "lastName", "title", "companyName", "countryCode"})
_USER_INFO_HASHED = _USER_INFO | {"hashedFirstName", "hashedLastName"}

_REQUIRED = "field is required but not found and has no default value"
_UNRECOGNIZED = "unrecognized field found but not allowed"
_BAD_PREFIX = "Invalid Urn format. Invalid prefix."
_BAD_KEY = "Invalid Urn format. Invalid key."
_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_LONG_MAX = 2**63 - 1
_ECHO_LIMIT = 1_000
_ABSENT: Final = object()


def errors_of(element: object, version: str) -> list[str]:
    """Return the ``ERROR :: …`` lines of one element under an API version (YYYYMM); none means sound."""
    if not isinstance(element, dict):
        return [_line("", f"{_echo(element)} cannot be coerced to ConversionEvent")]
    errors: list[str] = []
    _check_conversion(element.get("conversion", _ABSENT), errors)
    _check_happened_at(element.get("conversionHappenedAt", _ABSENT), errors)
    if "conversionValue" in element:
        _check_value(element["conversionValue"], errors)
    if "eventId" in element:
        _check_string(element["eventId"], "/eventId", errors)
    _check_user(element.get("user", _ABSENT), version, errors)
    if not element.keys() <= _EVENT:
        _check_unknown(element, _EVENT, "", errors)
    return errors


def message_of(errors_by_index: Sequence[tuple[int, Sequence[str]]], *, batch: bool) -> str:
    """Join the errors as LinkedIn does: ``Index: n, `` before an element's first line, in a batch only."""
    parts: list[str] = []
    for index, lines in errors_by_index:
        if batch:
            parts.append(f"Index: {index}, ")
        parts.extend(f"{line}\n" for line in lines)
    return "".join(parts)


def _check_conversion(value: object, errors: list[str]) -> None:
    if value is _ABSENT:
        errors.append(_line("/conversion", _REQUIRED))
    elif not isinstance(value, str):
        errors.append(_line("/conversion", f"{_echo(value)} cannot be coerced to String"))
    elif not value.startswith(RULE_PREFIX):
        errors.append(_line("/conversion", _BAD_PREFIX))
    elif not (value.isascii() and value[len(RULE_PREFIX) :].isdigit()):
        errors.append(_line("/conversion", _BAD_KEY))


def _check_happened_at(value: object, errors: list[str]) -> None:
    if value is _ABSENT:
        errors.append(_line("/conversionHappenedAt", _REQUIRED))
    elif type(value) is not int or abs(value) > _LONG_MAX:
        errors.append(_line("/conversionHappenedAt", f"{_echo(value)} cannot be coerced to Long"))


def _check_value(value: object, errors: list[str]) -> None:
    if not isinstance(value, dict):
        errors.append(_line("/conversionValue", f"{_echo(value)} cannot be coerced to Money"))
        return
    _check_required_string(value, "currencyCode", "/conversionValue", errors)
    before = len(errors)
    _check_required_string(value, "amount", "/conversionValue", errors)
    if len(errors) == before and not _DECIMAL.fullmatch(value["amount"]):
        text = f"{_echo(value['amount'])} cannot be coerced to BigDecimal"
        errors.append(_line("/conversionValue/amount", text))
    if not value.keys() <= _VALUE:
        _check_unknown(value, _VALUE, "/conversionValue", errors)


def _check_user(user: object, version: str, errors: list[str]) -> None:
    if user is _ABSENT:
        errors.append(_line("/user", _REQUIRED))
        return
    if not isinstance(user, dict):
        errors.append(_line("/user", f"{_echo(user)} cannot be coerced to User"))
        return
    _check_user_ids(user.get("userIds", _ABSENT), errors)
    if "userInfo" in user:
        _check_user_info(user["userInfo"], version, errors)
    if "externalIds" in user:
        _check_external_ids(user["externalIds"], errors)
    if "lead" in user:
        _check_lead(user["lead"], errors)
    if not user.keys() <= _USER:
        _check_unknown(user, _USER, "/user", errors)


def _check_user_ids(user_ids: object, errors: list[str]) -> None:
    if user_ids is _ABSENT:
        errors.append(_line("/user/userIds", _REQUIRED))
        return
    if not isinstance(user_ids, list):
        errors.append(_line("/user/userIds", f"{_echo(user_ids)} cannot be coerced to Array"))
        return
    for position, user_id in enumerate(user_ids):
        if (
            isinstance(user_id, dict)
            and user_id.keys() == _USER_ID
            and isinstance(user_id["idType"], str)
            and user_id["idType"] in ID_TYPES
            and isinstance(user_id["idValue"], str)
        ):
            continue
        _check_user_id(user_id, f"/user/userIds/{position}", errors)


def _check_user_id(user_id: object, path: str, errors: list[str]) -> None:
    if not isinstance(user_id, dict):
        errors.append(_line(path, f"{_echo(user_id)} cannot be coerced to UserId"))
        return
    id_type = user_id.get("idType", _ABSENT)
    if id_type is _ABSENT:
        errors.append(_line(f"{path}/idType", _REQUIRED))
    elif not isinstance(id_type, str) or id_type not in ID_TYPES:
        errors.append(_line(f"{path}/idType", f'"{_echo(id_type)}" is not an enum symbol'))
    _check_required_string(user_id, "idValue", path, errors)
    _check_unknown(user_id, _USER_ID, path, errors)


def _check_user_info(user_info: object, version: str, errors: list[str]) -> None:
    path = "/user/userInfo"
    if not isinstance(user_info, dict):
        errors.append(_line(path, f"{_echo(user_info)} cannot be coerced to UserInfo"))
        return
    hashed_allowed = version >= HASHED_NAMES_SINCE
    known = _USER_INFO_HASHED if hashed_allowed else _USER_INFO
    for plain, hashed in (("firstName", "hashedFirstName"), ("lastName", "hashedLastName")):
        if plain not in user_info and not (hashed_allowed and hashed in user_info):
            errors.append(_line(f"{path}/{plain}", _REQUIRED))
    for name, value in user_info.items():
        if name in known:
            _check_string(value, f"{path}/{name}", errors)
    _check_unknown(user_info, known, path, errors)


def _check_external_ids(external_ids: object, errors: list[str]) -> None:
    if not isinstance(external_ids, list):
        errors.append(_line("/user/externalIds", f"{_echo(external_ids)} cannot be coerced to Array"))
        return
    for position, external_id in enumerate(external_ids):
        _check_string(external_id, f"/user/externalIds/{position}", errors)


def _check_lead(lead: object, errors: list[str]) -> None:
    if not isinstance(lead, str):
        errors.append(_line("/user/lead", f"{_echo(lead)} cannot be coerced to String"))
    elif not lead.startswith(LEAD_PREFIX):
        errors.append(_line("/user/lead", _BAD_PREFIX))
    elif lead == LEAD_PREFIX:
        errors.append(_line("/user/lead", _BAD_KEY))


def _check_required_string(record: dict[str, object], name: str, path: str, errors: list[str]) -> None:
    if name not in record:
        errors.append(_line(f"{path}/{name}", _REQUIRED))
        return
    _check_string(record[name], f"{path}/{name}", errors)


def _check_string(value: object, path: str, errors: list[str]) -> None:
    if not isinstance(value, str):
        errors.append(_line(path, f"{_echo(value)} cannot be coerced to String"))


def _check_unknown(record: dict[str, object], known: frozenset[str], path: str, errors: list[str]) -> None:
    errors.extend(_line(f"{path}/{name}", _UNRECOGNIZED) for name in record if name not in known)


def _line(path: str, text: str) -> str:
    return f"ERROR :: {path} :: {text}"


def _echo(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_ECHO_LIMIT]
