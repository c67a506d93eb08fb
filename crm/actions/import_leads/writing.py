"""Writes a chunk: what leads have in common is looked up once, and the rows of each table are inserted at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from uuid_utils.compat import uuid7

from crm import cleaning, signals
from crm.actions import leads as single
from crm.actions.import_leads.columns import jsonable, names_of, put, readable, said_by
from crm.actions.import_leads.run import Decision, Run
from crm.actions.organizations import business_domain, name_key
from crm.importing import Person
from crm.mass_insert import Table
from crm.models import (
    Activity,
    Company,
    ImportOutcome,
    ImportRow,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadStatusChange,
    LeadTag,
    LeadWebsite,
    Organization,
    StatusCategory,
    Tag,
)
from crm.models.activity import ActivityKind
from crm.signals import LeadFact

# Fields of a lead that an import writes over, with the words the timeline uses for them.
_WORDS: Final = {
    **single.PLAIN_FIELDS,
    "organization_id": "organization",
    "lead_type_id": "type",
    "owner_id": "owner",
}
_SHOWN: Final = 300


class Writer:
    """Collects the rows of a chunk, table by table, and inserts them at once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tables = {
            model: Table(model)
            for model in (
                Organization, Lead, LeadEmail, LeadPhone, LeadWebsite, LeadTag, LeadStatusChange, Activity, ImportRow
            )
        }  # fmt: skip

    def add(self, model: Any, **values: Any) -> None:
        self._tables[model].add(company_id=self._run.company.pk, **{"id": uuid7(), **values})

    def instance(self, model: Any, **values: Any) -> Any:
        return self._tables[model].instance(company_id=self._run.company.pk, **{"id": uuid7(), **values})

    def add_instance(self, instance: Any) -> None:
        self._tables[type(instance)].add_instance(instance)

    def line(self, lead: UUID, kind: ActivityKind, at: datetime, **values: Any) -> None:
        actor = self._run.actor
        for name in ("old", "new"):
            values[name] = str(values.get(name) or "")[:_SHOWN]
        self.add(
            Activity,
            lead_id=lead,
            kind=kind,
            actor_id=actor.user.pk if actor.user else None,
            actor_label=actor.label,
            at=at,
            **values,
        )

    def flush(self) -> None:
        for table in self._tables.values():
            table.flush()


def write(run: Run, decisions: Sequence[Decision]) -> None:
    """Write a chunk. Runs in the transaction that also moves the import on."""
    writer = Writer(run)
    created = [decision for decision in decisions if decision.outcome == ImportOutcome.CREATED]
    updated = [decision for decision in decisions if decision.outcome == ImportOutcome.UPDATED]
    firms = _Firms(run, writer, [decision.person for decision in (*created, *updated)])
    tags = _tags(run.company, [decision.person for decision in (*created, *updated)])
    leads = [_create(run, writer, decision, firms, tags) for decision in created]
    for decision in updated:
        _update(run, writer, decision, firms, tags)
    for decision in decisions:
        if decision.outcome in (ImportOutcome.FAILED, ImportOutcome.SKIPPED):
            note(run, writer, decision)
    writer.flush()
    _save_updated(run, updated)
    _tell(run, leads)


def note(run: Run, writer: Writer, decision: Decision) -> None:
    """Keep why a row was left out."""
    fault = decision.fault
    writer.add(
        ImportRow,
        batch_id=run.batch.pk,
        number=decision.person.number,
        outcome=decision.outcome,
        lead_id=decision.lead.pk if decision.lead else None,
        reason=decision.reason[:300],
        value=f"{fault.field}: {fault.value}"[:160] if fault and fault.field else "",
        before={},
        written_at=None,
    )


