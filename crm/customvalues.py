"""Values of custom fields: from what a form, a call or a file says to what is stored, and to what a reader sees. Pure.

Stored as JSON by the field's key: text, long text, date (2026-11-20), choice and URL as text, number as a number,
yes/no as true or false, choices as a list of text in the order of the options. An empty value is not stored at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

TEXT, LONG_TEXT, NUMBER, DATE, YES_NO, CHOICE, CHOICES, URL = KINDS = (
    "text",
    "long_text",
    "number",
    "date",
    "yes_no",
    "choice",
    "choices",
    "url",
)
# What the key of a field follows where it stands among other names: in an address, in the mapping of an import.
PREFIX: Final = "cf_"
LONGEST_TEXT: Final = 300
LONGEST_LONG_TEXT: Final = 5_000
LONGEST_URL: Final = 500
MOST_DIGITS: Final = 15  # what a JSON number keeps exactly
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_YES: Final = frozenset({"yes", "true", "1", "on", "ja"})
_NO: Final = frozenset({"no", "false", "0", "off", "nein"})

Value = str | int | float | bool | list[str]


@dataclass(frozen=True)
class Field:
    """A custom field, as far as its values go. `options` are those of choice and choices."""

    key: str
    name: str
    kind: str
    options: tuple[str, ...] = ()


def changed(
    fields: Iterable[Field], current: Mapping[str, Value], given: Mapping[str, object]
) -> dict[str, Value]:
    """The values after a change: what `given` names is checked and set, an empty value is taken away.

    Raises ValidationError with a sentence for each wrong one, under `custom.<key>`.
    """
    known = {field.key: field for field in fields}
    after, errors = dict(current), {}
    for key, raw in given.items():
        field = known.get(key)
        if field is None:
            errors[f"custom.{key}"] = ValidationError(
                _("There is no custom field with this key."), code="unknown_field"
            )
            continue
        try:
            value = cleaned(with_kept(field, current.get(key)), raw)
        except ValidationError as error:
            errors[f"custom.{key}"] = error
            continue
        if value is None:
            after.pop(key, None)
        else:
            after[key] = value
    if errors:
        raise ValidationError({name: error.error_list for name, error in errors.items()})
    return after


def with_kept(field: Field, value: object) -> Field:
    """The field with a value whose option is gone still on offer: nobody loses it by changing something else."""
    kept = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    gone = tuple(str(word) for word in kept if word not in field.options)
    return replace(field, options=(*field.options, *gone)) if field.options and gone else field


def cleaned(field: Field, raw: object) -> Value | None:
    """One value as it is stored; None for none. Raises ValidationError with what to enter instead."""
    if raw is None or (isinstance(raw, str) and not raw.strip()) or raw == [] or raw == ():
        return None
    return _CLEANERS[field.kind](field, raw)


def shown(field: Field, value: object) -> str:
    """A stored value in words; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def cell(value: object) -> str:
    """A stored value as a table has it, such that `cleaned` reads it back; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(str(part) for part in value)
    # Never as 1e-05, which no form takes.
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def head_of(name: str, taken: Iterable[str]) -> str:
    """What the column of a field is called in a table; what a column of everybody has is said to be one's own."""
    known = {each.casefold() for each in taken}
    return f"{name} (own)" if name.casefold() in known else name


def _text(field: Field, raw: object) -> str:
    longest = {LONG_TEXT: LONGEST_LONG_TEXT, URL: LONGEST_URL}.get(field.kind, LONGEST_TEXT)
    if not isinstance(raw, str):
        raise ValidationError(_("Send text."), code="invalid")
    text = raw.strip() if field.kind == LONG_TEXT else " ".join(raw.split())
    if len(text) > longest:
        raise ValidationError(_("At most {most} characters.").format(most=f"{longest:,}"), code="max_length")
    if not _is_storable(text):
        raise ValidationError(
            _("Remove the characters that cannot be stored (NUL or broken Unicode)."), code="invalid"
        )
    return text


def _number(field: Field, raw: object) -> int | float:
    wrong = ValidationError(_("Enter a number such as 1234.5."), code="invalid")
    if isinstance(raw, bool):
        raise wrong
    if isinstance(raw, int | float):
        if not math.isfinite(raw) or abs(raw) >= 10**MOST_DIGITS:
            raise wrong
        return raw
    text = str(raw).strip()
    if not _NUMBER.fullmatch(text) or len(re.sub(r"\D", "", text).strip("0")) > MOST_DIGITS:
        raise wrong
    return float(text) if "." in text else int(text)


def _date(field: Field, raw: object) -> str:
    if isinstance(raw, date):
        return raw.isoformat()[:10]
    text = str(raw).strip()
    wrong = ValidationError(_("Enter a date such as 2026-11-20."), code="invalid")
    if not _DATE.fullmatch(text):
        raise wrong
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise wrong from error


def _yes_no(field: Field, raw: object) -> bool:
    word = str(raw).strip().lower() if isinstance(raw, str | bool | int) else ""
    if word in _YES or word in _NO:
        return word in _YES
    raise ValidationError(_("Say yes or no."), code="invalid")


def _choice(field: Field, raw: object) -> str:
    by_name = {option.casefold(): option for option in field.options}
    found = by_name.get(" ".join(raw.split()).casefold()) if isinstance(raw, str) else None
    if found is None:
        raise ValidationError(
            _("Choose from {listed}.").format(listed=_listed(field.options)), code="invalid_choice"
        )
    return found


def _choices(field: Field, raw: object) -> list[str] | None:
    """A list, or text apart by commas or semicolons."""
    parts = re.split(r"[;,]", raw) if isinstance(raw, str) else raw
    if not isinstance(parts, Sequence):
        raise ValidationError(
            _("Choose from {listed}.").format(listed=_listed(field.options)), code="invalid_choice"
        )
    chosen = {_choice(field, part) for part in parts if part != ""}
    return [option for option in field.options if option in chosen] or None


def _url(field: Field, raw: object) -> str:
    text = _text(field, raw)
    wrong = ValidationError(_("Enter an address such as https://example.com/."), code="invalid")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        has_host = bool(parts.hostname) and "." in str(parts.hostname)
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in ("http", "https") or not has_host or " " in text:
        raise wrong
    return parts.geturl()


def _listed(options: Sequence[str]) -> str:
    named = ", ".join(options[:10])
    return f"{named} …" if len(options) > 10 else named or _("nothing yet: this field has no options")


def _is_storable(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CLEANERS: Final = {
    TEXT: _text,
    LONG_TEXT: _text,
    NUMBER: _number,
    DATE: _date,
    YES_NO: _yes_no,
    CHOICE: _choice,
    CHOICES: _choices,
    URL: _url,
}
