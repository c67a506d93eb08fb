"""Takes rows back: what was added and nobody has touched goes, what was written over is restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import SET_NULL, Exists, OuterRef, Q

from crm import signals
from crm.actions import leads as single
from crm.actions.import_leads.columns import KEYS, jsonable, names_of, put, readable, value_of
from crm.actions.import_leads.run import Run
from crm.actions.import_leads.writing import Writer, write_line
from crm.actions.merge import close_ranks
from crm.customvalues import PREFIX
from crm.models import (
    Activity,
    ImportOutcome,
    ImportRow,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadTag,
    LeadWebsite,
    Organization,
)
from crm.models.activity import ActivityKind
from crm.signals import LeadFact

# What hangs on a lead that an import has made; anything else means that somebody has worked with them.
_MADE_BY_IMPORT: Final = frozenset(
    (
        "emails",
        "phones",
        "websites",
        "lead_tags",
        "status_changes",
        "activities",
        "import_rows",
        "tags",
        "conversions",
    )
)


def take_back(run: Run, rows: Sequence[ImportRow]) -> int:
    """Undo rows of an import; returns how many stay as they are, since somebody has touched them."""
    created = [row for row in rows if row.outcome == ImportOutcome.CREATED and row.lead_id]
    updated = [row for row in rows if row.outcome == ImportOutcome.UPDATED and row.lead_id]
    gone = _remove(created)
    kept = sum(not _restore(run, row) for row in updated)
    return len(created) - gone + kept


def _remove(rows: Sequence[ImportRow]) -> int:
    wanted = [row.lead_id for row in rows if row.lead_id]
    # Held, so that nobody begins to work with one of them between the look and the deletion.
    held = Lead.objects.select_for_update(of=("self",)).filter(pk__in=wanted).order_by("pk")
    untouched = _untouched(list(held.values_list("pk", flat=True)))
    gone = [row for row in rows if row.lead_id in untouched and row.written_at == untouched[row.lead_id]]
    leads = [row.lead_id for row in gone if row.lead_id]
    with signals.together():
        for lead in Lead.objects.filter(pk__in=leads).only("pk", "company_id", "occurred_at"):
            signals.lead_removed.send(sender=Lead, fact=LeadFact(lead, lead.occurred_at))
    _delete(leads)
    firms = {UUID(row.before["firm"]) for row in gone if row.before.get("firm")}
    _remove_firms(firms)
    return len(gone)


def _delete(leads: Sequence[UUID]) -> None:
    """Delete leads on which nothing hangs but what the import has made: a statement for each table.

    `delete()` would look through every relation first, for what `_untouched` has just found not to be there; the
    database refuses it if it is there all the same.
    """
    for relation in Lead._meta.related_objects:
        if relation.get_accessor_name() not in _MADE_BY_IMPORT:
            continue
        rows = relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": leads})
        if relation.on_delete is SET_NULL:
            rows.update(**{relation.field.name: None})
        else:
            rows._raw_delete(rows.db)
    found = Lead.objects.filter(pk__in=leads)
    found._raw_delete(found.db)


def _untouched(leads: Sequence[UUID]) -> dict[UUID, datetime]:
    """Those that nobody has worked with, with the time of their last change."""
    found = Lead.objects.filter(pk__in=leads)
    for relation in Lead._meta.related_objects:
        name = relation.get_accessor_name()
        if name is None or name in _MADE_BY_IMPORT or relation.related_model is Lead:
            continue
        rows = relation.related_model._default_manager.filter(**{relation.field.name: OuterRef("pk")})
        found = found.exclude(Exists(rows))
    # The import's own lines are as old as the lead; what people wrote is younger than the row.
    own = Q(kind=ActivityKind.CREATED) | Q(kind=ActivityKind.NOTE, at=OuterRef("occurred_at"))
    by_people = Activity.objects.filter(lead=OuterRef("pk")).exclude(own)
    return dict(found.exclude(Exists(by_people)).values_list("pk", "updated_at"))


def _remove_firms(firms: set[UUID]) -> None:
    """Organizations that were made for rows and have nobody now."""
    if not firms:
        return
    empty = Organization.objects.filter(pk__in=firms)
    for relation in Organization._meta.related_objects:
        rows = relation.related_model._default_manager.filter(**{relation.field.name: OuterRef("pk")})
        empty = empty.exclude(Exists(rows))
    empty._raw_delete(empty.db)


def _restore(run: Run, row: ImportRow) -> bool:
    """Put back what the row wrote over, where it still says what we wrote; whether all of it does."""
    lead = Lead.objects.select_for_update(of=("self",)).filter(pk=row.lead_id or row.pk).first()
    if lead is None:
        return False
    is_whole = _restore_fields(run, lead, row.before.get("fields", {}))
    for model, name in ((LeadEmail, "emails"), (LeadPhone, "phones"), (LeadWebsite, "websites")):
        if row.before.get(name):
            model.objects.filter(lead=lead, pk__in=row.before[name]).delete()
    if row.before.get("emails"):
        close_ranks(lead)
    if row.before.get("tags"):
        LeadTag.objects.filter(lead=lead, tag__in=row.before["tags"]).delete()
    return _restore_facts(run, lead, row.before) and is_whole


def _restore_fields(run: Run, lead: Lead, fields: Mapping[str, list[Any]]) -> bool:
    writer = Writer(run)
    # A field of the company's own that is gone has nothing to put back.
    fields = {name: pair for name, pair in fields.items() if not name.startswith(PREFIX) or name in run.own}
    ours = {name: old for name, (old, new) in fields.items() if jsonable(value_of(lead, name)) == new}
    for name, old in ours.items():
        value = UUID(old) if old and name in KEYS else old
        write_line(
            run, writer, lead, name, readable(run, name, value_of(lead, name)), readable(run, name, value)
        )
        put(lead, name, value)
    if ours:
        lead.save(update_fields=[*names_of(ours), "updated_at"])
    writer.flush()
    return len(ours) == len(fields)


def _restore_facts(run: Run, lead: Lead, before: Mapping[str, list[str]]) -> bool:
    """Status and consent, by the roads that everything takes. LinkedIn is not told of a step back."""
    is_whole = True
    if "status" in before:
        old, new = UUID(before["status"][0]), before["status"][1]
        if str(lead.status_id) == new and old in run.statuses:
            single.change_status(lead, run.statuses[old], run.actor, reported=False)
        else:
            is_whole = False
    if "consent" in before:
        old_word, new = before["consent"]
        if lead.consent == new:
            single.set_consent(lead, old_word, run.actor, source="import undone")
        else:
            is_whole = False
    return is_whole
