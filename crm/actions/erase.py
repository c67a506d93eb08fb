"""Forgets a person: their record and what hangs on it are deleted, what mentions them is blanked, a tombstone stays.

The transaction of the request does all of that, and cancels what waits for LinkedIn. What is on its way to LinkedIn
in that moment cannot be stopped: the erasure is *completed* when its answer is there or its lease has ended. From
then on no request about the person starts.

Kept are the company's own facts: deals with stage and amount, and conversion events with ids and counts. Files cannot
be blanked, so those of the person's own deals go with theirs; where they are one of several people, the files stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from crm import audit, datamap, importing, signals, tombstones
from crm.actor import SYSTEM, Actor
from crm.importing import Dialect
from crm.models import (
    Activity,
    Attachment,
    Company,
    Deal,
    DealPerson,
    Erasure,
    IdempotencyRecord,
    Import,
    Lead,
    Organization,
    SubTask,
    Task,
    Tombstone,
)
from crm.models.activity import ActivityKind
from crm.tenancy import company_scope

ERASED = "[erased]"
_SHORTEST_NEEDLE = 5
_GONE = (
    '{"type":"client_error","errors":[{"code":"not_found","detail":"The person was erased.","attr":null}]}'
)


@transaction.atomic
def erase_lead(lead: Lead, actor: Actor) -> Erasure:
    """Erase a person. The record is gone when this returns; `Erasure.state` says whether all is done.

    Raises Lead.DoesNotExist if somebody else has erased them a moment ago.
    """
    lead = _whole_person(lead)
    for earlier in Lead.objects.filter(merged_into=lead):
        _erase_one(earlier, actor)
    return _erase_one(lead, actor)


def _whole_person(lead: Lead) -> Lead:
    """Who was merged into another lead is that lead now: nobody asks to be forgotten by halves."""
    while (survivor := Lead.objects.filter(merged_from=lead).first()) is not None:
        lead = survivor
    return lead


def _erase_one(lead: Lead, actor: Actor) -> Erasure:
    erasure = _erase(lead, actor, timezone.now())
    audit.record(actor, "lead_erased", lead, company=erasure.company)
    _remember(erasure)
    return erasure


@transaction.atomic
def erase_again(record: tombstones.Record) -> bool:
    """Erase a person whom a restored backup has brought back; False if it did not. Runs in the company's scope."""
    company = Company.objects.get(pk=record.company)
    at = datetime.fromisoformat(record.at)
    lead = Lead.objects.filter(pk=record.lead).first()
    if lead is not None:
        erasure = _erase(lead, SYSTEM, at)
    else:
        erasure, _ = Erasure.objects.get_or_create(
            company=company,
            lead_id=UUID(record.lead),
            defaults={"requested_at": at, "actor_label": SYSTEM.label},
        )
    # The key may be another one by now; the marks of that time still hold under theirs.
    _add_tombstones(erasure, set(record.tombstones))
    transaction.on_commit(lambda: finish(company))
    return lead is not None


def finish(company: Company) -> int:
    """Complete the erasures of which nothing is on its way any more; returns how many still wait.

    On SQLite the write-ahead log is emptied first, since it holds pages as they were.
    """
    with company_scope(company):
        ended = [erasure for erasure in Erasure.objects.unfinished() if not _is_on_its_way(erasure)]
        if ended and _is_wiped():
            Erasure.objects.unfinished().filter(pk__in=[erasure.pk for erasure in ended]).update(
                completed_at=timezone.now()
            )
        return Erasure.objects.unfinished().count()


def finish_all() -> int:
    """`finish` for every company: the net below what delivery does at once."""
    return sum(finish(company) for company in Company.objects.all())


def namesakes(lead: Lead) -> QuerySet[Lead]:
    """Other leads with one of this lead's addresses: perhaps the same person, to be looked at by somebody."""
    addresses = lead.emails.values("address_key")
    return Lead.objects.filter(emails__address_key__in=addresses).exclude(pk=lead.pk).distinct()


def _erase(lead: Lead, actor: Actor, at: datetime) -> Erasure:
    lead = Lead.objects.select_for_update(of=("self",)).select_related("company").get(pk=lead.pk)
    erasure, _ = Erasure.objects.get_or_create(
        company=lead.company,
        lead_id=lead.pk,
        defaults={"requested_at": at, "actor": actor.user, "actor_label": actor.label},
    )
    _add_tombstones(erasure, tombstones.digests_of(lead))
    words = Words.of(lead)
    signals.lead_erased.send(sender=Lead, lead=lead, erasure=erasure)
    _forget_administration(lead, words)
    deals = _forget_deals(lead, words)
    organization = lead.organization
    pk = lead.pk
    lead.delete()
    lead.pk = pk
    _forget_organization(organization, words, deals)
    _forget_answers(pk, words)
    _forget_mentions(words)
    _forget_file_names(words)
    _forget_in_files(words)
    transaction.on_commit(lambda: finish(erasure.company))
    return erasure


