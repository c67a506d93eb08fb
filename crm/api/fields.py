"""Serializer fields that take exactly what they say: no number read as text, no text read as a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from crm import cleaning
from crm.api.texts import printable
from crm.currencies import CURRENCIES
from crm.models import Membership, User, custom_fields_of

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOST_UNKNOWN = 20
# Under this name a context keeps what its rows have asked for already.
MEMORY = "memory"
NOT_A_NUMBER = "Send the time as text with its offset, such as 2026-11-20T13:02:11Z, not as a number."


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know, and fields that are only read, by name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            _refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


class NothingSerializer(StrictSerializer):
    """An empty object, or no body at all."""


def _refuse_unknown(
    body: Mapping[str, Any], fields: Mapping[str, serializers.Field[Any, Any, Any, Any]]
) -> None:
    wrong: dict[str, list[ErrorDetail]] = {}
    for name in body:
        if name not in fields:
            wrong[printable(name)] = [ErrorDetail("There is no field of this name.", "unknown_field")]
        elif fields[name].read_only:
            wrong[name] = [ErrorDetail("This field can only be read.", "read_only")]
    if wrong:
        raise ValidationError(dict(list(wrong.items())[:_MOST_UNKNOWN]))


class Text(serializers.CharField):
    """Text, and only text: a number or a boolean is not turned into one. Outer spaces are removed."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


def optional_text(max_length: int, **options: Any) -> Text:
    """Text that may be left out or empty."""
    return Text(required=False, allow_blank=True, max_length=max_length, **options)


class TrueFalse(serializers.BooleanField):
    """true or false, and nothing that merely looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=type(data).__name__)
        return data


class WholeNumber(serializers.IntegerField):
    """A JSON integer: no text, no fraction, no boolean."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


@extend_schema_field({"type": "string", "pattern": r"^\d{1,13}(\.\d{1,4})?$", "examples": ["1234.50"]})
class Amount(serializers.Field[Any, Any, Any, Any]):
    """Money as text, "1234.50": exact, without sign, exponent or separators. Shown with the currency's digits.

    `currency` names the attribute of the record that holds the currency. The action counts the digits.
    """

    default_error_messages = {
        "invalid": 'Send the amount as text with a point, such as "1234.50".',
    }

    def __init__(self, *, currency: str, **options: Any) -> None:
        super().__init__(**options)
        self._currency = currency

    def get_attribute(self, instance: Any) -> tuple[Decimal | None, str]:
        return super().get_attribute(instance), getattr(instance, self._currency)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not data:
            self.fail("invalid")
        try:
            cleaning.amount(data, "")
        except DjangoValidationError as error:
            raise ValidationError(error.messages, code=error.code) from error
        return data

    def to_representation(self, value: tuple[Decimal | None, str]) -> str | None:
        amount, currency = value
        return None if amount is None else money_text(amount, currency)


def money_text(amount: Decimal, currency: str) -> str:
    """An amount with as many digits as the currency has: 1234.50 EUR, 1234 JPY."""
    return f"{amount:.{CURRENCIES.get(currency, 2)}f}"


@extend_schema_field({"type": "string", "maxLength": 3, "examples": ["EUR"]})
class Currency(serializers.Field[Any, Any, Any, Any]):
    """An ISO 4217 code in capitals, exactly; "" for none."""

    default_error_messages = {
        "invalid": "Enter a three-letter ISO 4217 currency in capitals, such as EUR.",
    }

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or (data and data not in CURRENCIES):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        return value


def parse_moment(text: str) -> datetime:
    """ISO 8601 with its offset, in UTC. Raises ValueError with a sentence."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("Give the time with its offset, such as 2026-11-20T13:02:11Z.")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("There is no such time. Give one such as 2026-11-20T13:02:11Z.") from error


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.Field[Any, Any, Any, Any]):
    """When something happened: ISO 8601 with its offset, not in the future. Shown in UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        if isinstance(data, int | float):
            raise ValidationError(NOT_A_NUMBER, code="invalid")
        if not isinstance(data, str):
            raise ValidationError("Send the time as text, such as 2026-11-20T13:02:11Z.", code="invalid")
        try:
            return cleaning.moment(parse_moment(data), timezone.now())
        except DjangoValidationError as error:
            raise ValidationError(error.messages, code=error.code) from error
        except ValueError as error:
            raise ValidationError(str(error), code="invalid") from error

    def to_representation(self, value: datetime) -> str:
        return moment_text(value)


