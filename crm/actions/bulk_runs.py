"""Runs of one change over many records: chosen once, then done in chunks, each in a transaction of its own.

The rows are the queue. A chunk changes its records and marks its rows together, so a run that was killed goes on where
it was, and no record is changed twice. Who asked is looked at anew in each chunk: whoever may no longer do it stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from crm.access import Ability, Principal, principal_in
from crm.actions import bulk
from crm.actions.deals import move_deal
from crm.actor import Actor
from crm.display import number
from crm.errors import Conflict
from crm.models import (
    BulkRow,
    BulkRun,
    BulkState,
    BulkVerb,
    Company,
    Deal,
    Lead,
    LeadStatus,
    RowOutcome,
    Stage,
    StageKind,
    Tag,
    User,
)
from crm.signals import together
from crm.tenancy import company_scope, every_company
from crm.texts import as_stored

CHUNK = 500
AT_ONCE = 1000
"""So many rows are done while the person waits; more are left to a worker."""
MOST_ROWS = 100_000
TURN_SECONDS = 40
KEPT = timedelta(days=30)
_LEASE = timedelta(seconds=90)
_IS_SO = gettext_noop("It was so already.")
_IS_GONE = gettext_noop("It is gone, or is not yours any more.")


@dataclass(frozen=True)
class Change:
    """What is asked for. `target` is a status key, a stage's or user's id ("" for nobody), or the name of a tag."""

    verb: BulkVerb
    target: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """How far a run is."""

    waiting: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def done(self) -> int:
        return self.changed + self.unchanged + self.refused


@dataclass(frozen=True)
class _Done:
    """What became of a chunk: the ids that were changed, and a sentence for each that was refused."""

    changed: frozenset[UUID]
    refused: dict[UUID, str]


Do = Callable[[Principal, Sequence[UUID], Actor], _Done]


def start_run(
    principal: Principal,
    noun: str,
    change: Change,
    records: models.QuerySet[Any],
    *,
    asked: int | None = None,
) -> BulkRun:
    """Choose the rows and do the change, or leave it to a worker where there are many.

    `records` are of what the principal may see; `asked` is how many ids were named. Raises ValidationError for a
    change that makes no sense, and PermissionError for one that this person may not make.
    """
    _said_of, said = _prepared(principal, noun, change)
    pks = list(records.order_by("pk").values_list("pk", flat=True)[: MOST_ROWS + 1])
    if len(pks) > MOST_ROWS:
        raise ValidationError(
            _("Change at most {most} at once: narrow the filter.").format(most=number(MOST_ROWS))
        )
    if not pks:
        raise ValidationError(_("Select {noun}s first.").format(noun=_(noun)))
    with transaction.atomic():
        BulkRun.objects.filter(user=principal.user, created_at__lt=timezone.now() - KEPT).delete()
        run = BulkRun(
            company=principal.company,
            user=principal.user,
            noun=noun,
            verb=change.verb,
            target=change.target,
            reason=change.reason,
            said=said[:200],
            total=len(pks),
            not_found=max((asked or 0) - len(pks), 0),
        )
        run.clean_fields(exclude=["company", "user"])
        run.save()
        BulkRow.objects.bulk_create(
            [BulkRow(company=principal.company, run=run, **{f"{noun}_id": pk}) for pk in pks],
            batch_size=CHUNK,
        )
    if run.total <= AT_ONCE:
        work(run)
    return run


def said_of(principal: Principal, noun: str, change: Change) -> str:
    """What is done, as words. Raises as `start_run` does."""
    return _prepared(principal, noun, change)[1]


def needs_reason(change: Change) -> bool:
    """Whether it loses deals, which nobody does without saying why."""
    stage = _stage(change.target) if change.verb == BulkVerb.STAGE else None
    return stage is not None and stage.kind == StageKind.LOST


def undo_run(principal: Principal, run: BulkRun) -> BulkRun:
    """Put back what a run has archived; the rows it changed, no others."""
    if run.verb != BulkVerb.ARCHIVE:
        raise ValidationError(_("Only archiving can be undone."))
    found: Any = principal.leads_ever() if run.noun == "lead" else principal.deals_ever()
    rows = run.rows.filter(outcome=RowOutcome.CHANGED).values(f"{run.noun}_id")
    return start_run(principal, run.noun, Change(BulkVerb.RESTORE), found.archived().filter(pk__in=rows))


def stop_run(run: BulkRun) -> None:
    """What is done stays done; the rest is left as it was."""
    BulkRun.objects.running().filter(pk=run.pk).update(state=BulkState.STOPPED, finished_at=timezone.now())


def counts_of(run: BulkRun) -> Counts:
    """The outcomes of its rows, in one query."""
    rows = BulkRow.objects.filter(run=run).order_by()
    return Counts(**dict(rows.values_list("outcome").annotate(count=Count("pk"))))


def work_everywhere() -> None:
    """Go on with every run that nobody is at. Doing it twice is harmless."""
    with every_company():
        waiting = BulkRun.objects.running().filter(_is_free()).values("company")
        companies = list(Company.objects.filter(pk__in=waiting))
    for company in companies:
        with company_scope(company):
            for run in BulkRun.objects.running().filter(_is_free()).order_by("id"):
                work(run, seconds=TURN_SECONDS)


def _is_free() -> Q:
    return Q(leased_until=None) | Q(leased_until__lt=timezone.now())


def work(run: BulkRun, *, seconds: float | None = None) -> None:
    """Do a run's chunks until none is left, or the time is up."""
    until = None if seconds is None else monotonic() + seconds
    free = BulkRun.objects.running().filter(_is_free(), pk=run.pk)
    if not free.update(leased_until=timezone.now() + _LEASE):
        return
    while _next_chunk(run):
        if until is not None and monotonic() > until:
            break
        BulkRun.objects.filter(pk=run.pk).update(leased_until=timezone.now() + _LEASE)
    BulkRun.objects.filter(pk=run.pk).update(leased_until=None)
    run.refresh_from_db()


