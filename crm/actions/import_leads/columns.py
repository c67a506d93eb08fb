"""The columns of a lead that an import writes and puts back. A field of the company's own is one called `cf_<key>`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from crm import customvalues
from crm.actions.import_leads.run import Run
from crm.customvalues import PREFIX
from crm.importing import PLAIN, Person
from crm.models import (
    Lead,
)

KEYS: Final = frozenset(("organization_id", "lead_type_id", "owner_id"))


def said_by(person: Person) -> dict[str, Any]:
    """What a row says of the lead itself, by column."""
    found: dict[str, Any] = {name: person.texts[name] for name in PLAIN if person.texts.get(name)}
    others = {
        "country_code": person.country_code,
        "lead_type_id": person.lead_type,
        "owner_id": person.owner,
    }
    return found | {name: value for name, value in others.items() if value}


def readable(run: Run, name: str, value: Any) -> str:
    """A value as a line of the timeline has it."""
    if own := run.own.get(name):
        return customvalues.shown(own, value)
    if name == "owner_id":
        return str(run.users.get(value) or "")
    if name in ("organization_id", "lead_type_id"):
        return ""
    return str(value or "")


def value_of(lead: Lead, name: str) -> Any:
    """What a column says, or a field of the company's own."""
    return lead.custom.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else getattr(lead, name)


def put(lead: Lead, name: str, value: Any) -> None:
    """Set what `value_of` says. The lead is not saved."""
    if not name.startswith(PREFIX):
        setattr(lead, name, value)
        return
    custom = {**lead.custom, name.removeprefix(PREFIX): value}
    lead.custom = {key: each for key, each in custom.items() if each is not None}


def names_of(names: Iterable[str]) -> list[str]:
    """What is saved so that these changes are."""
    fields = ("custom" if name.startswith(PREFIX) else name for name in names)
    return list(dict.fromkeys(name.removesuffix("_id") if name in KEYS else name for name in fields))


def jsonable(value: Any) -> Any:
    """A value as the row of the import keeps it for the undoing."""
    return str(value) if isinstance(value, UUID) else value
