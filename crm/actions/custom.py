"""Sets the values of custom fields on a record, and tells its timeline what they were."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from crm import customvalues
from crm.actions import timeline
from crm.actor import Actor
from crm.models import Deal, Lead, Organization, custom_fields_of
from crm.models.activity import ActivityKind
from crm.texts import as_stored

Changed = list[tuple[str, str, str]]


def set_values(record: Lead | Deal | Organization, given: Mapping[str, object]) -> Changed:
    """Check and set what `given` names; what it does not name stays. The caller saves the record.

    Returns name, old and new words of each field that changed. Raises ValidationError under `custom.<key>`.
    """
    fields = [field.values for field in custom_fields_of(str(record._meta.model_name))]
    before, record.custom = record.custom, customvalues.changed(fields, record.custom, given)
    with as_stored():
        return [
            (
                field.name,
                customvalues.shown(field, before.get(field.key)),
                customvalues.shown(field, record.custom.get(field.key)),
            )
            for field in fields
            if before.get(field.key) != record.custom.get(field.key)
        ]


def record_changes(subject: Lead | Deal, changed: Changed, actor: Actor, at: datetime) -> None:
    """A line on the timeline for each field that changed."""
    for name, old, new in changed:
        timeline.record(subject, ActivityKind.FIELD, actor, at, field=name, old=old, new=new)