@transaction.atomic
def _next_chunk(run: BulkRun) -> bool:
    """Do the next rows; False when none is left."""
    # Locked, so that stopping waits for the chunk, and no other worker takes the same rows.
    if not BulkRun.objects.running().select_for_update().filter(pk=run.pk).exists():
        return False
    rows = list(
        BulkRow.objects.filter(run=run, outcome=RowOutcome.WAITING)
        .order_by("id")
        .values_list(f"{run.noun}_id", flat=True)[:CHUNK]
    )
    if not rows:
        BulkRun.objects.filter(pk=run.pk).update(state=BulkState.DONE, finished_at=timezone.now())
        return False
    with as_stored():
        _mark(run, rows, _done(run, rows))
    return True


def _done(run: BulkRun, pks: Sequence[UUID]) -> _Done:
    """Do the change to these records, as whoever asked for it."""
    principal = principal_in(run.company, run.user)
    if principal is None:
        return _Done(
            frozenset(), dict.fromkeys(pks, gettext_noop("Whoever asked for it is no member any more."))
        )
    try:
        do, _said = _prepared(principal, run.noun, Change(BulkVerb(run.verb), run.target, run.reason))
    except (ValidationError, PermissionError) as refusal:
        sentence = " ".join(refusal.messages) if isinstance(refusal, ValidationError) else str(refusal)
        return _Done(frozenset(), dict.fromkeys(pks, sentence[:300]))
    with together():
        return do(principal, pks, principal.actor("web"))


