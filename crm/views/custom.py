"""The company's own fields on the pages of its records."""

from __future__ import annotations

from typing import NamedTuple

from crm import customvalues
from crm.models import Deal, Lead, Organization, custom_fields_of


class Custom(NamedTuple):
    """A custom field with its value in words, "" for none."""

    name: str
    kind: str
    words: str


def customs_of(record: Lead | Deal | Organization) -> list[Custom]:
    """Every custom field of the record, in order."""
    fields = custom_fields_of(str(record._meta.model_name))
    return [
        Custom(field.name, field.kind, customvalues.shown(field.values, record.custom.get(field.key)))
        for field in fields
    ]
