"""The filters by custom fields on the pages of lists: what their form offers, and their chips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from crm.customfilters import FROM, HAS, TO, CustomFilters, names_of
from crm.customvalues import CHOICE, CHOICES, DATE, NUMBER, PREFIX, YES_NO
from crm.models import CustomField
from crm.views.page import link_with

_MOST_TYPED = 300


@dataclass(frozen=True)
class Control:
    """An input of the form. `kind`: text, number, date, yes_no, choices, or hidden for what has no input of its own."""

    name: str
    kind: str
    label: str = ""
    value: str = ""
    options: tuple[tuple[str, bool], ...] = ()


def controls_of(fields: Iterable[CustomField], params: QueryDict) -> list[Control]:
    """What the form of filters offers for the fields, with what the address says; a wrong value stays to be mended."""
    return [control for field in fields for control in _controls(field, params)]


def _controls(field: CustomField, params: QueryDict) -> list[Control]:
    name = f"{PREFIX}{field.key}"
    typed = {each: params.get(each, "")[:_MOST_TYPED] for each in names_of(field.values)}
    if field.kind in (CHOICE, CHOICES):
        chosen = {part.strip().casefold() for text in params.getlist(name) for part in text.split(",")}
        options = tuple((option, option.casefold() in chosen) for option in field.options)
        return [Control(name, "choices", field.name, options=options)]
    if field.kind == YES_NO:
        return [Control(name, "yes_no", field.name, typed[name].lower())]
    if field.kind in (NUMBER, DATE):
        labels = {FROM: _("%(field)s from"), TO: _("%(field)s up to")}
        shown = [
            Control(f"{name}{way}", field.kind, label % {"field": field.name}, typed[f"{name}{way}"])
            for way, label in labels.items()
        ]
        return [*shown, *_hidden(typed, f"{name}{HAS}")]
    label = _("%(field)s contains") % {"field": field.name}
    others = [other for each in typed if each != name for other in _hidden(typed, each)]
    return [Control(name, "text", label, typed[name]), *others]


def _hidden(typed: dict[str, str], name: str) -> list[Control]:
    return [Control(name, "hidden", value=typed[name])] if typed[name] else []


def custom_chips(params: QueryDict, custom: CustomFilters) -> list[tuple[str, str, str]]:
    """What each chip says: about, value, and the list without it."""
    return [(each.about, each.words, link_with(params, **{each.name: None})) for each in custom]
