"""Filters by custom fields: what the address of a list, or a call, says of them, and which records fit.

`cf_<key>` is a text that is in the value, one of several choices, yes or no, or exactly a number or a day;
`cf_<key>-is` the whole text; `cf_<key>-from` and `cf_<key>-to` the bounds of numbers and days, both included.
No key has a hyphen, so no two names are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, F, FloatField, Func, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import Exact, GreaterThanOrEqual, IContains, IExact, LessThanOrEqual
from django.http import QueryDict
from django.utils.translation import gettext as _

from crm import customvalues
from crm.customvalues import CHOICE, CHOICES, DATE, LONG_TEXT, NUMBER, PREFIX, TEXT, URL, YES_NO, Field, Value

HAS, IS, FROM, TO = "", "-is", "-from", "-to"
# How a field of a kind can be asked for.
_WAYS: Final[dict[str, tuple[str, ...]]] = {
    TEXT: (HAS, IS),
    URL: (HAS, IS),
    LONG_TEXT: (HAS,),
    NUMBER: (HAS, FROM, TO),
    DATE: (HAS, FROM, TO),
    YES_NO: (HAS,),
    CHOICE: (HAS,),
    CHOICES: (HAS,),
}


@dataclass(frozen=True)
class CustomFilter:
    """A filter that is set; of several `values` one is enough."""

    name: str
    field: Field
    way: str
    values: tuple[Value, ...]

    @property
    def about(self) -> str:
        """What a chip says before the value."""
        if self.field.kind in (TEXT, LONG_TEXT, URL) and self.way == HAS:
            return _("%(field)s contains") % {"field": self.field.name}
        words = {
            HAS: _("%(field)s is"),
            IS: _("%(field)s is"),
            FROM: _("%(field)s from"),
            TO: _("%(field)s up to"),
        }
        return words[self.way] % {"field": self.field.name}

    @property
    def words(self) -> str:
        """The values as a reader sees them."""
        return _(" or ").join(customvalues.shown(self.field, value) for value in self.values)

    @property
    def condition(self) -> Any:
        """What holds of the records that fit."""
        key, value = self.field.key, self.values[0]
        if self.field.kind in (CHOICE, CHOICES):
            return _AnyOf(key, [str(each) for each in self.values])
        if self.field.kind == YES_NO:
            return Exact(KeyTextTransform(key, "custom"), "true" if value else "false")
        if self.field.kind == NUMBER:
            return _COMPARED[self.way](_NumberOf(key), value)
        if self.field.kind == DATE:  # as text: year, month and day follow each other
            return _COMPARED[self.way](KeyTextTransform(key, "custom"), value)
        look = IExact if self.way == IS else IContains
        return look(KeyTextTransform(key, "custom"), value)


_COMPARED: Final[dict[str, Any]] = {HAS: Exact, FROM: GreaterThanOrEqual, TO: LessThanOrEqual}


@dataclass(frozen=True)
class Wrong:
    """A filter that cannot be applied, and why."""

    name: str
    sentence: str
    is_gone: bool = False


@dataclass(frozen=True)
class CustomFilters:
    """The filters by custom fields that a list is asked for: those that are set, and those that cannot be."""

    filters: tuple[CustomFilter, ...] = ()
    wrong: tuple[Wrong, ...] = ()

    def __iter__(self) -> Iterator[CustomFilter]:
        return iter(self.filters)

    def __bool__(self) -> bool:
        return bool(self.filters or self.wrong)

    def narrow(self, rows: QuerySet[Any]) -> Any:
        """Those of the records that fit all filters."""
        return rows.filter(*(each.condition for each in self.filters))

    def check(self) -> None:
        """Raise ValidationError if a filter was left out: what changes or takes along many records must not guess."""
        if self.wrong:
            text = " ".join(each.sentence for each in self.wrong)
            raise ValidationError(
                _("Nothing was done, since a filter does not apply. %(why)s") % {"why": text}
            )


NO_FILTERS: Final = CustomFilters()


def names_of(field: Field) -> dict[str, str]:
    """The names that a field is asked for by, and the way of each."""
    return {f"{PREFIX}{field.key}{way}": way for way in _WAYS[field.kind]}


def read_custom(fields: Iterable[Field], params: QueryDict) -> CustomFilters:
    """The filters of an address. What names no field, or has no value of its kind, is among the wrong ones."""
    known = {name: (field, way) for field in fields for name, way in names_of(field).items()}
    filters, wrong = [], []
    for name, given in params.lists():
        texts = [text for text in given if text.strip()]
        if not name.startswith(PREFIX) or not texts:
            continue
        if name not in known:
            wrong.append(
                Wrong(name, _("A filter is about a custom field that is no longer there."), is_gone=True)
            )
            continue
        field, way = known[name]
        try:
            filters.append(CustomFilter(name, field, way, _values(field, texts)))
        except ValidationError as error:
            wrong.append(Wrong(name, f"{field.name}: {' '.join(error.messages)}"))
    return CustomFilters(tuple(filters), tuple(wrong))


def _values(field: Field, texts: Sequence[str]) -> tuple[Value, ...]:
    if field.kind in (CHOICE, CHOICES):
        one = replace(field, kind=CHOICE)
        parts = [part for text in texts for part in text.split(",") if part.strip()]
        found: list[Value | None] = [customvalues.cleaned(one, part) for part in parts]
    else:
        one = replace(field, kind=TEXT) if field.kind in (URL, LONG_TEXT) else field
        found = [customvalues.cleaned(one, texts[-1])]
    values = tuple(
        dict.fromkeys(value for value in found if value is not None and not isinstance(value, list))
    )
    if not values:
        raise ValidationError(_("Give a value."), code="blank")
    return values


def _path(key: str) -> str:
    """Where a key is, as SQLite writes it."""
    return f"$.{json.dumps(key)}"


class _NumberOf(Func):
    """The number under a key; NULL for anything else, so that no leftover of another kind breaks a comparison."""

    output_field = FloatField()

    def __init__(self, key: str) -> None:
        super().__init__(F("custom"))
        self.key = key

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, params = compiler.compile(self.source_expressions[0])
        sql = (
            f"CASE WHEN jsonb_typeof({column} -> %s) = 'number' THEN ({column} ->> %s)::double precision END"
        )
        return sql, [*params, self.key, *params, self.key]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, params = compiler.compile(self.source_expressions[0])
        path = _path(self.key)
        sql = f"CASE WHEN json_type({column}, %s) IN ('integer', 'real') THEN json_extract({column}, %s) END"
        return sql, (*params, path, *params, path)


class _AnyOf(Func):
    """Whether one of these texts is the value under a key, or among its values."""

    output_field = BooleanField()

    def __init__(self, key: str, values: Sequence[str]) -> None:
        super().__init__(F("custom"))
        self.key, self.wanted = key, list(values)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        column, params = compiler.compile(self.source_expressions[0])
        return f"jsonb_exists_any({column} -> %s, %s::text[])", [*params, self.key, self.wanted]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[Any, ...]]:
        column, params = compiler.compile(self.source_expressions[0])
        marks = ", ".join(["%s"] * len(self.wanted))
        sql = f"EXISTS (SELECT 1 FROM json_each({column}, %s) AS chosen WHERE chosen.value IN ({marks}))"  # noqa: S608  a column and marks
        return sql, (*params, _path(self.key), *self.wanted)
