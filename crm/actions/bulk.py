"""The same change to many records in one transaction: one history row, timeline line and fact for each of them.

The single actions of `leads` and `deals` end here too, with one record, so that there is one road. Where every record
gets the same values, that is one UPDATE and one INSERT for all; the facts are told one by one, and what receivers
gather of them is written once.

All of these take records whose rows are locked, and return those that were changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, signals
from crm.actions import timeline
from crm.actions.owners import check_owner
from crm.actor import Actor
from crm.models import (
    Activity,
    Company,
    Deal,
    Lead,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    StatusCategory,
    Tag,
    User,
)
from crm.models.activity import ActivityKind
from crm.signals import LeadFact


@transaction.atomic
def change_statuses(
    leads: Sequence[Lead],
    status: LeadStatus,
    actor: Actor,
    *,
    at: datetime | None = None,
    reported: bool = True,
) -> list[Lead]:
    """Move leads to a status; each one's first qualified status fires its `lead_qualified`."""
    moved = [lead for lead in leads if lead.status_id != status.pk]
    if not moved:
        return []
    now = timezone.now()
    at = at or now
    previous = {lead.pk: lead.status for lead in moved}
    qualifies = status.category == StatusCategory.QUALIFIED
    first = [lead for lead in moved if qualifies and lead.qualified_at is None]
    for lead in moved:
        lead.status, lead.status_since, lead.updated_at = status, at, now
        lead.last_touch_at = max(lead.last_touch_at, at)
    for lead in first:
        lead.qualified_at = at
    rows = Lead.objects.filter(pk__in=previous)
    rows.update(status=status, status_since=at, last_touch_at=Greatest("last_touch_at", at), updated_at=now)
    if first:
        Lead.objects.filter(pk__in=[lead.pk for lead in first]).update(qualified_at=at)
    LeadStatusChange.objects.bulk_create(
        LeadStatusChange(
            company_id=lead.company_id,
            lead=lead,
            from_status=previous[lead.pk],
            to_status=status,
            to_category=status.category,
            actor=actor.user,
            at=at,
        )
        for lead in moved
    )
    _write(
        timeline.line(lead, ActivityKind.STATUS, actor, at, old=previous[lead.pk].name, new=status.name)
        for lead in moved
    )
    with signals.together():
        for lead in first:
            signals.lead_qualified.send(sender=Lead, fact=LeadFact(lead, at, reported=reported))
    return moved


@transaction.atomic
def assign_leads(leads: Sequence[Lead], owner: User | None, actor: Actor) -> list[Lead]:
    """Give leads to somebody, or to nobody. Raises ValidationError if that is no member."""
    check_owner(owner)
    given = [lead for lead in leads if lead.owner_id != (owner.pk if owner else None)]
    now = timezone.now()
    _write(_about_owner(lead, owner, actor, now) for lead in given)
    Lead.objects.filter(pk__in=[lead.pk for lead in given]).update(
        owner=owner, last_touch_at=Greatest("last_touch_at", now), updated_at=now
    )
    for lead in given:
        lead.owner, lead.last_touch_at, lead.updated_at = owner, max(lead.last_touch_at, now), now
    return given


@transaction.atomic
def assign_deals(deals: Sequence[Deal], owner: User | None, actor: Actor) -> list[Deal]:
    """Give deals to somebody, or to nobody. Raises ValidationError if that is no member."""
    check_owner(owner)
    given = [deal for deal in deals if deal.owner_id != (owner.pk if owner else None)]
    now = timezone.now()
    _write(_about_owner(deal, owner, actor, now) for deal in given)
    Deal.objects.filter(pk__in=[deal.pk for deal in given]).update(owner=owner, updated_at=now)
    for deal in given:
        deal.owner, deal.updated_at = owner, now
    return given


def _about_owner(subject: Lead | Deal, owner: User | None, actor: Actor, at: datetime) -> Activity:
    return timeline.line(
        subject,
        ActivityKind.FIELD,
        actor,
        at,
        field="owner",
        old=str(subject.owner or ""),
        new=str(owner or ""),
    )


@transaction.atomic
def tag_leads(leads: Sequence[Lead], tag: Tag, actor: Actor) -> list[Lead]:
    """Put a tag on those that do not have it."""
    before = _tag_names(leads)
    tagged = [lead for lead in leads if tag.name not in before[lead]]
    LeadTag.objects.bulk_create(LeadTag(company_id=lead.company_id, lead=lead, tag=tag) for lead in tagged)
    after = {lead: sorted([*before[lead], tag.name]) for lead in tagged}
    return _retagged(tagged, before, after, actor)


@transaction.atomic
def untag_leads(leads: Sequence[Lead], tag: Tag, actor: Actor) -> list[Lead]:
    """Take a tag off those that have it."""
    before = _tag_names(leads)
    untagged = [lead for lead in leads if tag.name in before[lead]]
    LeadTag.objects.filter(lead__in=untagged, tag=tag).delete()
    after = {lead: [name for name in before[lead] if name != tag.name] for lead in untagged}
    return _retagged(untagged, before, after, actor)