def _mark(run: BulkRun, pks: Sequence[UUID], done: _Done) -> None:
    rows = BulkRow.objects.filter(run=run)
    by_why: dict[str, list[UUID]] = {}
    for pk, why in done.refused.items():
        by_why.setdefault(why, []).append(pk)
    for why, refused in by_why.items():
        rows.filter(**{f"{run.noun}__in": refused}).update(outcome=RowOutcome.REFUSED, why=why)
    rows.filter(**{f"{run.noun}__in": done.changed}).update(outcome=RowOutcome.CHANGED)
    same = set(pks) - done.changed - set(done.refused)
    rows.filter(**{f"{run.noun}__in": same}).update(outcome=RowOutcome.UNCHANGED, why=_IS_SO)


# ── What can be done ───────────────────────────────────────────────────────────────────────────────────


def _prepared(principal: Principal, noun: str, change: Change) -> tuple[Do, str]:
    """How a chunk is done, and what is said of it. Raises ValidationError or PermissionError."""
    prepare = _VERBS.get((noun, change.verb))
    if prepare is None:
        raise ValidationError(_("This cannot be done to {noun}s.").format(noun=_(noun)))
    return prepare(principal, change)


def _given_to(owner: User | None) -> str:
    return f"Given to {owner or 'nobody'}"


def _assign_leads(principal: Principal, change: Change) -> tuple[Do, str]:
    owner = _owner(principal, change)
    return _to_leads(lambda leads, actor: bulk.assign_leads(leads, owner, actor)), _given_to(owner)


def _assign_deals(principal: Principal, change: Change) -> tuple[Do, str]:
    owner = _owner(principal, change)
    return _to_deals(lambda deals, actor: bulk.assign_deals(deals, owner, actor)), _given_to(owner)


def _owner(principal: Principal, change: Change) -> User | None:
    owner = None
    if change.target:
        owner = next((user for user in principal.assignees() if str(user.pk) == change.target), None)
        if owner is None:
            raise ValidationError(_("Choose an active member of this company."))
    if not principal.may_assign(owner):
        raise PermissionError(_("You work on your own records. Ask a manager to hand them over."))
    return owner


def _set_status(principal: Principal, change: Change) -> tuple[Do, str]:
    status = LeadStatus.objects.filter(key=change.target).first()
    if status is None:
        raise ValidationError(_("Choose a status that this company has."))
    do = _to_leads(lambda leads, actor: bulk.change_statuses(leads, status, actor))
    return do, f"Set to {status}"


def _tag(principal: Principal, change: Change) -> tuple[Do, str]:
    company, name = principal.company, change.target
    tag = bulk.named_tag(company, name)  # made with the first rows: whoever is only asked may still say no
    do = _to_leads(lambda leads, actor: bulk.tag_leads(leads, bulk.find_tag(company, name), actor))
    return do, f"Tagged {tag}"


def _untag(principal: Principal, change: Change) -> tuple[Do, str]:
    tag = Tag.objects.filter(name_key=" ".join(change.target.split()).lower()).first()
    if tag is None:
        raise ValidationError(_("This company has no tag of that name."))
    return _to_leads(lambda leads, actor: bulk.untag_leads(leads, tag, actor)), f"Tag {tag} taken off"


def _archive_leads(principal: Principal, change: Change) -> tuple[Do, str]:
    _check_may_delete(principal)
    company = principal.company
    return _to_leads(lambda leads, actor: bulk.archive_leads(company, leads, actor)), "Archived"


def _restore_leads(principal: Principal, change: Change) -> tuple[Do, str]:
    _check_may_delete(principal)
    company = principal.company
    return (
        _to_leads(lambda leads, actor: bulk.restore_leads(company, leads, actor), archived=True),
        "Restored",
    )


def _archive_deals(principal: Principal, change: Change) -> tuple[Do, str]:
    _check_may_delete(principal)
    company = principal.company
    return _to_deals(lambda deals, actor: bulk.archive_deals(company, deals, actor)), "Archived"