def _create(run: Run, writer: Writer, decision: Decision, firms: _Firms, tags: Mapping[str, UUID]) -> Lead:
    person, batch = decision.person, run.batch
    at = person.created or run.now
    status = run.statuses.get(person.status) if person.status else None
    status = status or run.default_status
    firm, is_new_firm = firms.of(person)
    owner = run.actor.user.pk if batch.own_only and run.actor.user else person.owner or batch.owner_id
    columns = {
        **said_by(person),
        "custom": person.custom,
        "owner_id": owner or (None if batch.own_only else run.company.fallback_owner_id),
    }
    columns.setdefault("source", batch.source or "Import")
    if person.consent:
        columns |= {"consent": person.consent, "consent_source": "import", "consent_at": at}
    if columns.get("li_fat_id"):
        columns["li_fat_id_captured_at"] = at
    lead: Lead = writer.instance(
        Lead,
        **columns,
        status_id=status.pk,
        organization_id=firm,
        origin=run.actor.channel,
        occurred_at=at,
        status_since=at,
        last_touch_at=at,
        qualified_at=at if status.category == StatusCategory.QUALIFIED else None,
        created_at=run.now,
        updated_at=run.now,
    )
    lead.status, lead.company = status, run.company
    writer.add_instance(lead)
    _add_emails(writer, lead.pk, person.emails, 0)
    _add_phones(writer, lead.pk, person.phones, 0)
    _add_websites(writer, lead.pk, person.websites)
    for tag in person.tags:
        writer.add(LeadTag, lead_id=lead.pk, tag_id=tags[tag.lower()])
    writer.add(
        LeadStatusChange,
        lead_id=lead.pk,
        from_status_id=None,
        to_status_id=status.pk,
        to_category=status.category,
        actor_id=run.actor.user.pk if run.actor.user else None,
        at=at,
    )
    writer.line(lead.pk, ActivityKind.CREATED, at, new=lead.source)
    if person.note:
        writer.line(lead.pk, ActivityKind.NOTE, at, text=person.note)
    writer.add(
        ImportRow,
        batch_id=batch.pk,
        number=person.number,
        outcome=ImportOutcome.CREATED,
        lead_id=lead.pk,
        before={"firm": str(firm)} if is_new_firm else {},
        written_at=run.now,
    )
    return lead


def _add_emails(writer: Writer, lead: UUID, addresses: Sequence[str], first: int) -> list[UUID]:
    ids = [uuid7() for _ in addresses]
    for position, (pk, address) in enumerate(zip(ids, addresses, strict=True), start=first):
        writer.add(
            LeadEmail,
            id=pk,
            lead_id=lead,
            address=address,
            address_key=address.lower(),
            is_primary=position == 0,
            position=position,
        )
    return ids


def _add_phones(writer: Writer, lead: UUID, phones: Sequence[tuple[str, str]], first: int) -> list[UUID]:
    ids = [uuid7() for _ in phones]
    for position, (pk, (number, label)) in enumerate(zip(ids, phones, strict=True), start=first):
        writer.add(
            LeadPhone,
            id=pk,
            lead_id=lead,
            number=number,
            digits=cleaning.phone_digits(number),
            label=label,
            position=position,
        )
    return ids


def _add_websites(writer: Writer, lead: UUID, urls: Sequence[str]) -> list[UUID]:
    ids = [uuid7() for _ in urls]
    for position, (pk, url) in enumerate(zip(ids, urls, strict=True)):
        writer.add(LeadWebsite, id=pk, lead_id=lead, url=url, position=position)
    return ids


class _Firms:
    """The organizations of a chunk: found by name, else by the domain of the address; a new name makes one."""

    def __init__(self, run: Run, writer: Writer, people: Sequence[Person]) -> None:
        self._writer = writer
        names = {self._key(person) for person in people if person.organization}
        domains = {self._domain(person) for person in people} - {""}
        rows = Organization.objects.filter(Q(name_key__in=names) | Q(domain__in=domains)).order_by("-id")
        self._by_name: dict[str, UUID] = {}
        self._by_domain: dict[str, UUID] = {}
        for pk, name, domain in rows.values_list("pk", "name_key", "domain"):
            self._by_name[name] = pk
            if domain:
                self._by_domain[domain] = pk
        if names - set(self._by_name):
            # One maker of organizations at a time: two leads of one new firm must not make it twice.
            Company.objects.select_for_update().get(pk=run.company.pk)
            fresh = Organization.objects.filter(name_key__in=names - set(self._by_name))
            self._by_name |= dict(fresh.values_list("name_key", "pk"))
        self._now = run.now

    def of(self, person: Person) -> tuple[UUID | None, bool]:
        """The person's firm, and whether it was made for this row."""
        domain = self._domain(person)
        if not person.organization:
            return self._by_domain.get(domain), False
        key = self._key(person)
        if key in self._by_name:
            return self._by_name[key], False
        pk = uuid7()
        free = domain if domain and domain not in self._by_domain else ""
        self._writer.add(
            Organization, id=pk, name=person.organization, name_key=key, domain=free, created_at=self._now
        )
        self._by_name[key] = pk
        if free:
            self._by_domain[free] = pk
        return pk, True

    @staticmethod
    def _key(person: Person) -> str:
        return name_key(person.organization)

    @staticmethod
    def _domain(person: Person) -> str:
        return business_domain(person.emails[0])[:253] if person.emails else ""


def _tags(company: Company, people: Sequence[Person]) -> dict[str, UUID]:
    wanted = {tag.lower(): tag for person in people for tag in person.tags}
    if not wanted:
        return {}
    known = dict(Tag.objects.filter(name_key__in=wanted).values_list("name_key", "pk"))
    missing = [
        Tag(company=company, name=name, name_key=key) for key, name in wanted.items() if key not in known
    ]
    if missing:
        Tag.objects.bulk_create(missing, ignore_conflicts=True)
        known = dict(Tag.objects.filter(name_key__in=wanted).values_list("name_key", "pk"))
    return known


