"""The only door for changes to deals. Button, drag, API, bulk and admin all end in `move_deal`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TypedDict

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import cleaning, signals
from crm.actions import automations, bulk, custom, timeline
from crm.actions.owners import check_owner, default_owner
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import (
    Company,
    Deal,
    DealPerson,
    DealStageChange,
    Lead,
    Pipeline,
    Stage,
    StageKind,
    User,
)
from crm.models.activity import ActivityKind
from crm.signals import DealFact
from crm.texts import inside_a_sentence


class DealChanges(TypedDict, total=False):
    """What may be said of a deal, at creation or later. A key that is absent is left as it is.

    `stage` is the same road as winning, losing and reopening; `close_reason` goes with a lost stage.
    """

    title: str
    lead: Lead | None
    amount: Decimal | str | None
    currency: str
    pipeline: Pipeline
    stage: Stage
    owner: User | None
    expected_close: date | None
    next_step: str
    next_step_on: date | None
    external_id: str
    close_reason: str
    custom: Mapping[str, object]


_WORDS = {
    "title": "title",
    "owner": "owner",
    "lead": "lead",
    "expected_close": "close date",
    "next_step": "next step",
    "external_id": "external id",
}
_RELATIONS = ["company", "lead", "organization", "pipeline", "stage", "owner"]


@transaction.atomic
def create_deal(
    company: Company,
    changes: DealChanges,
    actor: Actor,
    *,
    at: datetime | None = None,
    reported: bool = True,
    is_sample: bool = False,
) -> Deal:
    """Add a deal; with a lead it fires `deal_created`, in a won or lost stage also that.

    Without a stage it starts in the first open stage of its pipeline, without a pipeline in Sales.
    Raises ValidationError with a sentence for each wrong field.
    """
    at = at or timezone.now()
    target = changes.get("stage") or first_open_stage(changes.get("pipeline") or default_pipeline())
    # Every deal is born open: a deal created as won has a history of both steps, as one that was moved.
    start = target if target.kind == StageKind.OPEN else first_open_stage(target.pipeline)
    deal = Deal(company=company, pipeline=start.pipeline, stage=start, stage_since=at, occurred_at=at)
    deal.origin, deal.is_sample = actor.channel, is_sample
    deal.lead = changes.get("lead")
    deal.owner = (
        changes["owner"]
        if "owner" in changes
        else default_owner(company, actor, deal.lead.owner if deal.lead else None)
    )
    _set_fields(deal, changes)
    if changes.get("custom"):
        custom.set_values(deal, changes["custom"])
    _save(deal)
    _record_stage(deal, None, "", actor, at)
    timeline.record(deal, ActivityKind.CREATED, actor, at, new=deal.title)
    timeline.touch(deal.lead, at)
    if deal.lead:
        signals.deal_created.send(sender=Deal, fact=DealFact(deal, at, reported=reported))
    if target != start:
        deal = move_deal(
            deal, target, actor, reason=changes.get("close_reason", ""), at=at, reported=reported
        )
    return deal


@transaction.atomic
def update_deal(deal: Deal, changes: DealChanges, actor: Actor) -> Deal:
    """Change what `changes` names; a stage in it moves the deal. Raises ValidationError or Conflict."""
    deal = _locked(deal)
    now = timezone.now()
    before = _readable(deal)
    had_lead = deal.lead_id is not None
    if "lead" in changes:
        deal.lead = changes["lead"]
    _set_fields(deal, changes)
    customised = custom.set_values(deal, changes["custom"]) if changes.get("custom") else []
    _save(deal)
    custom.record_changes(deal, customised, actor, now)
    for field, new in _readable(deal).items():
        if before[field] != new:
            timeline.record(deal, ActivityKind.FIELD, actor, now, field=field, old=before[field], new=new)
    if deal.lead and not had_lead:
        # A deal without a lead fires nothing; its first lead fires it, with the deal's own time.
        signals.deal_created.send(sender=Deal, fact=DealFact(deal, deal.occurred_at))
    if "stage" in changes:
        return move_deal(deal, changes["stage"], actor, reason=changes.get("close_reason", ""))
    return deal


@transaction.atomic
def move_deal(
    deal: Deal,
    stage: Stage,
    actor: Actor,
    *,
    reason: str = "",
    at: datetime | None = None,
    reported: bool = True,
) -> Deal:
    """Put a deal into a stage; its status follows the stage's kind.

    Already there: nothing happens. From won straight to lost or back: Conflict, reopen it first. A lost stage
    needs a reason. Won and lost of a sales pipeline fire their event; leaving them fires `deal_reopened`.
    """
    deal = _locked(deal)
    if deal.stage_id == stage.pk:
        return deal
    _check_move(deal, stage, reason)
    at = at or timezone.now()
    previous = deal.stage
    occurrence = _entered(deal, stage.kind).count() + 1
    deal.stage, deal.pipeline, deal.status, deal.stage_since = stage, stage.pipeline, stage.kind, at
    if stage.kind != previous.kind:
        deal.won_at = at if stage.kind == StageKind.WON else None
        deal.lost_at = at if stage.kind == StageKind.LOST else None
        deal.close_reason = reason.strip() if stage.kind != StageKind.OPEN else ""
    deal.clean_fields(exclude=_RELATIONS)
    deal.save()
    _record_stage(deal, previous, previous.kind, actor, at)
    timeline.record(
        deal, ActivityKind.STAGE, actor, at, old=previous.name, new=stage.name, text=deal.close_reason
    )
    timeline.touch(deal.lead, at)
    _tell(deal, previous, DealFact(deal, at, occurrence, reported))
    return deal


def win_deal(deal: Deal, actor: Actor, *, at: datetime | None = None) -> Deal:
    """Close a deal as won, in the first won stage of its pipeline. Won already: nothing happens."""
    return _close(deal, StageKind.WON, actor, "", at)


def lose_deal(deal: Deal, reason: str, actor: Actor, *, at: datetime | None = None) -> Deal:
    """Close a deal as lost, for a reason. Lost already: nothing happens."""
    return _close(deal, StageKind.LOST, actor, reason, at)


@transaction.atomic
def reopen_deal(deal: Deal, actor: Actor) -> Deal:
    """Put a closed deal back into the open stage it came from. Open already: nothing happens."""
    deal = _locked(deal)
    if deal.status == StageKind.OPEN:
        return deal
    return move_deal(deal, _last_open_stage(deal), actor)


@transaction.atomic
def add_person(deal: Deal, lead: Lead, role: str, actor: Actor) -> DealPerson:
    """Link a further lead to the deal, with their part in the decision."""
    if deal.lead_id == lead.pk or DealPerson.objects.filter(deal=deal, lead=lead).exists():
        raise ValidationError({"lead": _("This person is on the deal already.")})
    person = DealPerson(
        company_id=deal.company_id, deal=deal, lead=lead, role=role.strip(), position=deal.people.count()
    )
    person.clean_fields(exclude=["company", "deal", "lead"])
    person.save()
    timeline.record(
        deal,
        ActivityKind.FIELD,
        actor,
        timezone.now(),
        field="people",
        new=f"{lead} ({role})" if role else str(lead),
    )
    return person


@transaction.atomic
def archive_deal(deal: Deal, actor: Actor) -> None:
    """Take a deal out of every list. Its history stays."""
    bulk.archive_deals(deal.company, [_locked(deal)], actor)


@transaction.atomic
def restore_deal(deal: Deal, actor: Actor) -> None:
    """Put an archived deal back into the lists."""
    bulk.restore_deals(deal.company, [_locked(deal)], actor)


def default_pipeline() -> Pipeline:
    """Sales, or the first pipeline of a company that renamed its keys away."""
    pipeline = Pipeline.objects.filter(key="sales").first() or Pipeline.objects.first()
    if pipeline is None:
        raise ValidationError({"pipeline": _("This company has no pipeline. Add one in Settings.")})
    return pipeline


def first_open_stage(pipeline: Pipeline) -> Stage:
    """Where deals of a pipeline start."""
    return _first_stage(pipeline, StageKind.OPEN)


def _first_stage(pipeline: Pipeline, kind: str) -> Stage:
    stage = Stage.objects.select_related("pipeline").filter(pipeline=pipeline, kind=kind).first()
    if stage is None:
        raise ValidationError(
            {
                "stage": _("The pipeline {name} has no {label} stage.").format(
                    name=pipeline.name, label=inside_a_sentence(StageKind(kind).label)
                )
            }
        )
    return stage


@transaction.atomic
def _close(deal: Deal, kind: StageKind, actor: Actor, reason: str, at: datetime | None) -> Deal:
    deal = _locked(deal)
    if deal.status == kind:
        return deal
    return move_deal(deal, _first_stage(deal.pipeline, kind), actor, reason=reason, at=at)


def _locked(deal: Deal) -> Deal:
    """The row as it is now, locked until the transaction ends (SQLite: the write lock is held already)."""
    return (
        Deal.objects.select_for_update(of=("self",))
        .select_related("company", "stage", "pipeline", "lead", "owner")
        .get(pk=deal.pk)
    )


def _check_move(deal: Deal, stage: Stage, reason: str) -> None:
    closed = {StageKind.WON, StageKind.LOST}
    if deal.status in closed and stage.kind in closed and deal.status != stage.kind:
        raise Conflict(
            _("This deal is {status}. Reopen it first.").format(
                status=inside_a_sentence(deal.get_status_display())
            ),
            code="closed",
        )
    if stage.kind == StageKind.LOST and deal.status != StageKind.LOST and not reason.strip():
        raise ValidationError({"reason": _("Say why the deal was lost.")}, code="required")


def _entered(deal: Deal, kind: str) -> QuerySet[DealStageChange]:
    """The changes by which the deal entered stages of that kind from another kind."""
    return DealStageChange.objects.filter(deal=deal, to_kind=kind).exclude(from_kind=kind)


def _tell(deal: Deal, previous: Stage, fact: DealFact) -> None:
    if previous.kind == deal.status:
        return
    if deal.status == StageKind.OPEN:
        signals.deal_reopened.send(sender=Deal, fact=fact)
    elif deal.pipeline.counts_as_sales:
        signal = signals.deal_won if deal.status == StageKind.WON else signals.deal_lost
        signal.send(sender=Deal, fact=fact)


def _last_open_stage(deal: Deal) -> Stage:
    change = (
        DealStageChange.objects.filter(deal=deal, to_kind=StageKind.OPEN, to_stage__pipeline=deal.pipeline)
        .select_related("to_stage__pipeline")
        .order_by("-at", "-id")
        .first()
    )
    return change.to_stage if change and change.to_stage else first_open_stage(deal.pipeline)


def _set_fields(deal: Deal, changes: DealChanges) -> None:
    for field in ("title", "next_step", "external_id"):
        if field in changes:
            setattr(deal, field, changes[field].strip())
    for field in ("expected_close", "next_step_on", "owner"):
        if field in changes:
            setattr(deal, field, changes[field])  # type: ignore[literal-required]
    if not deal.title:
        raise ValidationError({"title": _("Give the deal a title.")}, code="required")
    check_owner(deal.owner)
    if deal.lead and not deal.organization_id:
        deal.organization = deal.lead.organization
    _set_amount(deal, changes)


def _set_amount(deal: Deal, changes: DealChanges) -> None:
    if "currency" in changes:
        try:
            deal.currency = cleaning.currency(changes["currency"])
        except ValidationError as error:
            raise ValidationError({"currency": error.error_list}) from error
    amount = changes.get("amount", deal.amount)
    if amount not in (None, "") and not deal.currency:
        raise ValidationError({"currency": _("An amount needs a currency.")}, code="required")
    if "amount" in changes or "currency" in changes:
        try:
            deal.amount = cleaning.amount(amount, deal.currency)
        except ValidationError as error:
            raise ValidationError({"amount": error.error_list}) from error


def _save(deal: Deal) -> None:
    deal.clean_fields(exclude=_RELATIONS)
    try:
        with transaction.atomic():
            deal.save()
    except IntegrityError as error:
        if deal.external_id and "external_id" in str(error):
            raise ValidationError({"external_id": _("Another deal has this external id.")}) from error
        raise


def _record_stage(deal: Deal, previous: Stage | None, from_kind: str, actor: Actor, at: datetime) -> None:
    DealStageChange.objects.create(
        company_id=deal.company_id,
        deal=deal,
        from_stage=previous,
        to_stage=deal.stage,
        from_kind=from_kind,
        to_kind=deal.stage.kind,
        actor=actor.user,
        at=at,
    )
    automations.add_stage_tasks(deal, actor)


def _readable(deal: Deal) -> dict[str, str]:
    """What the timeline compares: every field in the words a reader sees."""
    shown = {words: str(getattr(deal, field) or "") for field, words in _WORDS.items()}
    shown["amount"] = f"{deal.amount.normalize():f} {deal.currency}" if deal.amount is not None else ""
    return shown