def _restore_deals(principal: Principal, change: Change) -> tuple[Do, str]:
    _check_may_delete(principal)
    company = principal.company
    return (
        _to_deals(lambda deals, actor: bulk.restore_deals(company, deals, actor), archived=True),
        "Restored",
    )


def _check_may_delete(principal: Principal) -> None:
    if not principal.can(Ability.DELETE):
        raise PermissionError(_("Your role does not allow you to archive records. Ask a manager."))


def _move_deals(principal: Principal, change: Change) -> tuple[Do, str]:
    stage = _stage(change.target)
    if stage is None:
        raise ValidationError(_("Choose a stage that this company has."))
    if stage.kind == StageKind.LOST and not change.reason.strip():
        raise ValidationError({"reason": _("Say why the deals were lost.")})

    def do(principal: Principal, pks: Sequence[UUID], actor: Actor) -> _Done:
        deals = {deal.pk: deal for deal in _deals(principal, pks)}
        refused = {pk: _IS_GONE for pk in pks if pk not in deals}
        changed = set()
        for pk, deal in deals.items():
            if deal.stage_id == stage.pk:
                continue
            try:
                with transaction.atomic():
                    move_deal(deal, stage, actor, reason=change.reason)
            except (ValidationError, Conflict) as refusal:
                refused[pk] = refusal.message if isinstance(refusal, Conflict) else " ".join(refusal.messages)
            else:
                changed.add(pk)
        return _Done(frozenset(changed), refused)

    return do, f"Moved to {stage}"


def _stage(pk: str) -> Stage | None:
    return next((each for each in Stage.objects.select_related("pipeline") if str(each.pk) == pk), None)


def _to_leads(act: Callable[[Sequence[Lead], Actor], Sequence[Lead]], *, archived: bool = False) -> Do:
    def do(principal: Principal, pks: Sequence[UUID], actor: Actor) -> _Done:
        found = principal.leads_ever().archived() if archived else principal.leads()
        locked = found.filter(pk__in=pks)
        leads = list(locked.select_for_update(of=("self",)).select_related("status", "owner").order_by("pk"))
        for lead in leads:
            lead.company = principal.company  # known, so it is not read for each
        return _outcome(pks, leads, act(leads, actor))

    return do


def _to_deals(act: Callable[[Sequence[Deal], Actor], Sequence[Deal]], *, archived: bool = False) -> Do:
    def do(principal: Principal, pks: Sequence[UUID], actor: Actor) -> _Done:
        deals = _deals(principal, pks, archived=archived)
        return _outcome(pks, deals, act(deals, actor))

    return do


def _deals(principal: Principal, pks: Sequence[UUID], *, archived: bool = False) -> list[Deal]:
    found = principal.deals_ever().archived() if archived else principal.deals()
    locked = (
        found.filter(pk__in=pks)
        .select_for_update(of=("self",))
        .select_related("owner", "lead")
        .order_by("pk")
    )
    return list(locked)


def _outcome(pks: Sequence[UUID], found: Sequence[Any], changed: Sequence[Any]) -> _Done:
    there = {record.pk for record in found}
    gone = {pk: _IS_GONE for pk in pks if pk not in there}
    return _Done(frozenset(record.pk for record in changed), gone)


_VERBS: dict[tuple[str, str], Callable[[Principal, Change], tuple[Do, str]]] = {
    ("lead", BulkVerb.ASSIGN): _assign_leads,
    ("lead", BulkVerb.STATUS): _set_status,
    ("lead", BulkVerb.TAG): _tag,
    ("lead", BulkVerb.UNTAG): _untag,
    ("lead", BulkVerb.ARCHIVE): _archive_leads,
    ("lead", BulkVerb.RESTORE): _restore_leads,
    ("deal", BulkVerb.ASSIGN): _assign_deals,
    ("deal", BulkVerb.STAGE): _move_deals,
    ("deal", BulkVerb.ARCHIVE): _archive_deals,
    ("deal", BulkVerb.RESTORE): _restore_deals,
}
