"""`deals/`: what a lead might buy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from crm import search
from crm.actions import deals as actions
from crm.actions.deals import DealChanges
from crm.api import filters
from crm.api.base import CUSTOMISED, CompanyViewSet
from crm.api.fields import (
    Amount,
    Currency,
    CustomValues,
    Day,
    Key,
    Member,
    Moment,
    NothingSerializer,
    Record,
    StrictSerializer,
    Text,
    find_by_key,
    optional_text,
)
from crm.api.texts import printable
from crm.models import Deal, DealQuerySet, Pipeline, Stage, StageKind


class StageKey(Text):
    """A stage of the deal's pipeline by its key."""

    def get_attribute(self, instance: Deal) -> str:
        return instance.stage.key


class DealSerializer(StrictSerializer):
    """A sale in the making. A `stage` that is won or lost closes the deal, as `win/` and `lose/` do.

    PUT and PATCH alike change what is named and leave the rest as it is. Without pipeline and stage a deal starts in
    the first open stage of Sales. An amount needs a currency, a lost stage a `close_reason`.
    """

    id = serializers.UUIDField(read_only=True)
    title = Text(max_length=160)
    lead = Record("lead", "leads", required=False, allow_null=True)
    amount = Amount(currency="currency", required=False, allow_null=True)
    currency = Currency(required=False, help_text="ISO 4217, upper case.")
    pipeline = Key(Pipeline, required=False)
    stage = StageKey(required=False, max_length=60)
    owner = Member(required=False, allow_null=True)
    expected_close = Day(required=False, allow_null=True)
    close_reason = optional_text(300, help_text="Why it was won or lost; goes with such a stage.")
    custom = CustomValues("deal", required=False)
    external_id = optional_text(190)
    status = serializers.ChoiceField(choices=StageKind.choices, read_only=True)
    won_at = Moment(read_only=True, allow_null=True)
    lost_at = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


class ReasonSerializer(StrictSerializer):
    """Why a deal was lost."""

    reason = optional_text(300)


class DealFilters(django_filters.FilterSet):
    status = filters.ChoiceFilter(choices=StageKind.choices)
    pipeline = filters.KeyFilter(Pipeline)
    stage = filters.KeyFilter(Stage)
    owner = filters.MemberFilter()
    lead = filters.IdFilter()
    currency = filters.TextFilter()
    external_id = filters.TextFilter()
    created_since = filters.since("created_at")
    created_until = filters.until("created_at")
    updated_since = filters.since("updated_at")
    updated_until = filters.until("updated_at")
    won_since = filters.since("won_at")
    won_until = filters.until("won_at")


class DealViewSet(CompanyViewSet):
    """Deals. Agents see and change their own."""

    model = Deal
    serializer_class = DealSerializer
    filterset_class = DealFilters
    filter_backends = CUSTOMISED
    own_entity = "deal"
    searched = "Words of the title, the organization or the lead's name."
    # What has no amount or no date comes before all that has one.
    orderings = {
        **{name: F(name) for name in ("created_at", "updated_at", "stage_since", "title")},
        "amount": Coalesce(F("amount"), Value(Decimal(-1))),
        "expected_close": Coalesce(F("expected_close"), Value(date.min)),
    }
    field_names: Mapping[str, str] = {"reason": "close_reason"}

    def records(self) -> QuerySet[Deal]:
        return self.principal.deals().for_list()

    def search(self, deals: DealQuerySet, text: str) -> DealQuerySet:
        return search.search_deals(deals, text)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "leads": self.principal.leads}

    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self.changes()
        _choose_stage(changes, None)
        if self.principal.user is not None:
            changes.setdefault("owner", self.principal.user)
        deal = actions.create_deal(self.principal.company, cast("DealChanges", changes), self.actor)
        return self.shown(deal, status=201)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        deal, changes = self.get_object(), self.changes(partial=partial)
        _choose_stage(changes, deal)
        return self.shown(actions.update_deal(deal, cast("DealChanges", changes), self.actor))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    @extend_schema(description="Archives the deal: it leaves every list, and its history stays.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.archive_deal(self.get_object(), self.actor)
        return Response(status=204)

    @extend_schema(request=NothingSerializer, responses=DealSerializer)
    @action(detail=True, methods=["post"])
    def win(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Close the deal as won. Won already: nothing happens; lost: 409 until it is reopened."""
        deal = self.get_object()
        self.body(NothingSerializer)
        return self.shown(actions.win_deal(deal, self.actor))

    @extend_schema(request=ReasonSerializer, responses=DealSerializer)
    @action(detail=True, methods=["post"], field_names={})
    def lose(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Close the deal as lost, for a reason. Lost already: nothing happens; won: 409 until it is reopened."""
        deal = self.get_object()
        reason = self.body(ReasonSerializer).get("reason", "")
        return self.shown(actions.lose_deal(deal, reason, self.actor))

    @extend_schema(request=NothingSerializer, responses=DealSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put a closed deal back into the open stage it came from. Open already: nothing happens."""
        deal = self.get_object()
        self.body(NothingSerializer)
        return self.shown(actions.reopen_deal(deal, self.actor))

    def changes(self, **options: Any) -> dict[str, Any]:
        changes = super().changes(**options)
        self.check_own(changes)
        return changes


def _choose_stage(changes: dict[str, Any], deal: Deal | None) -> None:
    """Turn the stage's key into the stage, in the pipeline that was named, or the deal's, or Sales."""
    key = changes.get("stage")
    pipeline = changes.get("pipeline") or (deal.pipeline if deal else actions.default_pipeline())
    if key is not None:
        changes["stage"] = _stage(pipeline, key)
    elif deal is not None and pipeline != deal.pipeline:
        if deal.status != StageKind.OPEN:
            raise ValidationError(
                {"stage": [ErrorDetail("Say in which stage of the pipeline it is.", "required")]}
            )
        changes["stage"] = actions.first_open_stage(pipeline)
    if changes.get("close_reason") and ("stage" not in changes or changes["stage"].kind == StageKind.OPEN):
        raise ValidationError({"close_reason": "A reason goes with a stage that is won or lost."})


def _stage(pipeline: Pipeline, key: str) -> Stage:
    stage = find_by_key(pipeline.stages.select_related("pipeline"), key)
    if stage is None:
        sentence = f"The pipeline {pipeline.name} has no stage with the key {printable(key)}."
        raise ValidationError({"stage": [ErrorDetail(sentence, "does_not_exist")]})
    return cast("Stage", stage)
