"""The only door for changes to tasks. What happens to a task is on the timeline of the record it is about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.actions import notifications, timeline
from crm.actions.owners import is_member
from crm.actor import Actor
from crm.models import Company, Deal, Lead, Priority, SubTask, Task, TaskAssignee, User
from crm.models.activity import ActivityKind

MOST_STEPS = 50
_EARLIEST, _LATEST = dt.date(1990, 1, 1), dt.date(2199, 12, 31)


@dataclass(frozen=True)
class Step:
    """A sub-task."""

    title: str
    is_done: bool = False


class TaskChanges(TypedDict, total=False):
    """What may be said of a task, at creation or later. A key that is absent is left as it is.

    `due_on` and `due_time` are of the company's clock. A task is about a lead or a deal, not both: naming one takes
    the other away. `assignees` and `subtasks` replace all there are.
    """

    title: str
    notes: str
    due_on: dt.date | None
    due_time: dt.time | None
    priority: int
    lead: Lead | None
    deal: Deal | None
    assignees: Sequence[User]
    subtasks: Sequence[Step]
    is_done: bool


_WORDS = {"title": "title", "due": "due date", "priority": "priority", "people": "people"}


@transaction.atomic
def create_task(company: Company, changes: TaskChanges, actor: Actor, *, is_sample: bool = False) -> Task:
    """Add a task. Where nobody is named it is for whoever adds it, else for the owner of the record.

    Raises ValidationError with a sentence for each wrong field.
    """
    task = Task(company=company, created_by=actor.user, is_sample=is_sample)
    _set_fields(task, changes)
    task.save()
    people = changes["assignees"] if "assignees" in changes else _default_people(task, actor)
    _replace_people(task, people, actor)
    _replace_steps(task, changes.get("subtasks", ()))
    _tell(task, "added", actor, timezone.now())
    if changes.get("is_done"):
        task = finish_task(task, actor)
    return task


@transaction.atomic
def update_task(task: Task, changes: TaskChanges, actor: Actor) -> Task:
    """Change what `changes` names. Raises ValidationError per field."""
    task = _locked(task)
    before = _readable(task)
    _set_fields(task, changes)
    task.save()
    if "assignees" in changes:
        _replace_people(task, changes["assignees"], actor)
    if "subtasks" in changes:
        _replace_steps(task, changes["subtasks"])
    after = _readable(task)
    changed = [words for field, words in _WORDS.items() if before[field] != after[field]]
    if changed:
        _tell(task, "changed", actor, timezone.now(), old=", ".join(changed))
    if "is_done" in changes:
        task = finish_task(task, actor) if changes["is_done"] else reopen_task(task, actor)
    return task


@transaction.atomic
def finish_task(task: Task, actor: Actor) -> Task:
    """Tick a task off. Done already: nothing happens. A finished task is a touch of its lead."""
    task = _locked(task)
    if task.is_done:
        return task
    task.done_at, task.done_by = timezone.now(), actor.user
    task.save(update_fields=["done_at", "done_by", "updated_at"])
    _tell(task, "finished", actor, task.done_at)
    timeline.touch(task.deal.lead if task.deal else task.lead, task.done_at)
    return task


@transaction.atomic
def reopen_task(task: Task, actor: Actor) -> Task:
    """Put a finished task back. Open already: nothing happens."""
    task = _locked(task)
    if not task.is_done:
        return task
    task.done_at = task.done_by = None
    task.save(update_fields=["done_at", "done_by", "updated_at"])
    _tell(task, "reopened", actor, timezone.now())
    return task


@transaction.atomic
def delete_task(task: Task, actor: Actor) -> None:
    """Take a task away for good. That there was one stays on the timeline of its record."""
    task = _locked(task)
    _tell(task, "deleted", actor, timezone.now())
    task.delete()


@transaction.atomic
def add_step(task: Task, title: str) -> SubTask:
    """Add a sub-task at the end."""
    task = _locked(task)
    steps = list(task.subtasks.all())
    _check_number(len(steps) + 1)
    step = _step(task, Step(title), position=max((step.position for step in steps), default=-1) + 1)
    step.save()
    return step


def tick_step(step: SubTask, *, is_done: bool) -> None:
    """Tick a sub-task off, or put it back."""
    step.is_done = is_done
    step.save(update_fields=["is_done"])


def remove_step(step: SubTask) -> None:
    """Take a sub-task away."""
    step.delete()


def _locked(task: Task) -> Task:
    """The row as it is now, locked until the transaction ends (SQLite: the write lock is held already)."""
    return (
        Task.objects.select_for_update(of=("self",))
        .select_related("company", "lead", "deal__lead")
        .get(pk=task.pk)
    )


def _set_fields(task: Task, changes: TaskChanges) -> None:
    for field in ("title", "notes"):
        if field in changes:
            setattr(task, field, changes[field].strip())
    for field in ("due_on", "due_time", "priority"):
        if field in changes:
            setattr(task, field, changes[field])  # type: ignore[literal-required]
    _set_record(task, changes)
    if not task.title:
        raise ValidationError({"title": _("Say what is to be done.")}, code="required")
    _check_due(task, changes)
    if task.priority not in Priority.values:
        raise ValidationError({"priority": _("Choose high, normal or low.")})
    task.clean_fields(exclude=["company", "lead", "deal", "created_by", "done_by"])


def _check_due(task: Task, changes: TaskChanges) -> None:
    if task.due_on is None and "due_time" not in changes:
        task.due_time = None
    if task.due_time is not None and task.due_on is None:
        raise ValidationError({"due_on": _("A time needs a day.")}, code="required")
    if task.due_on is not None and not _EARLIEST <= task.due_on <= _LATEST:
        raise ValidationError({"due_on": _("Enter a day between 1990 and 2199.")})
    if task.due_time is not None:
        task.due_time = task.due_time.replace(second=0, microsecond=0)


def _set_record(task: Task, changes: TaskChanges) -> None:
    lead, deal = changes.get("lead"), changes.get("deal")
    if lead and deal:
        raise ValidationError({"deal": _("A task is about a lead or a deal, not about both.")})
    if "lead" in changes:
        task.lead = lead
        task.deal = None if lead else task.deal
    if "deal" in changes:
        task.deal = deal
        task.lead = None if deal else task.lead


def _default_people(task: Task, actor: Actor) -> list[User]:
    if actor.user is not None and is_member(actor.user):
        return [actor.user]
    owner = (task.deal or task.lead).owner if task.deal or task.lead else None  # type: ignore[union-attr]
    return [owner] if owner is not None and is_member(owner) else []


def _replace_people(task: Task, wanted: Sequence[User], actor: Actor) -> None:
    """Who was assigned already may have left meanwhile; who is new must be a member."""
    before = {row.user_id: row for row in task.assignees.all()}
    new = [user for user in dict.fromkeys(wanted) if user.pk not in before]
    if not all(is_member(user) for user in new):
        raise ValidationError({"assignees": _("Choose active members of this company.")})
    kept = {user.pk for user in wanted}
    TaskAssignee.objects.filter(task=task).exclude(user__in=kept).delete()
    TaskAssignee.objects.bulk_create(
        [TaskAssignee(company_id=task.company_id, task=task, user=user) for user in new]
    )
    notifications.task_assigned(task, new, actor)


def _replace_steps(task: Task, wanted: Sequence[Step]) -> None:
    _check_number(len(wanted))
    rows = [_step(task, step, position) for position, step in enumerate(wanted)]
    SubTask.objects.filter(task=task).delete()
    SubTask.objects.bulk_create(rows)


def _step(task: Task, step: Step, position: int) -> SubTask:
    row = SubTask(
        company_id=task.company_id,
        task=task,
        title=step.title.strip(),
        is_done=step.is_done,
        position=position,
    )
    if not row.title:
        raise ValidationError({"subtasks": _("Say what the step is.")}, code="required")
    try:
        row.clean_fields(exclude=["company", "task"])
    except ValidationError as error:
        raise ValidationError({"subtasks": error.messages}) from error
    return row


def _check_number(steps: int) -> None:
    if steps > MOST_STEPS:
        raise ValidationError(
            {"subtasks": _("A task has at most {most_steps} steps.").format(most_steps=MOST_STEPS)}
        )


def _tell(task: Task, what: str, actor: Actor, at: dt.datetime, *, old: str = "") -> None:
    """A line on the record's timeline; a task about no record has none."""
    subject = task.deal or task.lead
    if subject is not None:
        timeline.record(subject, ActivityKind.TASK, actor, at, field=what, old=old, new=task.title)


def _readable(task: Task) -> dict[str, object]:
    """What the timeline compares."""
    people = TaskAssignee.objects.filter(task=task).order_by("user_id").values_list("user_id", flat=True)
    return {
        "title": task.title,
        "due": (task.due_on, task.due_time),
        "priority": task.priority,
        "people": list(people),
    }
