"""Makes one lead of two that are the same person, and for 30 days two of one again.

The survivor gets what the loser has: addresses, tags, deals, timeline, history, conversions. The loser stays behind,
archived, with its own plain fields and with what the survivor has already (the same address, the same tag). So nothing
is ever thrown away by a merge, and the undo gives back exactly what was moved; what somebody has changed since stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max, Q, UniqueConstraint
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, signals
from crm.actions import timeline
from crm.actor import Actor
from crm.customvalues import PREFIX
from crm.errors import Conflict
from crm.models import (
    Company,
    Consent,
    Deal,
    DealPerson,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadTag,
    LeadWebsite,
    Merge,
    Tag,
)
from crm.models.activity import ActivityKind
from crm.models.merge import UNDO_FOR
from crm.signals import LeadFact, MergeFact
from crm.texts import gettext_lazy, pgettext_lazy


@dataclass(frozen=True)
class Choice:
    """Something of which only one of the two can stay, with the columns that go together."""

    name: str
    words: str
    columns: tuple[str, ...]


CHOICES: Final = (
    Choice("first_name", gettext_lazy("First name"), ("first_name",)),
    Choice("last_name", gettext_lazy("Last name"), ("last_name",)),
    Choice("title", pgettext_lazy("of a person", "Title"), ("title",)),
    Choice("organization", gettext_lazy("Organization"), ("organization_id",)),
    Choice("country_code", gettext_lazy("Country"), ("country_code",)),
    Choice("status", gettext_lazy("Status"), ("status_id", "status_since")),
    Choice("lead_type", gettext_lazy("Type"), ("lead_type_id",)),
    Choice("source", gettext_lazy("Source"), ("source",)),
    Choice("owner", gettext_lazy("Owner"), ("owner_id",)),
    Choice("external_id", gettext_lazy("External id"), ("external_id",)),
    Choice("li_fat_id", gettext_lazy("LinkedIn click id"), ("li_fat_id", "li_fat_id_captured_at")),
    Choice("lead_gen_response", gettext_lazy("LinkedIn form response"), ("lead_gen_response",)),
    Choice(
        "campaign",
        gettext_lazy("Campaign"),
        (
            "utm_campaign",
            "utm_source",
            "utm_medium",
            "utm_term",
            "utm_content",
            "referrer",
            "landing_page",
            "first_touch",
        ),
    ),
)
_CONSENT: Final = ("consent", "consent_source", "consent_text_version", "consent_at")
_EARLIEST: Final = ("occurred_at", "created_at", "qualified_at")
# What an edit replaces as a whole, so that a row may have another id by the time of the undo: what it is known by.
_REPLACED: Final[dict[type[models.Model], str]] = {
    LeadEmail: "address_key",
    LeadPhone: "number",
    LeadWebsite: "url",
    LeadTag: "tag_id",
}


def suggested(survivor: Lead, loser: Lead) -> frozenset[str]:
    """The names of the choices where the loser knows something that the survivor does not."""
    return frozenset(
        choice.name
        for choice in CHOICES
        if not any(getattr(survivor, column) for column in choice.columns)
        and any(getattr(loser, column) for column in choice.columns)
    )


@transaction.atomic
def merge_leads(survivor: Lead, loser: Lead, actor: Actor, *, take: Collection[str] | None = None) -> Merge:
    """Make one lead of the two; `take` names the choices in which the loser is right (None: where only it knows).

    A field of the company's own is named `cf_<key>`, where both say something. The latest word on consent counts, and
    the earliest dates. Raises ValidationError or Conflict.
    """
    survivor, loser = _locked(survivor, loser)
    _check(survivor, loser)
    now = timezone.now()
    taken = suggested(survivor, loser) if take is None else take
    kept: dict[str, Any] = {}
    had_qualified = survivor.qualified_at is not None
    before = survivor.consent, survivor.country_code
    wanted = _wanted(survivor, loser, taken)
    kept["moved"], kept["rows"] = _move(survivor, loser)
    kept["loser"] = _retire(survivor, loser, wanted, now)
    kept["fields"] = _apply(survivor, wanted)
    merge = Merge(
        company_id=survivor.company_id,
        survivor=survivor,
        loser=loser,
        actor=actor.user,
        actor_label=actor.label,
        at=now,
    )
    timeline.record(survivor, ActivityKind.MERGED, actor, now, old=str(loser.full_name))
    audit.record(actor, "leads_merged", survivor, company=survivor.company, changes={"lead": (None, loser)})
    gained = None if had_qualified else survivor.qualified_at
    signals.lead_merged.send(sender=Lead, fact=MergeFact(survivor, loser, now, kept, gained))
    merge.kept = kept
    merge.save()
    _tell_of_consent(survivor, before, actor, now)
    return merge


@transaction.atomic
def undo_merge(merge: Merge, actor: Actor) -> Lead:
    """Make two leads of one again, and return the one that had gone. What was edited since stays as it is.

    Raises Conflict when it is too late, or when a later merge stands in between.
    """
    survivor, loser = _locked(merge.survivor, merge.loser)
    found = Merge.objects.filter(pk=merge.pk).first()
    now = timezone.now()
    if found is None:
        raise Conflict(_("This merge is undone already."), code="undone")
    _check_undo(found, survivor, now)
    before = survivor.consent, survivor.country_code
    kept = found.kept
    found.delete()
    _unapply(survivor, kept["fields"])
    _revive(loser, kept["loser"])
    _move_back(survivor, loser, kept)
    timeline.record(survivor, ActivityKind.UNMERGED, actor, now, old=str(loser.full_name))
    timeline.record(loser, ActivityKind.UNMERGED, actor, now, old=str(survivor.full_name))
    audit.record(actor, "merge_undone", survivor, company=survivor.company, changes={"lead": (loser, None)})
    signals.merge_undone.send(sender=Lead, fact=MergeFact(survivor, loser, now, kept))
    if (
        survivor.consent != Consent.DENIED
    ):  # who had said no before the merge is asked again at each sending anyway
        _tell_of_consent(survivor, before, actor, now)
    return loser


def last_merge(survivor: Lead) -> Merge | None:
    """The merge that can be undone now; None if there is none, or it is too old."""
    return Merge.objects.undoable(timezone.now()).filter(survivor=survivor).select_related("loser").first()


@transaction.atomic
def finish_merges(company: Company, now: datetime) -> int:
    """Let go of what was kept for an undo that is no longer offered; returns how many merges that were."""
    past = Merge.objects.outlived(now)
    losers = Lead.objects.filter(pk__in=list(past.values_list("loser_id", flat=True)))
    count = past.count()
    losers.delete()
    return count


# --- Before


def _locked(survivor: Lead, loser: Lead) -> tuple[Lead, Lead]:
    """Both rows as they are now, locked in the order of their ids, so that two merges never wait for each other."""
    if survivor.pk == loser.pk:
        raise ValidationError({"into": _("Choose another lead: this is the same one.")}, code="same")
    rows = Lead.objects.select_for_update(of=("self",)).select_related("status", "company")
    found = {lead.pk: lead for lead in rows.filter(pk__in=(survivor.pk, loser.pk)).order_by("pk")}
    if len(found) < 2:
        raise Conflict(_("One of the two leads is gone."), code="gone")
    return found[survivor.pk], found[loser.pk]


def _check(survivor: Lead, loser: Lead) -> None:
    for lead in (survivor, loser):
        if lead.is_archived:
            raise Conflict(_("{lead} was archived or merged meanwhile.").format(lead=lead), code="archived")
    if survivor.is_sample != loser.is_sample:
        raise Conflict(
            _("Sample data and real leads are not merged: clearing one would take both."), code="sample"
        )


def _check_undo(merge: Merge, survivor: Lead, now: datetime) -> None:
    if merge.at <= now - UNDO_FOR:
        raise Conflict(_("A merge can be undone for 30 days; these are over."), code="too_late")
    if survivor.is_archived:
        raise Conflict(
            _("{survivor} is archived, or merged itself. Undo that first.").format(survivor=survivor),
            code="archived",
        )
    latest = last_merge(survivor)
    if latest is not None and latest.pk != merge.pk:
        raise Conflict(
            _("Another merge came later. Undo that with {loser} first.").format(loser=latest.loser),
            code="later",
        )


# --- The plain fields


def _wanted(survivor: Lead, loser: Lead, taken: Collection[str]) -> dict[str, Any]:
    """The columns of the survivor that become others."""
    columns = [column for choice in CHOICES if choice.name in taken for column in choice.columns]
    if loser.consent_at and (survivor.consent_at is None or loser.consent_at > survivor.consent_at):
        columns += _CONSENT
    wanted = {column: getattr(loser, column) for column in columns}
    for column in _EARLIEST:
        known = [at for at in (getattr(survivor, column), getattr(loser, column)) if at is not None]
        wanted[column] = min(known, default=None)
    wanted["custom"] = _own_fields(survivor, loser, taken)
    wanted["last_touch_at"] = max(survivor.last_touch_at, loser.last_touch_at)
    return {column: value for column, value in wanted.items() if value != getattr(survivor, column)}


def _own_fields(survivor: Lead, loser: Lead, taken: Collection[str]) -> dict[str, Any]:
    """The company's own fields: what only the loser knows fills the blanks."""
    right = {key: value for key, value in loser.custom.items() if f"{PREFIX}{key}" in taken}
    return {**loser.custom, **survivor.custom, **right}