def moment_text(at: datetime) -> str:
    """A time in UTC, as 2026-11-20T13:02:11.123456Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@extend_schema_field(OpenApiTypes.DATE)
class Day(serializers.Field[Any, Any, Any, Any]):
    """A date, 2026-11-20."""

    default_error_messages = {"invalid": "Send a date as text, such as 2026-11-20."}

    def to_internal_value(self, data: Any) -> date:
        if not isinstance(data, str) or not _DATE.fullmatch(data):
            self.fail("invalid")
        try:
            return date.fromisoformat(data)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: date) -> str:
        return value.isoformat()


@extend_schema_field(OpenApiTypes.STR)
class Key(serializers.Field[Any, Any, Any, Any]):
    """A status, type, pipeline … of the company by its `key`."""

    default_error_messages = {
        "invalid": "Send the key as text.",
        "does_not_exist": "This company has no {noun} with the key {wanted}.",
    }

    def __init__(self, model: type[Model], **options: Any) -> None:
        super().__init__(**options)
        self._model = model

    def to_internal_value(self, data: Any) -> Model:
        if not isinstance(data, str):
            self.fail("invalid")
        found = _remembered(
            self.context, (self._model, data), lambda: find_by_key(self._model._default_manager.all(), data)
        )
        if found is None:
            self.fail("does_not_exist", noun=self._model._meta.verbose_name, wanted=printable(data))
        return cast("Model", found)

    def to_representation(self, value: Any) -> str:
        return str(value.key)


def _remembered(context: Mapping[str, Any], named: tuple[type[Model], str], find: Callable[[], Any]) -> Any:
    """What `find` finds; where many rows are read with one context, which has a memory then, once for each name."""
    memory: dict[Any, Any] | None = context.get(MEMORY)
    if memory is None:
        return find()
    if named not in memory:
        memory[named] = find()
    return memory[named]


def find_by_key(rows: QuerySet[Any], key: str) -> Any:
    """The row with this key; None if there is none. Keys are plain ASCII: nothing else is asked for."""
    if not key.isascii() or not key.isprintable():
        return None
    return rows.filter(key=key).first()


def find_by_id(rows: QuerySet[Any], pk: str) -> Any:
    """The row with this id; None if there is none, or if it is no id at all."""
    try:
        return rows.filter(pk=UUID(pk)).first()
    except ValueError:
        return None


@extend_schema_field(OpenApiTypes.EMAIL)
class Member(serializers.Field[Any, Any, Any, Any]):
    """A member of the company by e-mail."""

    default_error_messages = {
        "invalid": "Send the e-mail of a member as text.",
        "does_not_exist": "No active member of this company has this e-mail.",
    }

    def to_internal_value(self, data: Any) -> User:
        if not isinstance(data, str):
            self.fail("invalid")
        member = _remembered(self.context, (Membership, data), lambda: find_member(data))
        if member is None or not (member.is_active and member.user.is_active):
            self.fail("does_not_exist")
        user: User = member.user
        return user

    def to_representation(self, value: User) -> str:
        return value.email


def find_member(address: str) -> Membership | None:
    """Whoever is or was a member of the company with this e-mail."""
    address = address.strip().lower()
    if not address.isprintable():  # nothing that a database would choke on
        return None
    return Membership.objects.filter(user__email=address).select_related("user").first()


@extend_schema_field(OpenApiTypes.UUID)
class Record(serializers.Field[Any, Any, Any, Any]):
    """A lead, deal or rule by id, among those that the caller may see.

    `among` names the queryset on the serializer's context, so that scope and role decide in one place.
    """

    default_error_messages = {
        "invalid": "Send the id as text.",
        "does_not_exist": "There is no {noun} with this id.",
    }

    def __init__(self, noun: str, among: str, **options: Any) -> None:
        super().__init__(**options)
        self._noun, self._among = noun, among

    def get_attribute(self, instance: Any) -> Any:
        return getattr(instance, f"{self.source}_id")

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        found = find_by_id(self.context[self._among](), data)
        if found is None:
            self.fail("does_not_exist", noun=self._noun)
        return found

    def to_representation(self, value: Any) -> str:
        return str(value)


@extend_schema_field({"type": "object", "additionalProperties": True})
class CustomValues(serializers.Field[Any, Any, Any, Any]):
    """Values of custom fields by key (`GET custom-fields/`). What is not named stays; null empties it."""

    default_error_messages = {"invalid": "Send an object."}

    def __init__(self, entity: str, **options: Any) -> None:
        super().__init__(**options)
        self._entity = entity

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        known = {field.key for field in custom_fields_of(self._entity)} if data else set()
        sentence = ErrorDetail("There is no custom field with this key.", "unknown_field")
        unknown = {printable(name): [sentence] for name in data if name not in known}
        if unknown:
            raise ValidationError(dict(list(unknown.items())[:_MOST_UNKNOWN]))
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value