def _update(run: Run, writer: Writer, decision: Decision, firms: _Firms, tags: Mapping[str, UUID]) -> None:
    """Add what hangs on the lead, and keep what it was; the lead's own columns are saved with those of others."""
    person, lead, adds = decision.person, decision.lead, decision.adds
    assert lead is not None
    if "organization" in adds:
        firm, _ = firms.of(person)
        if firm != lead.organization_id:
            decision.changes["organization_id"] = (lead.organization_id, firm)
    before = _hang(run, writer, lead, adds, tags)
    if "status" in adds:
        before["status"] = [str(lead.status_id), str(adds["status"][0])]
    if "consent" in adds:
        before["consent"] = [lead.consent, adds["consent"][0]]
    for name, (old, new) in decision.changes.items():
        shown = person.organization if name == "organization_id" else readable(run, name, new)
        write_line(run, writer, lead, name, readable(run, name, old), shown)
        put(lead, name, new)
    before["fields"] = {name: [jsonable(old), jsonable(new)] for name, (old, new) in decision.changes.items()}
    writer.add(
        ImportRow,
        batch_id=run.batch.pk,
        number=person.number,
        outcome=ImportOutcome.UPDATED,
        lead_id=lead.pk,
        before=before,
        written_at=run.now,
    )


def _hang(
    run: Run, writer: Writer, lead: Lead, adds: Mapping[str, list[Any]], tags: Mapping[str, UUID]
) -> dict[str, Any]:
    """Add addresses, numbers, sites, tags and a note; returns the ids of what was added, by name."""
    added: dict[str, Any] = {}
    if emails := adds.get("emails"):
        added["emails"] = _ids(_add_emails(writer, lead.pk, emails, lead.emails.count()))
        writer.line(lead.pk, ActivityKind.FIELD, run.now, field="e-mail", new=", ".join(emails))
    if phones := adds.get("phones"):
        added["phones"] = _ids(_add_phones(writer, lead.pk, phones, lead.phones.count()))
        writer.line(
            lead.pk, ActivityKind.FIELD, run.now, field="phone", new=", ".join(one for one, _ in phones)
        )
    if sites := adds.get("websites"):
        added["websites"] = _ids(_add_websites(writer, lead.pk, sites))
        writer.line(lead.pk, ActivityKind.FIELD, run.now, field="website", new=", ".join(sites))
    if names := adds.get("tags"):
        added["tags"] = _ids([tags[name.lower()] for name in names])
        for name in names:
            writer.add(LeadTag, lead_id=lead.pk, tag_id=tags[name.lower()])
        writer.line(lead.pk, ActivityKind.FIELD, run.now, field="tags", new=", ".join(names))
    for text in adds.get("note", ()):
        writer.line(lead.pk, ActivityKind.NOTE, run.now, text=text)
    return added


def _ids(found: Iterable[UUID]) -> list[str]:
    return [str(pk) for pk in found]


def write_line(run: Run, writer: Writer, lead: Lead, name: str, old: str, new: str) -> None:
    """Tell the timeline of a column, or of a field of the company's own, that changed."""
    own = run.own.get(name)
    words = own.name if own else _WORDS.get(name, name.replace("_", " "))[:40]
    writer.line(lead.pk, ActivityKind.FIELD, run.now, field=words, old=old, new=new)


def _save_updated(run: Run, updated: Sequence[Decision]) -> None:
    pairs = [(decision, decision.lead) for decision in updated if decision.lead]
    if not pairs:
        return
    names = {name for decision, _ in pairs for name in decision.changes}
    for _decision, lead in pairs:
        lead.last_touch_at, lead.updated_at = max(lead.last_touch_at, run.now), run.now
    Lead.objects.bulk_update(
        [lead for _, lead in pairs], [*names_of(names), "last_touch_at", "updated_at"], batch_size=200
    )
    for decision, lead in pairs:
        # Rare beside the others, so they take the single road with all that follows from them.
        if "country_code" in decision.changes:
            signals.consent_changed.send(sender=Lead, fact=LeadFact(lead, run.now))
        if "consent" in decision.adds:
            single.set_consent(lead, decision.adds["consent"][0], run.actor, source="import")
        if "status" in decision.adds:
            status = run.statuses[decision.adds["status"][0]]
            single.change_status(lead, status, run.actor, reported=run.batch.is_reported)


def _tell(run: Run, leads: Sequence[Lead]) -> None:
    reported = run.batch.is_reported
    with signals.together():
        for lead in leads:
            signals.lead_created.send(sender=Lead, fact=LeadFact(lead, lead.occurred_at, reported=reported))
            if lead.qualified_at:
                signals.lead_qualified.send(
                    sender=Lead, fact=LeadFact(lead, lead.occurred_at, reported=reported)
                )
