"""`company/`, and what the company is made of: statuses, pipelines, tags, members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import companies as actions
from crm.actions.companies import CompanySettings
from crm.api.base import CompanyView, CompanyViewSet
from crm.api.fields import (
    Currency,
    Key,
    Member,
    Moment,
    StrictSerializer,
    Text,
    TrueFalse,
    WholeNumber,
    optional_text,
)
from crm.models import (
    Company,
    ConsentPolicy,
    LeadStatus,
    Membership,
    Pipeline,
    Role,
    StageKind,
    StatusCategory,
    Tag,
)

MOST_DOMAINS = 100


class CompanySerializer(StrictSerializer):
    """The caller's company and its settings."""

    id = serializers.UUIDField(read_only=True)
    name = Text(max_length=120, required=False)
    currency = Currency(required=False)
    time_zone = Text(max_length=64, required=False)
    default_status = Key(LeadStatus, required=False, allow_null=True)
    default_source = optional_text(80)
    fallback_owner = Member(required=False, allow_null=True)
    consent_policy = serializers.ChoiceField(choices=ConsentPolicy.choices, required=False)
    settle_minutes = WholeNumber(min_value=0, max_value=15, required=False)
    enhanced_matching = TrueFalse(required=False)
    internal_domains = serializers.ListField(
        child=Text(max_length=253), max_length=MOST_DOMAINS, required=False
    )
    created_at = Moment(read_only=True)


class CompanyDetail(CompanyView):
    """The caller's company. Changing its settings needs the scope admin."""

    write_scope = "admin"
    write_ability = Ability.MANAGE

    @extend_schema(operation_id="company_retrieve", responses=CompanySerializer)
    def get(self, request: Request) -> Response:
        with_relations = Company.objects.select_related("default_status", "fallback_owner")
        return Response(CompanySerializer(with_relations.get(pk=self.principal.company.pk)).data)

    @extend_schema(operation_id="company_update", request=CompanySerializer, responses=CompanySerializer)
    def patch(self, request: Request) -> Response:
        serializer = CompanySerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes = cast("CompanySettings", dict(serializer.validated_data))
        return Response(
            CompanySerializer(actions.update_company(self.principal.company, changes, self.actor)).data
        )


class StatusSerializer(serializers.Serializer[Any]):
    """A step in the life of a lead. Only the category has effects."""

    id = serializers.UUIDField()
    key = serializers.CharField()
    name = serializers.CharField()
    category = serializers.ChoiceField(choices=StatusCategory.choices)
    colour = serializers.CharField()
    position = serializers.IntegerField()


class StageSerializer(serializers.Serializer[Any]):
    """A step of a pipeline."""

    id = serializers.UUIDField()
    key = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=StageKind.choices)
    probability = serializers.IntegerField()
    position = serializers.IntegerField()


class PipelineSerializer(serializers.Serializer[Any]):
    """A road that deals travel. Only those that count as sales report won and lost."""

    id = serializers.UUIDField()
    key = serializers.CharField()
    name = serializers.CharField()
    counts_as_sales = serializers.BooleanField()
    position = serializers.IntegerField()
    stages = StageSerializer(many=True)


class TagSerializer(serializers.Serializer[Any]):
    """A label for leads."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    colour = serializers.CharField()


class MemberSerializer(serializers.Serializer[Any]):
    """Somebody who works here. Owners of records are named by this e-mail."""

    id = serializers.UUIDField()
    email = serializers.EmailField(source="user.email")
    first_name = serializers.CharField(source="user.first_name")
    last_name = serializers.CharField(source="user.last_name")
    role = serializers.ChoiceField(choices=Role.choices)
    is_active = serializers.BooleanField()
    created_at = Moment()


_BY_POSITION: Mapping[str, F] = {"position": F("position"), "name": F("name")}


class StatusViewSet(CompanyViewSet):
    """Lead statuses, in their order."""

    model = LeadStatus
    serializer_class = StatusSerializer
    orderings = _BY_POSITION
    default_ordering = "position"

    def records(self) -> QuerySet[LeadStatus]:
        return LeadStatus.objects.all()


class PipelineViewSet(CompanyViewSet):
    """Pipelines with their stages, in their order."""

    model = Pipeline
    serializer_class = PipelineSerializer
    orderings = _BY_POSITION
    default_ordering = "position"

    def records(self) -> QuerySet[Pipeline]:
        return Pipeline.objects.prefetch_related("stages")


class TagViewSet(CompanyViewSet):
    """Tags, by name."""

    model = Tag
    serializer_class = TagSerializer
    orderings = {"name": F("name")}
    default_ordering = "name"

    def records(self) -> QuerySet[Tag]:
        return Tag.objects.all()


class MemberViewSet(CompanyViewSet):
    """The people of the company, the longest-serving first."""

    model = Membership
    serializer_class = MemberSerializer
    orderings = {"created_at": F("created_at"), "email": F("user__email")}
    default_ordering = "created_at"

    def records(self) -> QuerySet[Membership]:
        return Membership.objects.select_related("user")