def _apply(survivor: Lead, wanted: dict[str, Any]) -> dict[str, Any]:
    """Write them, and give back what was there and what is there now."""
    kept = {column: [_plain(getattr(survivor, column)), _plain(value)] for column, value in wanted.items()}
    for column, value in wanted.items():
        setattr(survivor, column, value)
    survivor.save()
    return kept


def _retire(survivor: Lead, loser: Lead, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Take the loser out of every list. An external id is unique, so the survivor takes it away."""
    kept = {"external_id": loser.external_id}
    if "external_id" in wanted:
        loser.external_id = ""
    loser.archived_at, loser.merged_into = now, survivor
    loser.save()
    return kept


def _unapply(survivor: Lead, kept: dict[str, Any]) -> None:
    """What is still as the merge left it becomes what it was; what was edited since is left alone."""
    for together in _together(kept):
        if all(getattr(survivor, column) == _typed(column, kept[column][1]) for column in together):
            for column in together:
                setattr(survivor, column, _typed(column, kept[column][0]))
    survivor.save()


def _together(kept: Collection[str]) -> Iterator[list[str]]:
    """The columns by what belongs together: a status and since when, a consent and who has recorded it."""
    groups = [choice.columns for choice in CHOICES] + [_CONSENT]
    known = {column for group in groups for column in group}
    for group in (*groups, *((column,) for column in kept if column not in known)):
        if found := [column for column in group if column in kept]:
            yield found


def _revive(loser: Lead, kept: dict[str, Any]) -> None:
    wanted = kept["external_id"]
    is_free = wanted and not Lead.objects.filter(external_id=wanted).exclude(pk=loser.pk).exists()
    loser.external_id = wanted if is_free else loser.external_id
    loser.archived_at = loser.merged_into = None
    loser.save()


def _plain(value: Any) -> Any:
    """As JSON has it, to the microsecond."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _typed(column: str, plain: Any) -> Any:
    """A value as JSON kept it, as the column has it."""
    return next(field for field in Lead._meta.concrete_fields if field.attname == column).to_python(plain)


def _tell_of_consent(lead: Lead, before: tuple[str, str], actor: Actor, now: datetime) -> None:
    consent, country = before
    if lead.consent != consent:
        changes: dict[str, tuple[object, object]] = {"consent": (consent, lead.consent)}
        audit.record(actor, "consent_changed", lead, company=lead.company, changes=changes)
    if (lead.consent, lead.country_code) != (consent, country):
        signals.consent_changed.send(sender=Lead, fact=LeadFact(lead, now))


# --- What hangs on a lead


def relations() -> Iterator[models.ForeignKey[Any, Any]]:
    """Every column of the CRM that points to a lead, whoever added it. Merges themselves stay where they are."""
    for related in Lead._meta.related_objects:
        field: Any = related.field
        is_ours = field.model._meta.app_label == Lead._meta.app_label
        if is_ours and field.model is not Merge and isinstance(field, models.ForeignKey):
            yield field


def _move(survivor: Lead, loser: Lead) -> tuple[dict[str, list[str]], str]:
    """Hang everything on the survivor; returns the ids by column, and in full the rows that are told apart by more."""
    rows: list[models.Model] = [
        row for model in _REPLACED for row in model._default_manager.filter(lead=loser).order_by("pk")
    ]
    rows += _take_off(survivor, loser)
    moved = {}
    for field in relations():
        movable = _movable(field, survivor, loser)
        _make_room(field, survivor, movable)
        moved[_name(field)] = [str(pk) for pk in movable]
        field.model._default_manager.filter(pk__in=movable).update(**{field.name: survivor})
    close_ranks(survivor)
    return moved, serializers.serialize("json", rows)


def _take_off(survivor: Lead, loser: Lead) -> list[DealPerson]:
    """On one deal a person is named once: what would be said twice is taken off, and given back by the undo."""
    both = (survivor, loser)
    named_twice = Q(lead__in=both, deal__lead__in=both)
    named_twice |= Q(lead=loser, deal__in=DealPerson.objects.filter(lead=survivor).values("deal"))
    twice = list(DealPerson.objects.filter(named_twice))
    DealPerson.objects.filter(pk__in=[person.pk for person in twice]).delete()
    return twice


def _name(field: models.ForeignKey[Any, Any]) -> str:
    return f"{field.model._meta.label}.{field.name}"


def _movable(field: models.ForeignKey[Any, Any], survivor: Lead, loser: Lead) -> list[UUID]:
    """The loser's rows but for those of which the survivor has the same: the database allows one of each."""
    rows = field.model._default_manager.filter(**{field.name: loser})
    for names in _unique_with(field):
        theirs = field.model._default_manager.filter(**{field.name: survivor})
        for values in theirs.values(*names) if names else theirs.values("pk")[:1]:
            rows = rows.exclude(**values) if names else rows.none()
    return list(rows.values_list("pk", flat=True))


def _unique_with(field: models.ForeignKey[Any, Any]) -> Iterator[tuple[str, ...]]:
    """The other columns of each rule by which a lead has something once."""
    if field.model in (LeadPhone, LeadWebsite):
        yield (_REPLACED[field.model],)  # the database allows it, but nobody has one number twice
    for constraint in field.model._meta.constraints:
        if not isinstance(constraint, UniqueConstraint) or constraint.condition is not None:
            continue
        if field.name in constraint.fields:
            yield tuple(name for name in constraint.fields if name not in (field.name, "company"))
    if field.unique:
        yield ()


def _make_room(field: models.ForeignKey[Any, Any], survivor: Lead, movable: Collection[UUID]) -> None:
    """What comes goes behind what is there; there is one primary address, and it stays."""
    if field.model not in (LeadEmail, LeadPhone, LeadWebsite):
        return
    own = field.model._default_manager.filter(lead=survivor)
    behind = own.aggregate(last=Max("position"))["last"]
    coming = field.model._default_manager.filter(pk__in=movable)
    if behind is not None:
        coming.update(position=models.F("position") + behind + 1)
    if field.model is LeadEmail and own.exists():
        LeadEmail.objects.filter(pk__in=movable).update(is_primary=False)


def close_ranks(lead: Lead) -> None:
    """Whoever has an address has a primary one."""
    emails = LeadEmail.objects.filter(lead=lead)
    if emails.filter(is_primary=True).exists():
        return
    first = emails.order_by("position", "pk").first()
    if first is not None:
        emails.filter(pk=first.pk).update(is_primary=True)


def _move_back(survivor: Lead, loser: Lead, kept: dict[str, Any]) -> None:
    for field in relations():
        moved = kept["moved"].get(_name(field), [])
        still = field.model._default_manager.filter(**{field.name: survivor}, pk__in=moved)
        still.update(
            **({field.name: loser, "is_primary": False} if field.model is LeadEmail else {field.name: loser})
        )
    for row in _kept_rows(kept["rows"]):
        _restore(row, survivor)
    close_ranks(survivor)
    close_ranks(loser)


def _kept_rows(text: str) -> Iterator[models.Model]:
    for row in serializers.deserialize("json", text):
        yield row.object


def _restore(row: models.Model, survivor: Lead) -> None:
    """A row as it was: the one that is there with its old place, the one an edit has put in its place, or anew."""
    model = type(row)
    rows = model._default_manager
    if isinstance(row, DealPerson):
        deal = Deal.objects.filter(pk=row.deal_id).exclude(lead=row.lead_id).exclude(people__lead=row.lead_id)
        if deal.exists():
            row.save(force_insert=True)
        return
    if rows.filter(pk=row.pk).exists():
        places = {name: getattr(row, name) for name in ("position", "is_primary") if hasattr(row, name)}
        if places:
            rows.filter(pk=row.pk).update(**places)
        return
    if isinstance(row, LeadTag) and not Tag.objects.filter(pk=row.tag_id).exists():
        return
    same = {_REPLACED[model]: getattr(row, _REPLACED[model])}
    replacement = rows.filter(lead=survivor, **same).first()
    if replacement is not None:
        replacement.delete()
    row.save(force_insert=True)