@dataclass(frozen=True)
class Words:
    """What a person is called. `needles` name them wherever they stand; `names` only where the deal is theirs."""

    needles: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, lead: Lead) -> Words:
        first, last = lead.first_name.strip(), lead.last_name.strip()
        full = (f"{first} {last}", f"{last} {first}", f"{last}, {first}") if first and last else ()
        known = (
            *full,
            *(email.address for email in lead.emails.all()),
            *(phone.number for phone in lead.phones.all()),
            *(website.url for website in lead.websites.all()),
            lead.external_id,
            lead.li_fat_id,
            lead.lead_gen_response,
            lead.browser_event_id,
        )
        needles = {word for word in known if len(word) >= _SHORTEST_NEEDLE}
        names = {name for name in (first, last) if len(name) > 1}
        return cls(_longest_first(needles), _longest_first(names))

    def blanked(self, text: str, *, with_names: bool = False) -> str:
        """The text without the person; single names only go as whole words."""
        if self._needles:
            text = self._needles.sub(ERASED, text)
        if with_names and self._names:
            text = self._names.sub(ERASED, text)
        return text

    @cached_property
    def _needles(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(re.escape, self.needles)), re.IGNORECASE) if self.needles else None

    @cached_property
    def _names(self) -> re.Pattern[str] | None:
        either = "|".join(map(re.escape, self.names))
        return re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE) if self.names else None


def _longest_first(words: set[str]) -> tuple[str, ...]:
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


def _add_tombstones(erasure: Erasure, digests: set[str]) -> None:
    Tombstone.objects.bulk_create(
        [Tombstone(company=erasure.company, erasure=erasure, digest=digest) for digest in sorted(digests)],
        ignore_conflicts=True,
    )


def _remember(erasure: Erasure) -> None:
    """Outside the database, before the commit: an erasure that a restore forgot would be worse than one too many."""
    marks = tuple(erasure.tombstones.order_by("digest").values_list("digest", flat=True))
    record = tombstones.Record(
        str(erasure.company_id),
        str(erasure.lead_id),
        erasure.requested_at.isoformat(),
        marks,
        tombstones.key_name(),
    )
    tombstones.append(record)


def _forget_administration(lead: Lead, words: Words) -> None:
    """Django's own log of the admin panel repeats what rows were called."""
    theirs = [lead.pk]
    for related in (lead.emails, lead.phones, lead.websites, lead.deal_roles):
        theirs += related.values_list("pk", flat=True)
    LogEntry.objects.filter(object_id__in=[str(pk) for pk in theirs]).update(
        object_repr=ERASED, change_message=""
    )
    deals = [str(pk) for pk in _deals(lead).values_list("pk", flat=True)]
    for entry in LogEntry.objects.filter(object_id__in=deals):
        entry.object_repr = words.blanked(entry.object_repr, with_names=True)[:200]
        entry.change_message = words.blanked(entry.change_message, with_names=True)
        entry.save(update_fields=["object_repr", "change_message"])


def _deals(lead: Lead) -> QuerySet[Deal]:
    linked = DealPerson.objects.filter(lead=lead).values("deal")
    return Deal.objects.filter(Q(lead=lead) | Q(pk__in=linked))


def _forget_deals(lead: Lead, words: Words) -> list[UUID]:
    """Deals stay, with their timeline; what people wrote there while talking to this person goes. Gives their ids."""
    deals = list(_deals(lead).values_list("pk", flat=True))
    _blank(Deal.objects.filter(pk__in=deals), Deal, words, with_names=True)
    _blank(Task.objects.filter(deal__in=deals), Task, words, with_names=True)
    _blank(SubTask.objects.filter(task__deal__in=deals), SubTask, words, with_names=True)
    timeline = Activity.objects.filter(deal__in=deals)
    told = (ActivityKind.NOTE, ActivityKind.CALL, ActivityKind.MEETING, ActivityKind.EMAIL)
    timeline.filter(lead=lead, kind__in=told).update(text=ERASED)
    timeline.filter(lead=lead, kind=ActivityKind.FILE).update(new=ERASED)
    Attachment.objects.filter(deal__lead=lead).delete()
    timeline.filter(field__in=("people", "lead")).update(old="", new="")
    _blank(timeline, Activity, words, with_names=True)
    # Lines about a deal hang on its person, too; the line outlives them.
    Activity.objects.filter(lead=lead, deal__isnull=False).update(lead=None)
    return deals


