"""`statuses/`, `types/`, `tags/`, `pipelines/`, `stages/`: the company's own words. Changing them takes scope admin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import retiring, vocabulary
from crm.actions.companies import PIPELINES as TEMPLATES
from crm.api.base import CompanyViewSet
from crm.api.fields import Key, StrictSerializer, Text, TrueFalse, WholeNumber
from crm.api.filters import refuse_parameters
from crm.api.texts import printable
from crm.display import COLOURS
from crm.models import LeadStatus, LeadType, Pipeline, Stage, StageKind, StatusCategory, Tag

MOVE_TO = "move_to"
_LAST = 999


class WordSerializer(StrictSerializer):
    """What every word has. A key follows from the first name and never changes."""

    id = serializers.UUIDField(read_only=True)
    key = serializers.CharField(read_only=True)
    name = Text(max_length=60)


class StatusSerializer(WordSerializer):
    """A step in the life of a lead. Only the category has effects."""

    category = serializers.ChoiceField(choices=StatusCategory.choices, required=False)
    colour = serializers.ChoiceField(choices=COLOURS, required=False)
    position = WholeNumber(min_value=0, max_value=_LAST, required=False)


class TypeSerializer(WordSerializer):
    """How a lead came in; its priority (1 high – 3 low) is that of new leads."""

    priority = WholeNumber(min_value=1, max_value=3, required=False)
    position = WholeNumber(min_value=0, max_value=_LAST, required=False)


class TagSerializer(StrictSerializer):
    """A label for leads."""

    id = serializers.UUIDField(read_only=True)
    name = Text(max_length=60)
    colour = serializers.ChoiceField(choices=COLOURS, required=False)


class StageSerializer(WordSerializer):
    """A step of a pipeline. Only the kind has effects."""

    kind = serializers.ChoiceField(choices=StageKind.choices, required=False)
    probability = WholeNumber(min_value=0, max_value=100, required=False)
    position = WholeNumber(min_value=0, max_value=_LAST, required=False)


class PlacedStageSerializer(StageSerializer):
    """A stage with the key of its pipeline, which never changes."""

    pipeline = Key(Pipeline)


class PipelineSerializer(WordSerializer):
    """A road that deals travel. Only those that count as sales report won and lost.

    `template` names whose stages a new one starts with, Sales unless said otherwise.
    """

    counts_as_sales = TrueFalse(required=False)
    position = WholeNumber(min_value=0, max_value=_LAST, required=False)
    template = serializers.ChoiceField(
        choices=[name for name, _, _ in TEMPLATES], required=False, write_only=True
    )
    stages = StageSerializer(many=True, read_only=True)


_DELETES = extend_schema(
    parameters=[
        OpenApiParameter(MOVE_TO, str, description="The id of the word that takes its place.", required=False)
    ],
    description="Deletes the word. What has it gets the one that `move_to` names; no lead or deal is deleted.",
)


class WordViewSet(CompanyViewSet):
    """Words of one kind, in their order."""

    write_scope = "admin"
    write_ability = Ability.MANAGE
    delete_ability = Ability.MANAGE
    field_names: Mapping[str, str] = {"to": MOVE_TO}
    orderings: Mapping[str, Any] = {"position": F("position"), "name": F("name")}
    default_ordering = "position"

    def records(self) -> QuerySet[Any]:
        return self.model._default_manager.all()

    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self.changes()
        position = changes.pop("position", None)
        word = self._add(changes)
        self._place(word, position)
        return self.shown(word, status=201)

    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        word, changes = self.get_object(), self.changes(partial=True)
        position = changes.pop("position", None)
        self._check(changes)
        if changes:
            vocabulary.change_word(word, changes, self.actor)
        self._place(word, position)
        return self.shown(word)

    @_DELETES
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        word = self.get_object()
        refuse_parameters(request, {MOVE_TO})
        _DELETERS[self.model](word, self._target(word), self.actor)
        return Response(status=204)

    def _add(self, changes: dict[str, Any]) -> Any:
        word: Any = self.model()
        return vocabulary.add_word(self.principal.company, word, changes, self.actor)

    def _check(self, changes: dict[str, Any]) -> None:
        """Refuse what may be said only of a new one."""

    def _beside(self, word: Any) -> QuerySet[Any]:
        """The list the word is in."""
        return self.records()

    def _place(self, word: Any, position: int | None) -> None:
        if position is None:
            return
        listed = list(self._beside(word).order_by("position", "pk"))
        place = next(place for place, each in enumerate(listed) if each.pk == word.pk)
        order = vocabulary.moved_by(listed, listed[place], position - place)
        vocabulary.order_words(self._beside(word), order, self.actor)

    def _target(self, word: Any) -> Any:
        named = self.request.query_params.get(MOVE_TO)
        if named is None:
            return None
        try:
            target = self._beside(word).filter(pk=UUID(named)).first()
        except ValueError:
            target = None
        if target is None:
            sentence = f"There is no {word._meta.verbose_name} with the id {printable(named)}."
            raise ValidationError({MOVE_TO: [ErrorDetail(sentence, "does_not_exist")]})
        return target


class StatusViewSet(WordViewSet):
    """Lead statuses, in their order."""

    model = LeadStatus
    serializer_class = StatusSerializer


class TypeViewSet(WordViewSet):
    """Lead types, in their order."""

    model = LeadType
    serializer_class = TypeSerializer


class TagViewSet(WordViewSet):
    """Tags, by name."""

    model = Tag
    serializer_class = TagSerializer
    orderings = {"name": F("name")}
    default_ordering = "name"


class PipelineViewSet(WordViewSet):
    """Pipelines with their stages, in their order."""

    model = Pipeline
    serializer_class = PipelineSerializer

    def records(self) -> QuerySet[Pipeline]:
        return Pipeline.objects.prefetch_related("stages")

    def _add(self, changes: dict[str, Any]) -> Pipeline:
        template = changes.pop("template", TEMPLATES[0][0])
        made = vocabulary.add_pipeline(self.principal.company, changes.pop("name"), template, self.actor)
        if changes:
            vocabulary.change_word(made, changes, self.actor)
        return made

    def _check(self, changes: dict[str, Any]) -> None:
        _refuse_later(changes, "template")


class StageViewSet(WordViewSet):
    """The stages of all pipelines, by their place in each."""

    model = Stage
    serializer_class = PlacedStageSerializer

    def records(self) -> QuerySet[Stage]:
        return Stage.objects.select_related("pipeline")

    def _add(self, changes: dict[str, Any]) -> Any:
        stage = Stage(pipeline=changes.pop("pipeline"))
        return vocabulary.add_word(self.principal.company, stage, changes, self.actor)

    def _check(self, changes: dict[str, Any]) -> None:
        _refuse_later(changes, "pipeline")

    def _beside(self, word: Any) -> QuerySet[Stage]:
        return self.records().filter(pipeline=word.pipeline_id)


def _refuse_later(changes: dict[str, Any], field: str) -> None:
    if field in changes:
        raise ValidationError({field: [ErrorDetail("This can be said of a new one only.", "read_only")]})


_DELETERS: Mapping[type[Any], Callable[[Any, Any, Any], int]] = {
    LeadStatus: retiring.delete_status,
    LeadType: retiring.delete_type,
    Tag: retiring.delete_tag,
    Pipeline: retiring.delete_pipeline,
    Stage: retiring.delete_stage,
}
