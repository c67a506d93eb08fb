"""What becomes of each row of a chunk: who is erased, who is in the file already, whom it matches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from crm import tombstones
from crm.actions.import_leads.comparing import find_changes
from crm.actions.import_leads.run import Decision, Run
from crm.importing import Fault, Person
from crm.models import (
    Company,
    ImportOutcome,
    Lead,
    LeadEmail,
    OnMatch,
)

ERASED: Final = "This person asked to be forgotten. An import leaves them out."
EXTERNAL_ID_TAKEN: Final = "Another lead has this external id."
SAME_PERSON: Final = "The same person is in row {number}."


def decide(
    run: Run, people: Sequence[Person], seen: dict[str, int], *, to_write: bool = False
) -> list[Decision]:
    """What becomes of each row. `seen`: the people of earlier rows of this file, by address or external id.

    `to_write` holds the leads that rows match until the transaction ends: what they are compared by stays so.
    """
    valid = [person for person in people if not person.faults]
    erased = _erased(run.company, valid)
    by_email, by_external, taken = _known(run, valid, to_write=to_write)
    decisions = []
    for person in people:
        decision = _decide(run, person, seen, erased, by_email, by_external, taken)
        if decision.outcome in (ImportOutcome.CREATED, ImportOutcome.UPDATED):
            seen.update((mark, person.number) for mark in marks_of(person))
        decisions.append(decision)
    find_changes(run, decisions)
    return decisions


def _decide(
    run: Run,
    person: Person,
    seen: Mapping[str, int],
    erased: set[int],
    by_email: Mapping[str, Lead],
    by_external: Mapping[str, Lead],
    taken: set[str],
) -> Decision:
    if person.faults:
        first = person.faults[0]
        reason = " ".join(
            f"{fault.field}: {fault.sentence}" if fault.field else fault.sentence for fault in person.faults
        )
        return Decision(person, ImportOutcome.FAILED, reason=reason, fault=first)
    if person.number in erased:
        return Decision(person, ImportOutcome.SKIPPED, reason=ERASED)
    earlier = next((seen[mark] for mark in marks_of(person) if mark in seen), None)
    if earlier is not None:
        return Decision(person, ImportOutcome.SKIPPED, reason=SAME_PERSON.format(number=earlier))
    lead = by_external.get(person.external_id) if person.external_id else None
    lead = lead or next((by_email[key] for key in person.keys if key in by_email), None)
    if person.external_id in taken and (lead is None or lead.external_id != person.external_id):
        fault = Fault("External ID", person.external_id, EXTERNAL_ID_TAKEN)
        return Decision(person, ImportOutcome.FAILED, reason=EXTERNAL_ID_TAKEN, fault=fault)
    if lead is None:
        return Decision(person, ImportOutcome.CREATED)
    if run.batch.on_match == OnMatch.SKIP:
        return Decision(person, ImportOutcome.SKIPPED, lead, reason=_("Matches a lead you have."))
    return Decision(person, ImportOutcome.UPDATED, lead)


def marks_of(person: Person) -> list[str]:
    """What tells somebody from others in the file."""
    marks = [f"e:{key}" for key in person.keys]
    return [*marks, f"x:{person.external_id}"] if person.external_id else marks


def _erased(company: Company, people: Sequence[Person]) -> set[int]:
    """The rows about people who were erased, by number. One query."""
    wanted: dict[str, list[int]] = {}
    for person in people:
        marks = [("email", email) for email in person.emails]
        marks += [
            (kind, person.texts[kind])
            for kind in ("external_id", "li_fat_id", "lead_gen_response")
            if person.texts.get(kind)
        ]
        for kind, value in marks:
            wanted.setdefault(tombstones.digest(company.pk, kind, value), []).append(person.number)
    return {number for digest in tombstones.known(wanted) for number in wanted[digest]}


def _known(
    run: Run, people: Sequence[Person], *, to_write: bool
) -> tuple[dict[str, Lead], dict[str, Lead], set[str]]:
    """Leads by address and by external id, and the external ids that are taken. The oldest lead counts."""
    keys = {key for person in people for key in person.keys}
    ids = {person.external_id for person in people if person.external_id}
    emails = LeadEmail.objects.filter(address_key__in=keys, lead__in=run.visible).order_by("lead_id")
    pairs = list(emails.values_list("address_key", "lead_id")) if keys else []
    theirs = run.visible.filter(external_id__in=ids).values_list("external_id", "pk")
    named = list(theirs) if ids else []
    taken = (
        set(Lead.objects.filter(external_id__in=ids).values_list("external_id", flat=True)) if ids else set()
    )
    leads = _matching(run, {pk for _, pk in (*pairs, *named)}, to_write=to_write)
    by_email: dict[str, Lead] = {}
    for key, pk in pairs:
        if pk in leads:
            by_email.setdefault(key, leads[pk])
    return by_email, {key: leads[pk] for key, pk in named if pk in leads}, taken


def _matching(run: Run, pks: Collection[UUID], *, to_write: bool) -> dict[UUID, Lead]:
    """These leads by id; held in the order of ids, so that no two imports wait for each other."""
    if not pks:
        return {}
    rows = run.visible.filter(pk__in=pks).order_by("pk")
    if to_write:
        rows = rows.select_for_update(of=("self",))
    return {lead.pk: lead for lead in rows}
