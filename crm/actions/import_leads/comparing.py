"""What a row writes over: what the lead that it matches says, beside what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from crm import cleaning
from crm.actions.import_leads.columns import said_by
from crm.actions.import_leads.run import Decision, Run
from crm.actions.organizations import name_key
from crm.customvalues import PREFIX
from crm.models import (
    Activity,
    Consent,
    Import,
    ImportOutcome,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadTag,
    LeadWebsite,
    OnMatch,
    Organization,
)
from crm.models.activity import ActivityKind


@dataclass(frozen=True)
class _There:
    """What hangs on the leads of a chunk, by lead, as it is compared."""

    emails: dict[UUID, set[str]]
    phones: dict[UUID, set[str]]
    websites: dict[UUID, set[str]]
    tags: dict[UUID, set[str]]
    notes: dict[UUID, set[str]]
    """Of those that the file has alone: a lead may have any number, and long ones."""
    firms: dict[UUID, str]
    """What organizations are called, by their own id."""

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> _There:
        found = [decision.lead for decision in decisions if decision.lead]
        leads = [lead.pk for lead in found]
        firms = Organization.objects.filter(
            pk__in={lead.organization_id for lead in found if lead.organization_id}
        )
        texts = {decision.person.note for decision in decisions} - {""}
        notes = Activity.objects.filter(lead__in=leads, kind=ActivityKind.NOTE, text__in=texts)
        return cls(
            _by_lead(LeadEmail.objects.filter(lead__in=leads).values_list("lead_id", "address_key")),
            _by_lead(LeadPhone.objects.filter(lead__in=leads).values_list("lead_id", "digits")),
            _by_lead(LeadWebsite.objects.filter(lead__in=leads).values_list("lead_id", "url")),
            _by_lead(LeadTag.objects.filter(lead__in=leads).values_list("lead_id", "tag__name_key")),
            _by_lead(notes.order_by().values_list("lead_id", "text")) if texts else {},
            dict(firms.values_list("pk", "name_key")),
        )


def find_changes(run: Run, decisions: Sequence[Decision]) -> None:
    """Work out what each matching row changes; one that changes nothing is skipped."""
    updated = [decision for decision in decisions if decision.outcome == ImportOutcome.UPDATED]
    if not updated:
        return
    there = _There.of(updated)
    over = run.batch.on_match == OnMatch.OVERWRITE
    for decision in updated:
        assert decision.lead is not None
        _compare_columns(run.batch, decision, decision.lead, over)
        _compare_firm(decision, decision.lead, there, over)
        _compare_hanging(decision, decision.lead, there, over)
        if not decision.written:
            decision.outcome, decision.reason = (
                ImportOutcome.SKIPPED,
                _("Says nothing new of a lead you have."),
            )


def _compare_columns(batch: Import, decision: Decision, lead: Lead, over: bool) -> None:
    person = decision.person
    for name, new in said_by(person).items():
        old = getattr(lead, name)
        if name == "owner_id" and batch.own_only:
            continue  # agents give no record away, by a file neither
        if new != old and (over or old in ("", None)):
            decision.changes[name] = (old, new)
    for key, value in person.custom.items():
        there = lead.custom.get(key)
        if value != there and (over or there is None):
            decision.changes[f"{PREFIX}{key}"] = (there, value)
    if over and person.status and person.status != lead.status_id:
        decision.adds["status"] = [person.status]
    # Who has said no is not asked by a file.
    may_say = lead.consent == Consent.UNKNOWN or (over and lead.consent != Consent.DENIED)
    if person.consent and person.consent != lead.consent and may_say:
        decision.adds["consent"] = [person.consent]


def _compare_firm(decision: Decision, lead: Lead, there: _There, over: bool) -> None:
    name = decision.person.organization
    is_same = lead.organization_id is not None and there.firms.get(lead.organization_id) == name_key(name)
    if name and not is_same and (over or lead.organization_id is None):
        decision.adds["organization"] = [name]


def _compare_hanging(decision: Decision, lead: Lead, there: _There, over: bool) -> None:
    person, pk = decision.person, lead.pk
    found: dict[str, tuple[list[Any], set[str]]] = {}
    known = there.emails.get(pk, set())
    found["emails"] = [email for email in person.emails if email.lower() not in known], known
    known = there.phones.get(pk, set())
    found["phones"] = [one for one in person.phones if cleaning.phone_digits(one[0]) not in known], known
    known = there.websites.get(pk, set())
    found["websites"] = [url for url in person.websites if url not in known], known
    known = there.tags.get(pk, set())
    found["tags"] = [tag for tag in person.tags if tag.lower() not in known], known
    for name, (new_ones, known) in found.items():
        if new_ones and (over or not known):
            decision.adds[name] = new_ones
    if person.note and over and person.note not in there.notes.get(pk, set()):
        decision.adds["note"] = [person.note]


def _by_lead(pairs: Iterable[tuple[UUID, str]]) -> dict[UUID, set[str]]:
    found: dict[UUID, set[str]] = {}
    for pk, value in pairs:
        found.setdefault(pk, set()).add(value)
    return found