def _tag_names(leads: Sequence[Lead]) -> dict[Lead, list[str]]:
    names: dict[Lead, list[str]] = {lead: [] for lead in leads}
    by_id = {lead.pk: lead for lead in leads}
    worn = LeadTag.objects.filter(lead__in=leads).order_by("tag__name").values_list("lead_id", "tag__name")
    for pk, name in worn:
        names[by_id[pk]].append(name)
    return names


def _retagged(
    leads: Sequence[Lead], before: dict[Lead, list[str]], after: dict[Lead, list[str]], actor: Actor
) -> list[Lead]:
    now = timezone.now()
    _write(
        timeline.line(
            lead,
            ActivityKind.FIELD,
            actor,
            now,
            field="tags",
            old=", ".join(before[lead]),
            new=", ".join(after[lead]),
        )
        for lead in leads
    )
    Lead.objects.filter(pk__in=[lead.pk for lead in leads]).update(
        last_touch_at=Greatest("last_touch_at", now), updated_at=now
    )
    return list(leads)


@transaction.atomic
def archive_leads(company: Company, leads: Sequence[Lead], actor: Actor) -> list[Lead]:
    """Take leads out of every list. Their history stays; archived leads are never reported."""
    archived = [lead for lead in leads if not lead.is_archived]
    now = timezone.now()
    for lead in archived:
        lead.archived_at, lead.external_id, lead.updated_at = now, "", now
    # The external id is freed: the same person may come back by the same door.
    Lead.objects.filter(pk__in=[lead.pk for lead in archived]).update(
        archived_at=now, external_id="", updated_at=now
    )
    _write(timeline.line(lead, ActivityKind.ARCHIVED, actor, now) for lead in archived)
    audit.record_each(actor, "lead_archived", archived, company=company)
    return archived


@transaction.atomic
def restore_leads(company: Company, leads: Sequence[Lead], actor: Actor) -> list[Lead]:
    """Put archived leads back into the lists."""
    restored = [lead for lead in leads if lead.is_archived]
    now = timezone.now()
    for lead in restored:
        lead.archived_at, lead.updated_at = None, now
    Lead.objects.filter(pk__in=[lead.pk for lead in restored]).update(archived_at=None, updated_at=now)
    _write(timeline.line(lead, ActivityKind.RESTORED, actor, now) for lead in restored)
    audit.record_each(actor, "lead_restored", restored, company=company)
    return restored


@transaction.atomic
def archive_deals(company: Company, deals: Sequence[Deal], actor: Actor) -> list[Deal]:
    """Take deals out of every list. Their history stays."""
    archived = [deal for deal in deals if deal.archived_at is None]
    now = timezone.now()
    for deal in archived:
        deal.archived_at, deal.external_id, deal.updated_at = now, "", now
    Deal.objects.filter(pk__in=[deal.pk for deal in archived]).update(
        archived_at=now, external_id="", updated_at=now
    )
    _write(timeline.line(deal, ActivityKind.ARCHIVED, actor, now) for deal in archived)
    audit.record_each(actor, "deal_archived", archived, company=company)
    return archived


@transaction.atomic
def restore_deals(company: Company, deals: Sequence[Deal], actor: Actor) -> list[Deal]:
    """Put archived deals back into the lists."""
    restored = [deal for deal in deals if deal.archived_at is not None]
    now = timezone.now()
    for deal in restored:
        deal.archived_at, deal.updated_at = None, now
    Deal.objects.filter(pk__in=[deal.pk for deal in restored]).update(archived_at=None, updated_at=now)
    _write(timeline.line(deal, ActivityKind.RESTORED, actor, now) for deal in restored)
    audit.record_each(actor, "deal_restored", restored, company=company)
    return restored


def find_tag(company: Company, name: str) -> Tag:
    """The tag of that name, in any case; a name that is new makes one. Raises ValidationError."""
    tag = _checked_tag(company, name)
    Tag.objects.bulk_create([tag], ignore_conflicts=True)  # somebody else may add the same one right now
    return Tag.objects.get(name_key=tag.name_key)


def named_tag(company: Company, name: str) -> Tag:
    """As `find_tag`, but what is new is not saved: for whoever only says what would be done."""
    tag = _checked_tag(company, name)
    return Tag.objects.filter(name_key=tag.name_key).first() or tag


def _checked_tag(company: Company, name: str) -> Tag:
    name = " ".join(name.split())
    if not name:
        raise ValidationError({"tags": _("Name the tag.")})
    tag = Tag(company=company, name=name, name_key=name.lower())
    try:
        tag.clean_fields(exclude=["company"])
    except ValidationError as error:
        raise ValidationError({"tags": error.messages}) from error
    return tag


def _write(lines: Iterable[Activity]) -> None:
    Activity.objects.bulk_create(lines)
