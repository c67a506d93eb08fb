"""`tasks/`: what is to be done."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from crm.actions import tasks as actions
from crm.actions.tasks import MOST_STEPS, Step, TaskChanges
from crm.api import filters
from crm.api.base import SEARCHABLE, CompanyViewSet
from crm.api.fields import Day, Member, Moment, Record, StrictSerializer, Text, TrueFalse, optional_text
from crm.models import Priority, Task, TaskAssignee, TaskQuerySet

MOST_PEOPLE = 50
WORDS = {Priority.HIGH: "high", Priority.NORMAL: "normal", Priority.LOW: "low"}
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


@extend_schema_field({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$", "examples": ["15:30"]})
class Clock(serializers.Field[Any, Any, Any, Any]):
    """An hour of the company's clock, 15:30."""

    default_error_messages = {"invalid": "Send the hour as text, such as 15:30."}

    def to_internal_value(self, data: Any) -> dt.time:
        if not isinstance(data, str) or not _CLOCK.fullmatch(data):
            self.fail("invalid")
        return dt.time.fromisoformat(data)

    def to_representation(self, value: dt.time) -> str:
        return f"{value:%H:%M}"


@extend_schema_field({"type": "string", "enum": list(WORDS.values())})
class PriorityWord(serializers.Field[Any, Any, Any, Any]):
    """high, normal or low."""

    default_error_messages = {"invalid": "Choose high, normal or low."}

    def to_internal_value(self, data: Any) -> int:
        found = next((number for number, word in WORDS.items() if word == data), None)
        if found is None:
            self.fail("invalid")
        return int(cast("int", found))

    def to_representation(self, value: int) -> str:
        return WORDS[Priority(value)]


class People(serializers.ListField):
    """Members by e-mail."""

    child = Member()

    def get_attribute(self, instance: Task) -> Any:
        return instance.people


class StepSerializer(StrictSerializer):
    """A sub-task."""

    title = Text(max_length=160)
    done = TrueFalse(required=False, source="is_done")


class TaskSerializer(StrictSerializer):
    """Something to do, about a lead or a deal or neither. `due_on` and `due_time` are of the company's clock.

    PUT and PATCH alike change what is named and leave the rest as it is; `assignees` and `subtasks` replace all.
    """

    id = serializers.UUIDField(read_only=True)
    title = Text(max_length=160)
    notes = optional_text(20_000)
    due_on = Day(required=False, allow_null=True)
    due_time = Clock(required=False, allow_null=True)
    priority = PriorityWord(required=False)
    lead = Record("lead", "leads", required=False, allow_null=True)
    deal = Record("deal", "deals", required=False, allow_null=True)
    assignees = People(required=False, max_length=MOST_PEOPLE)
    subtasks = StepSerializer(many=True, required=False, max_length=MOST_STEPS)  # type: ignore[call-arg]
    done = TrueFalse(required=False, source="is_done")
    done_at = Moment(read_only=True, allow_null=True)
    done_by = serializers.EmailField(read_only=True, allow_null=True, source="done_by.email", default=None)
    overdue = serializers.SerializerMethodField()
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    @extend_schema_field(OpenApiTypes.BOOL)
    def get_overdue(self, task: Task) -> bool:
        return task.is_late(self.context["now"])

    def validate_subtasks(self, steps: list[dict[str, Any]]) -> list[Step]:
        return [Step(**step) for step in steps]


class TaskFilters(django_filters.FilterSet):
    done = filters.TrueFalseFilter(method="ticked_off")
    overdue = filters.TrueFalseFilter(method="being_late")
    assignee = filters.MemberFilter(method="assigned")
    lead = filters.IdFilter()
    deal = filters.IdFilter()
    priority = filters.ChoiceFilter(choices=[(word, word) for word in WORDS.values()], method="mattering")
    created_since = filters.since("created_at")
    created_until = filters.until("created_at")
    updated_since = filters.since("updated_at")
    updated_until = filters.until("updated_at")

    def ticked_off(self, tasks: TaskQuerySet, name: str, is_done: bool) -> TaskQuerySet:
        return tasks.done() if is_done else tasks.open()

    def being_late(self, tasks: TaskQuerySet, name: str, is_late: bool) -> TaskQuerySet:
        late = Task.objects.overdue(self.request.principal.company.local_now())
        return tasks.filter(pk__in=late.values("pk")) if is_late else tasks.exclude(pk__in=late.values("pk"))

    def assigned(self, tasks: TaskQuerySet, name: str, address: str) -> TaskQuerySet:
        theirs = TaskAssignee.objects.filter(task=OuterRef("pk"), user__email=address.strip().lower())
        return tasks.filter(Exists(theirs))

    def mattering(self, tasks: TaskQuerySet, name: str, word: str) -> TaskQuerySet:
        return tasks.filter(priority=next(number for number, known in WORDS.items() if known == word))


class TaskViewSet(CompanyViewSet):
    """What is to be done. Agents see tasks that are assigned to them or about their own records."""

    model = Task
    serializer_class = TaskSerializer
    filterset_class = TaskFilters
    filter_backends = SEARCHABLE
    searched = "Words of the title."
    # What has no day comes after all that has one.
    orderings = {
        **{name: F(name) for name in ("created_at", "updated_at", "title", "priority")},
        "due_on": Coalesce(F("due_on"), Value(dt.date.max)),
    }

    def records(self) -> QuerySet[Task]:
        return self.principal.tasks().for_list()

    def search(self, tasks: TaskQuerySet, text: str) -> TaskQuerySet:
        for word in text.split():
            tasks = tasks.filter(title__icontains=word)
        return tasks

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if getattr(self, "swagger_fake_view", False):  # the schema is made without any company
            return context
        principal = self.principal
        return {
            **context,
            "leads": principal.leads,
            "deals": principal.deals,
            "now": principal.company.local_now(),
        }

    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self._changes(None)
        task = actions.create_task(self.principal.company, cast("TaskChanges", changes), self.actor)
        return self.shown(task, status=201)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        task = self.get_object()
        changes = self._changes(task, partial=partial)
        return self.shown(actions.update_task(task, cast("TaskChanges", changes), self.actor))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    @extend_schema(description="Deletes the task. That there was one stays on the timeline of its record.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.delete_task(self.get_object(), self.actor)
        return Response(status=204)

    def fresh(self, record: Any) -> Task:
        """As it is now, also for an agent who has just given it away."""
        return Task.objects.for_list().get(pk=record.pk)

    def _changes(self, task: Task | None, **options: Any) -> dict[str, Any]:
        changes = self.changes(**options)
        if "assignees" in changes:
            self._check_people(changes["assignees"], task)
        return changes

    def _check_people(self, wanted: list[Any], task: Task | None) -> None:
        """Agents take tasks themselves; others who are on one already may stay."""
        known = set(task.people) if task else set()
        new = [user for user in wanted if user not in known]
        if not all(self.principal.may_assign(user) for user in new):
            raise ValidationError({"assignees": "You can only take tasks yourself. Ask a manager."})
