"""Tasks: what somebody has to do, by when, and about whom."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy

if TYPE_CHECKING:
    from crm.models.person import User


class Priority(models.IntegerChoices):
    """How much it matters; sorted by its number."""

    HIGH = 1, gettext_lazy("High")
    NORMAL = 2, gettext_lazy("Normal")
    LOW = 3, gettext_lazy("Low")


class TaskQuerySet(TenantQuerySet["Task"]):
    """Tasks of the company whose scope is open. `now` is the wall clock of the company."""

    def current(self) -> TaskQuerySet:
        """Without those about records that were taken out of the lists."""
        return self.filter(Q(lead=None) | Q(lead__archived_at=None), Q(deal=None) | Q(deal__archived_at=None))

    def open(self) -> TaskQuerySet:
        return self.filter(done_at=None)

    def done(self) -> TaskQuerySet:
        return self.filter(done_at__isnull=False)

    def assigned_to(self, user: User | None) -> TaskQuerySet:
        return self.filter(Exists(TaskAssignee.objects.filter(task=OuterRef("pk"), user=user)))

    def concerning(self, user: User) -> TaskQuerySet:
        """Assigned to this person, or about a record of theirs."""
        mine = Exists(TaskAssignee.objects.filter(task=OuterRef("pk"), user=user))
        return self.filter(mine | Q(lead__owner=user) | Q(deal__owner=user))

    def overdue(self, now: dt.datetime) -> TaskQuerySet:
        return self.open().filter(is_overdue(now))

    def due_on(self, day: dt.date) -> TaskQuerySet:
        return self.filter(due_on=day)

    def soonest(self) -> TaskQuerySet:
        """The most overdue first; those of a day by the clock, then what matters more; no day comes last."""
        return self.order_by(
            F("due_on").asc(nulls_last=True), F("due_time").asc(nulls_last=True), "priority", "pk"
        )

    def of_a_day(self) -> TaskQuerySet:
        """Those of one day: open ones by the clock, then what is done."""
        return self.order_by(
            F("done_at").asc(nulls_first=True), F("due_time").asc(nulls_last=True), "priority", "pk"
        )

    def for_list(self) -> TaskQuerySet:
        """With everything a list row shows, in a fixed number of queries."""
        return self.select_related("lead", "deal", "done_by").prefetch_related(
            models.Prefetch("assignees", TaskAssignee.objects.select_related("user")),
            "subtasks",
            "lead__emails",
        )


def is_overdue(now: dt.datetime) -> Q:
    """What was due before `now`, in the company's time; a task without an hour has its whole day."""
    return Q(due_on__lt=now.date()) | Q(due_on=now.date(), due_time__lt=now.time())


class Task(TenantModel):
    """Something to do. `due_on` and `due_time` are read off the company's clock, whatever the time zone."""

    title = models.CharField(max_length=160)
    notes = models.TextField(max_length=20_000, blank=True)
    due_on = models.DateField(null=True, blank=True)
    due_time = models.TimeField(null=True, blank=True)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    lead = models.ForeignKey(
        "crm.Lead", on_delete=models.CASCADE, null=True, blank=True, related_name="tasks"
    )
    deal = models.ForeignKey(
        "crm.Deal", on_delete=models.CASCADE, null=True, blank=True, related_name="tasks"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    done_at = models.DateTimeField(null=True, blank=True, editable=False)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    is_sample = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[TaskQuerySet] = scoped(TaskQuerySet)

    class Meta:
        ordering = ("due_on", "due_time", "priority", "id")
        constraints = [
            models.CheckConstraint(condition=Q(lead=None) | Q(deal=None), name="task_about_one_record"),
            models.CheckConstraint(
                condition=Q(due_time=None) | Q(due_on__isnull=False), name="task_hour_has_its_day"
            ),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="task_priority_known"),
        ]
        indexes = [
            models.Index(
                fields=("company", "due_on", "due_time"), condition=Q(done_at=None), name="task_open_by_due"
            ),
            models.Index(
                fields=("company", "-done_at"), condition=Q(done_at__isnull=False), name="task_by_done"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_done(self) -> bool:
        return self.done_at is not None

    def is_late(self, now: dt.datetime) -> bool:
        """As `is_overdue`, for a task in hand."""
        if self.is_done or self.due_on is None:
            return False
        if self.due_on == now.date():
            return self.due_time is not None and self.due_time < now.time()
        return self.due_on < now.date()

    @property
    def people(self) -> list[User]:
        """Whose it is, in the order they were assigned."""
        return [row.user for row in self.assignees.all()]


class TaskAssignee(TenantModel):
    """Somebody who is to do a task."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignees")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[TenantQuerySet[TaskAssignee]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=("task", "user"), name="assignee_once_per_task")]

    def __str__(self) -> str:
        return str(self.user)


class SubTask(TenantModel):
    """A step of a task: words and a tick."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="subtasks")
    title = models.CharField(max_length=160)
    is_done = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[SubTask]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        verbose_name = "sub-task"

    def __str__(self) -> str:
        return self.title
