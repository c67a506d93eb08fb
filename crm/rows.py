"""A form field of several rows: a value with a label in each, one of them the first; works without script.

The rows are parallel lists in the body: `email`, `email_label`, and `email_first`, the place of the one that leads.
Buttons named `change` add a row or take one away; `changed_rows` does what they say, and nothing is judged yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from crm.texts import gettext_lazy

MOST_ROWS: Final = 20
CHANGE: Final = "change"


@dataclass(frozen=True)
class FormRow:
    """A value and what it is called."""

    value: str
    label: str = ""


class RowsWidget(forms.Widget):
    """The rows, each with its own way out, and a way to one more."""

    is_rows = True
    suggestions: ClassVar[tuple[str, ...]] = (
        gettext_lazy("Work"),
        gettext_lazy("Private"),
        gettext_lazy("Mobile"),
        gettext_lazy("Assistant"),
    )

    def __init__(self, noun: str, kind: str = "text", *, has_first: bool = False) -> None:
        super().__init__()
        self.noun, self.kind, self.has_first = noun, kind, has_first

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        rows = list(value or [])
        context = {
            "name": name,
            "noun": _(self.noun),
            "kind": self.kind,
            "has_first": self.has_first,
            "rows": rows or [FormRow("")],
            "is_full": len(rows) >= MOST_ROWS,
            "suggestions": self.suggestions,
            "attrs": attrs or {},
        }
        return render_to_string("components/rows.html", context)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[FormRow]:
        return rows_in(data, name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0"


class RowsField(forms.Field):
    """Rows without the empty ones, the leading one first."""

    def __init__(self, noun: str, *, kind: str = "text", has_first: bool = False, **options: Any) -> None:
        super().__init__(widget=RowsWidget(noun, kind, has_first=has_first), **options)

    def to_python(self, value: Any) -> list[FormRow]:
        return [row for row in value or [] if row.value]

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > MOST_ROWS:
            raise ValidationError(
                _("Enter {most_rows} at most.").format(most_rows=MOST_ROWS), code="max_length"
            )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


def rows_in(data: Any, name: str) -> list[FormRow]:
    """The rows of a body, the empty ones too, the leading one first."""
    if not isinstance(data, QueryDict):
        return [FormRow(str(data[name]))] if name in data else []
    labels = data.getlist(f"{name}_label")
    rows = [
        FormRow(value.strip(), " ".join(labels[place].split()) if place < len(labels) else "")
        for place, value in enumerate(data.getlist(name))
    ]
    first = _place(data.get(f"{name}_first", ""), rows)
    if first is not None:
        rows.insert(0, rows.pop(first))
    return rows


def changed_rows(data: QueryDict) -> QueryDict | None:
    """The body after what a `change` button asks for (`email:add`, `email:remove:1`); None if none was pressed."""
    if CHANGE not in data:
        return None
    name, _, what = data.get(CHANGE, "").partition(":")
    rows = rows_in(data, name)
    if what == "add" and len(rows) < MOST_ROWS:
        rows.append(FormRow(""))
    verb, _, place = what.partition(":")
    gone = _place(place, rows)
    if verb == "remove" and gone is not None:
        del rows[gone]
    body = data.copy()
    body.setlist(name, [row.value for row in rows])
    body.setlist(f"{name}_label", [row.label for row in rows])
    body.pop(f"{name}_first", None)
    return body


def _place(text: str, rows: Sequence[FormRow]) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) < 4
    return int(text) if is_number and int(text) < len(rows) else None