def _forget_organization(organization: Organization | None, words: Words, deals: Sequence[UUID]) -> None:
    """A firm that nobody else has to do with says who the person was; one that is named after them does anyway."""
    if organization is None or Lead.objects.filter(organization=organization).exists():
        return
    linked = Deal.objects.filter(organization=organization)
    if linked.exclude(pk__in=deals).exists():
        return
    names_them = words.blanked(organization.name, with_names=True) != organization.name
    if names_them or not linked.exists():
        organization.delete()


def _forget_mentions(words: Words) -> None:
    """Everything else the company wrote: where it names the person in full or by an address, the name goes."""
    if not words.needles:
        return
    for model, fields in datamap.mentions():
        anywhere = Q()
        for field in fields:
            for needle in words.needles:
                anywhere |= Q(**{f"as_text_{field}__icontains": needle})
                anywhere |= Q(**{f"as_text_{field}__icontains": json.dumps(needle)[1:-1]})
        texts = {f"as_text_{field}": Cast(field, TextField()) for field in fields}
        _blank(model._default_manager.alias(**texts).filter(anywhere), model, words)


def _forget_file_names(words: Words) -> None:
    """A file's name joins words by whatever is no blank: Contract_Annika-Sorensen.pdf."""
    joined = [re.sub(r"\W+", "", needle) for needle in words.needles]
    needles = [word.lower() for word in joined if len(word) >= _SHORTEST_NEEDLE]
    if not needles:
        return
    files = Activity.objects.filter(kind=ActivityKind.FILE)
    for rows, field in ((Attachment.objects.all(), "name"), (files, "new")):
        for pk, name in rows.order_by("pk").values_list("pk", field).iterator(chunk_size=2000):
            if any(needle in re.sub(r"[\W_]+", "", name.lower()) for needle in needles):
                rows.filter(pk=pk).update(**{field: ERASED})


def _blank(rows: QuerySet[Model], model: type[Model], words: Words, *, with_names: bool = False) -> None:
    fields = dict(datamap.mentions())[model]
    for row in rows.only("pk", *fields).iterator(chunk_size=500):
        before = {field: getattr(row, field) for field in fields}
        after = {field: _blanked(value, words, with_names) for field, value in before.items()}
        after = {field: _fitting(model, field, value) for field, value in after.items()}
        if after != before:
            model._default_manager.filter(pk=row.pk).update(**after)


def _blanked(value: Any, words: Words, with_names: bool) -> Any:
    """Text, or text within lists and objects; what is neither says nothing."""
    if isinstance(value, str):
        return words.blanked(value, with_names=with_names)
    if isinstance(value, list):
        return [_blanked(part, words, with_names) for part in value]
    if isinstance(value, dict):
        return {key: _blanked(part, words, with_names) for key, part in value.items()}
    return value


def _fitting(model: type[Model], field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text: str = value
    longest = model._meta.get_field(field).max_length  # type: ignore[union-attr]  # of text fields alone
    return text[:longest] if longest else text


def _forget_answers(pk: UUID, words: Words) -> None:
    """Answers kept for repeated requests: a repeat finds nobody, as every other request does."""
    anywhere = Q(body__contains=str(pk))
    for needle in words.needles:
        anywhere |= Q(body__icontains=needle)
    IdempotencyRecord.objects.filter(anywhere).update(status_code=404, body=_GONE)


def _forget_in_files(words: Words) -> None:
    """Files that were imported and are still kept: the rows that name the person are emptied, the others stay."""
    if not words.needles:
        return
    for batch in Import.objects.all():
        if batch.has_file:
            dialect = Dialect(batch.encoding, batch.delimiter)
            importing.empty_rows(batch.path, dialect, lambda text: words.blanked(text) != text)


def _is_on_its_way(erasure: Erasure) -> bool:
    return any(answer for _, answer in signals.erasure_checked.send(sender=Erasure, erasure=erasure))


def _is_wiped() -> bool:
    """SQLite overwrites what is deleted (secure_delete), but its write-ahead log is a copy: empty it."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy, *_ = cursor.fetchone()
    return not busy
