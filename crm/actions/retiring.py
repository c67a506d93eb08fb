"""Deletes a company's words. What used one goes elsewhere first, with its history; no lead or deal is ever deleted.

Each chunk of leads or deals moves in a transaction of its own, so that a status with 100,000 leads holds nobody up.
Whatever ends it in between leaves every lead whole and the word in place; deleting it again goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, signals
from crm.actions.vocabulary import Word, check_kind_stays, check_open_status_stays, lock_words
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import (
    Activity,
    Company,
    Deal,
    DealStageChange,
    Lead,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    LeadType,
    Pipeline,
    Stage,
    StageKind,
    StatusCategory,
    Tag,
)
from crm.models.activity import ActivityKind
from crm.signals import LeadFact
from crm.texts import inside_a_sentence

CHUNK: Final = 500
_SHOWN: Final = 300  # of a name, on a timeline


def delete_status(status: LeadStatus, to: LeadStatus | None, actor: Actor) -> int:
    """Delete a status after its leads went `to` another one, and say how many did.

    They move as by hand: the first qualified status in a lead's life is reported. Their last touch stays, for nobody
    touched them. Raises ValidationError if it is the default or the last open one, or if leads have nowhere to go.
    """
    _check_may_go(status)
    if to is None or to.pk == status.pk:
        return _retire(
            status, None, actor, partial(_refuse_while, Lead.objects.filter(status=status), "leads")
        )
    return _retire(status, to, actor, partial(_move_leads, status, to, actor))


def delete_type(lead_type: LeadType, to: LeadType | None, actor: Actor) -> int:
    """Delete a type; its leads get another one, or none. Says how many had it."""
    return _retire(lead_type, to, actor, partial(_retype_leads, lead_type, to, actor))


def delete_tag(tag: Tag, to: Tag | None, actor: Actor) -> int:
    """Delete a tag; its leads get another one, or none. Says how many had it."""
    return _retire(tag, to, actor, partial(_retag_leads, tag, to, actor))


def delete_stage(stage: Stage, to: Stage | None, actor: Actor) -> int:
    """Delete a stage after its deals went `to` another one of the same pipeline and kind, and say how many did.

    The kind must be the same, so that no deal is won, lost or reopened by it and LinkedIn is told nothing.
    """
    _check_may_go(stage)
    if to is None or to.pk == stage.pk:
        return _retire(stage, None, actor, partial(_refuse_while, Deal.objects.filter(stage=stage), "deals"))
    if to.pipeline_id != stage.pipeline_id or to.kind != stage.kind:
        kind = inside_a_sentence(StageKind(stage.kind).label)
        raise ValidationError(
            {"to": _("Choose another {kind} stage of the same pipeline.").format(kind=kind)}
        )
    return _retire(stage, to, actor, partial(_move_deals, stage, to, actor))


def delete_pipeline(pipeline: Pipeline, to: Pipeline | None, actor: Actor) -> int:
    """Delete a pipeline with its stages after its deals went `to` another one, and say how many did.

    Each goes to the stage with the same key, else to the first of its kind. LinkedIn is told nothing.
    """
    _check_may_go(pipeline)
    if to is None or to.pk == pipeline.pk:
        deals = Deal.objects.filter(pipeline=pipeline)
        return _retire(pipeline, None, actor, partial(_refuse_while, deals, "deals"))
    moves = [
        partial(_move_deals, stage, target, actor) for stage, target in stages_beside(pipeline, to).items()
    ]
    return _retire(pipeline, to, actor, lambda: sum(move() for move in moves))


def stages_beside(pipeline: Pipeline, to: Pipeline) -> Mapping[Stage, Stage]:
    """For each stage of a pipeline the one of another that its deals would go to."""
    targets = list(Stage.objects.filter(pipeline=to).select_related("pipeline"))
    by_key = {(target.kind, target.key): target for target in targets}
    first = {target.kind: target for target in reversed(targets)}
    stages = Stage.objects.filter(pipeline=pipeline).select_related("pipeline")
    found = {stage: by_key.get((stage.kind, stage.key)) or first.get(stage.kind) for stage in stages}
    missing = next((stage.kind for stage, target in found.items() if target is None), None)
    if missing:
        raise ValidationError(
            {
                "to": _("{to} has no {label} stage. Choose another.").format(
                    to=to, label=inside_a_sentence(StageKind(missing).label)
                )
            }
        )
    return {stage: target for stage, target in found.items() if target}


# ── The road of all of them ────────────────────────────────────────────────────────────────────────────


def _retire(word: Word, to: Word | None, actor: Actor, move_some: Callable[[], int]) -> int:
    """Move chunk by chunk until nothing is left, then delete the word."""
    _announce(word, to)
    total = 0
    for _time in range(3):  # somebody may give the word to a lead just before it goes
        while moved := move_some():
            total += moved
        try:
            _delete(word, to, total, actor)
        except (ProtectedError, IntegrityError):
            continue
        return total
    raise Conflict(
        _("{word} is in use by others at this moment. Try again.").format(word=word), code="in_use"
    )


@transaction.atomic
def _announce(word: Word, to: Word | None) -> None:
    """Ask first, move after: whoever refuses does so before anything has moved."""
    lock_words(word.company)
    signals.word_leaving.send(sender=type(word), word=word, to=to)


@transaction.atomic
def _delete(word: Word, to: Word | None, moved: int, actor: Actor) -> None:
    lock_words(word.company)
    _check_may_go(word)
    changes: dict[str, tuple[object, object]] = {"count": (None, moved), "to": (None, to)}
    audit.record(actor, "word_deleted", word, company=word.company, changes=changes)
    if isinstance(word, Pipeline):
        Stage.objects.filter(pipeline=word).delete()
    type(word)._default_manager.filter(pk=word.pk).delete()


def _check_may_go(word: Word) -> None:
    """Raise ValidationError for a word that the company cannot do without."""
    if isinstance(word, LeadStatus):
        if Company.objects.filter(pk=word.company_id, default_status=word).exists():
            raise ValidationError(
                _("New leads start as {word}. Make another status the default first.").format(word=word)
            )
        check_open_status_stays(word)
    if isinstance(word, Stage):
        check_kind_stays(word)
    if isinstance(word, Pipeline) and not Pipeline.objects.exclude(pk=word.pk).exists():
        raise ValidationError(_("This is the last pipeline. Add another one first."))


def _refuse_while(used: Any, noun: str) -> int:
    if used.exists():
        raise ValidationError({"to": _("Say where its {noun} go.").format(noun=noun)})
    return 0


# ── What moves ─────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def _move_leads(status: LeadStatus, to: LeadStatus, actor: Actor) -> int:
    leads = _some(Lead.objects.filter(status=status))
    now = timezone.now()
    is_qualified = to.category == StatusCategory.QUALIFIED
    first_time = [lead for lead in leads if is_qualified and lead.qualified_at is None]
    ids = [lead.pk for lead in leads]
    Lead.objects.filter(pk__in=ids).update(status=to, status_since=now, updated_at=now)
    Lead.objects.filter(pk__in=[lead.pk for lead in first_time]).update(qualified_at=now)
    LeadStatusChange.objects.bulk_create(
        LeadStatusChange(
            company_id=status.company_id,
            lead_id=pk,
            from_status=status,
            to_status=to,
            to_category=to.category,
            actor=actor.user,
            at=now,
        )
        for pk in ids
    )
    _tell_timelines(status, to, ActivityKind.STATUS, "", actor, now, [(pk, None) for pk in ids])
    for lead in first_time:
        lead.status, lead.status_since, lead.qualified_at = to, now, now
        signals.lead_qualified.send(sender=Lead, fact=LeadFact(lead, now))
    return len(ids)


@transaction.atomic
def _retype_leads(lead_type: LeadType, to: LeadType | None, actor: Actor) -> int:
    ids = [lead.pk for lead in _some(Lead.objects.filter(lead_type=lead_type))]
    now = timezone.now()
    Lead.objects.filter(pk__in=ids).update(lead_type=to, updated_at=now)
    _tell_timelines(lead_type, to, ActivityKind.FIELD, "type", actor, now, [(pk, None) for pk in ids])
    return len(ids)


@transaction.atomic
def _retag_leads(tag: Tag, to: Tag | None, actor: Actor) -> int:
    rows = list(LeadTag.objects.select_for_update().filter(tag=tag).order_by("pk")[:CHUNK])
    ids = [row.lead_id for row in rows]
    now = timezone.now()
    LeadTag.objects.filter(pk__in=[row.pk for row in rows]).delete()
    if to:
        labels = [LeadTag(company_id=tag.company_id, lead_id=pk, tag=to) for pk in ids]
        LeadTag.objects.bulk_create(labels, ignore_conflicts=True)
    Lead.objects.filter(pk__in=ids).update(updated_at=now)
    _tell_timelines(tag, to, ActivityKind.FIELD, "tags", actor, now, [(pk, None) for pk in ids])
    return len(ids)


@transaction.atomic
def _move_deals(stage: Stage, to: Stage, actor: Actor) -> int:
    deals = _some(Deal.objects.filter(stage=stage))
    now = timezone.now()
    ids = [deal.pk for deal in deals]
    Deal.objects.filter(pk__in=ids).update(stage=to, pipeline=to.pipeline, stage_since=now, updated_at=now)
    DealStageChange.objects.bulk_create(
        DealStageChange(
            company_id=stage.company_id,
            deal_id=pk,
            from_stage=stage,
            to_stage=to,
            from_kind=stage.kind,
            to_kind=to.kind,
            actor=actor.user,
            at=now,
        )
        for pk in ids
    )
    about = [(deal.lead_id, deal.pk) for deal in deals]
    _tell_timelines(stage, to, ActivityKind.STAGE, "", actor, now, about)
    return len(ids)


def _some(rows: Any) -> list[Any]:
    """The next chunk, locked until the transaction ends."""
    return list(rows.select_for_update(of=("self",)).order_by("pk")[:CHUNK])


def _tell_timelines(
    old: Word,
    new: Word | None,
    kind: ActivityKind,
    field: str,
    actor: Actor,
    at: datetime,
    about: Sequence[tuple[UUID | None, UUID | None]],
) -> None:
    """A line for each; `about` names lead and deal."""
    Activity.objects.bulk_create(
        Activity(
            company_id=old.company_id,
            lead_id=lead,
            deal_id=deal,
            kind=kind,
            actor=actor.user,
            actor_label=actor.label,
            field=field,
            old=old.name[:_SHOWN],
            new=new.name[:_SHOWN] if new else "",
            at=at,
        )
        for lead, deal in about
    )
