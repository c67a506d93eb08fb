"""Writes a chunk of an import, and takes one back: many leads in one transaction, each with history and timeline.

The same rows as `crm.actions.leads` writes for one lead, inserted by the thousand. What leads have in common is
looked up once for the chunk. The facts are told one by one; what receivers gather of them is written once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from crm import cleaning, customvalues, signals, tombstones
from crm.actions import leads as single
from crm.actions.merge import close_ranks
from crm.actions.organizations import business_domain, name_key
from crm.actor import Actor
from crm.customvalues import PREFIX
from crm.importing import PLAIN, Fault, Person
from crm.mass_insert import Table
from crm.models import (
    Activity,
    Company,
    Consent,
    Import,
    ImportOutcome,
    ImportRow,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadQuerySet,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    LeadWebsite,
    OnMatch,
    Organization,
    StatusCategory,
    Tag,
    User,
)
from crm.models.activity import ActivityKind
from crm.signals import LeadFact

ERASED: Final = "This person asked to be forgotten. An import leaves them out."
EXTERNAL_ID_TAKEN: Final = "Another lead has this external id."
SAME_PERSON: Final = "The same person is in row {number}."
# Fields of a lead that an import writes over, with the words the timeline uses for them.
_WORDS: Final = {
    **single.PLAIN_FIELDS,
    "organization_id": "organization",
    "lead_type_id": "type",
    "owner_id": "owner",
}
_SHOWN: Final = 300
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


@dataclass
class Decision:
    """What becomes of a row. `changes` are columns of the lead, before and after; `adds` what it gets besides.

    A value of the company's own fields is a column called `cf_<key>`; None is no value.
    """

    person: Person
    outcome: ImportOutcome
    lead: Lead | None = None
    reason: str = ""
    fault: Fault | None = None
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    adds: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """How many fields of a known lead it writes."""
        return len(self.changes) + len(self.adds)


@dataclass(frozen=True)
class Run:
    """What all chunks of an import share."""

    batch: Import
    company: Company
    actor: Actor
    now: datetime
    statuses: Mapping[UUID, LeadStatus]
    users: Mapping[UUID, User]
    default_status: LeadStatus
    own: Mapping[str, customvalues.Field] = field(default_factory=dict)
    """The company's own fields, by their names in a mapping."""

    @property
    def visible(self) -> LeadQuerySet:
        """The leads that rows may match: those that whoever began the import sees."""
        leads = Lead.objects.current()
        if self.batch.own_only and self.actor.user is not None:
            return leads.owned_by(self.actor.user)
        return leads


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
    _find_changes(run, decisions)
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


# --- What is written over -----------------------------------------------------------------------------------


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
        firms = Organization.objects.filter(pk__in={lead.organization_id for lead in found} - {None})
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


def _find_changes(run: Run, decisions: Sequence[Decision]) -> None:
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
    for name, new in _columns(person).items():
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


def _columns(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = {name: person.texts[name] for name in PLAIN if person.texts.get(name)}
    others = {
        "country_code": person.country_code,
        "lead_type_id": person.lead_type,
        "owner_id": person.owner,
    }
    return found | {name: value for name, value in others.items() if value}


def _by_lead(pairs: Iterable[tuple[UUID, str]]) -> dict[UUID, set[str]]:
    found: dict[UUID, set[str]] = {}
    for pk, value in pairs:
        found.setdefault(pk, set()).add(value)
    return found


# --- Writing ------------------------------------------------------------------------------------------------


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
        **_columns(person),
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
        shown = person.organization if name == "organization_id" else _readable(run, name, new)
        _write_line(run, writer, lead, name, _readable(run, name, old), shown)
        _put(lead, name, new)
    before["fields"] = {
        name: [_jsonable(old), _jsonable(new)] for name, (old, new) in decision.changes.items()
    }
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


def _write_line(run: Run, writer: Writer, lead: Lead, name: str, old: str, new: str) -> None:
    own = run.own.get(name)
    words = own.name if own else _WORDS.get(name, name.replace("_", " "))[:40]
    writer.line(lead.pk, ActivityKind.FIELD, run.now, field=words, old=old, new=new)


def _readable(run: Run, name: str, value: Any) -> str:
    if own := run.own.get(name):
        return customvalues.shown(own, value)
    if name == "owner_id":
        return str(run.users.get(value) or "")
    if name in ("organization_id", "lead_type_id"):
        return ""
    return str(value or "")


def _is(lead: Lead, name: str) -> Any:
    """What a column says, or a field of the company's own."""
    return lead.custom.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else getattr(lead, name)


def _put(lead: Lead, name: str, value: Any) -> None:
    if not name.startswith(PREFIX):
        setattr(lead, name, value)
        return
    custom = {**lead.custom, name.removeprefix(PREFIX): value}
    lead.custom = {key: each for key, each in custom.items() if each is not None}


def _columns_of(names: Iterable[str]) -> list[str]:
    """What is saved so that these changes are."""
    fields = ("custom" if name.startswith(PREFIX) else name for name in names)
    return list(dict.fromkeys(name.removesuffix("_id") if name in _KEYS else name for name in fields))


def _jsonable(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _save_updated(run: Run, updated: Sequence[Decision]) -> None:
    pairs = [(decision, decision.lead) for decision in updated if decision.lead]
    if not pairs:
        return
    names = {name for decision, _ in pairs for name in decision.changes}
    for _decision, lead in pairs:
        lead.last_touch_at, lead.updated_at = max(lead.last_touch_at, run.now), run.now
    Lead.objects.bulk_update(
        [lead for _, lead in pairs], [*_columns_of(names), "last_touch_at", "updated_at"], batch_size=200
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


_KEYS: Final = frozenset(("organization_id", "lead_type_id", "owner_id"))


def _tell(run: Run, leads: Sequence[Lead]) -> None:
    reported = run.batch.is_reported
    with signals.together():
        for lead in leads:
            signals.lead_created.send(sender=Lead, fact=LeadFact(lead, lead.occurred_at, reported=reported))
            if lead.qualified_at:
                signals.lead_qualified.send(
                    sender=Lead, fact=LeadFact(lead, lead.occurred_at, reported=reported)
                )


# --- Taking back --------------------------------------------------------------------------------------------


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
    Lead.objects.filter(pk__in=leads).delete()
    firms = {UUID(row.before["firm"]) for row in gone if row.before.get("firm")}
    _remove_firms(firms)
    return len(gone)


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
    empty.delete()


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
    ours = {name: old for name, (old, new) in fields.items() if _jsonable(_is(lead, name)) == new}
    for name, old in ours.items():
        value = UUID(old) if old and name in _KEYS else old
        _write_line(
            run, writer, lead, name, _readable(run, name, _is(lead, name)), _readable(run, name, value)
        )
        _put(lead, name, value)
    if ours:
        lead.save(update_fields=[*_columns_of(ours), "updated_at"])
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
