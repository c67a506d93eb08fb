"""Filters of lists: each value is checked, and a parameter that no list knows is refused by name."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import django_filters
from django import forms
from django.db.models import Model, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from crm import customvalues
from crm.api import fields
from crm.api.texts import printable
from crm.customfilters import names_of, read_custom

LONGEST_SEARCH = 200
_OF_EVERY_LIST = {"limit", "cursor", "ordering", "search", "format"}


class KnownParameters(BaseFilterBackend):
    """Refuses a query parameter that the list does not know, that is empty, or that is there twice."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset: Any = getattr(view, "filterset_class", None)
        known = _OF_EVERY_LIST | set(filterset.base_filters if filterset else ())
        own: tuple[customvalues.Field, ...] = getattr(view, "own_fields", ())
        refuse_parameters(request, known | {name for field in own for name in names_of(field)})
        return queryset


def refuse_parameters(request: Request, known: set[str]) -> None:
    """Raise ValidationError for each query parameter that is not `known`, is empty, or is there twice."""
    wrong: dict[str, list[ErrorDetail]] = {}
    for name, values in request.query_params.lists():
        if name not in known:
            wrong[printable(name)] = [
                ErrorDetail("There is no parameter of this name here.", "unknown_parameter")
            ]
        elif len(values) > 1:
            wrong[name] = [ErrorDetail("Give this parameter once.", "repeated")]
        elif not values[0] and name != "search":
            wrong[name] = [ErrorDetail("Give this parameter a value, or leave it out.", "blank")]
    if wrong:
        raise ValidationError(wrong)


class StrictFilters(DjangoFilterBackend):
    """The view's `filterset_class`."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


class OwnFilters(BaseFilterBackend):
    """`?cf_<key>=`: the company's own fields of the view's `own_entity`. Choices are apart by commas."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        custom = read_custom(view.own_fields, request.query_params)
        if custom.wrong:
            raise ValidationError(
                {each.name: [ErrorDetail(each.sentence, "invalid")] for each in custom.wrong}
            )
        found: QuerySet[Any] = custom.narrow(queryset)
        return found


class Search(BaseFilterBackend):
    """`?search=`: the view says what is searched."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        text = request.query_params.get("search", "")
        if "\x00" in text or len(text) > LONGEST_SEARCH:
            raise ValidationError(
                {"search": f"Search for at most {LONGEST_SEARCH} characters, none of them NUL."}
            )
        found: QuerySet[Any] = view.search(queryset, text) if text.strip() else queryset
        return found

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        schema = {"type": "string", "maxLength": LONGEST_SEARCH}
        return [
            {
                "name": "search",
                "in": "query",
                "required": False,
                "schema": schema,
                "description": view.searched,
            }
        ]


_CHOOSE = {"invalid_choice": "Choose one of the values that this field has."}


class ChoiceFilter(django_filters.ChoiceFilter):
    """One of a fixed set of values."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices=choices, empty_label=None, error_messages=_CHOOSE, **options)


@extend_schema_field(OpenApiTypes.BOOL)
class TrueFalseFilter(django_filters.TypedChoiceFilter):
    """true or false."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            choices=[("true", "true"), ("false", "false")],
            coerce=lambda word: word == "true",
            error_messages=_CHOOSE,
            **options,
        )


class TextFilter(django_filters.CharFilter):
    """Exactly this text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=200, **options)


@extend_schema_field(OpenApiTypes.STR)
class KeyFilter(TextFilter):
    """A status, type, pipeline … by its key; a key that the company does not have is refused."""

    def __init__(self, model: type[Model], **options: Any) -> None:
        super().__init__(**options)
        self._model = model

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        if fields.find_by_key(self._model._default_manager.all(), value) is None:
            noun = self._model._meta.verbose_name
            raise _refused(self, f"This company has no {noun} with the key {printable(value)}.")
        return qs.filter(**{f"{self.field_name}__key": value})


@extend_schema_field(OpenApiTypes.EMAIL)
class MemberFilter(TextFilter):
    """The e-mail of somebody who is or was a member."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        member = fields.find_member(value)
        if member is None:
            raise _refused(self, "This company has no member with this e-mail.")
        return qs.filter(**{self.field_name: member.user})


class _MomentField(forms.Field):
    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return _moment(str(value))
        except ValueError as error:
            sentence = f"{error} In a URL, + is written %2B."
            raise forms.ValidationError("%(sentence)s", "invalid", {"sentence": sentence}) from error


def _moment(text: str) -> datetime:
    """A time with its offset, or a day: its first moment in UTC."""
    if len(text) == len("2026-11-20") and text.isascii() and text[4] == text[7] == "-":
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    return fields.parse_moment(text)


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentFilter(django_filters.Filter):
    """A time with its offset; a date means its first moment in UTC."""

    field_class = _MomentField


def since(field: str) -> MomentFilter:
    return MomentFilter(field_name=field, lookup_expr="gte", help_text="At this time or later.")


def until(field: str) -> MomentFilter:
    return MomentFilter(field_name=field, lookup_expr="lt", help_text="Before this time.")


class IdFilter(django_filters.UUIDFilter):
    """The id of a related record. An id that nobody has finds nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.extra["error_messages"] = {"invalid": "Give an id, a UUID."}


def _refused(by: django_filters.Filter, sentence: str) -> ValidationError:
    name = next(name for name, one in by.parent.filters.items() if one is by)
    return ValidationError({name: [ErrorDetail(sentence, "does_not_exist")]})
