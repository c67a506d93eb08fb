"""`organizations/`: the customers' firms. `activities/`: what happened with leads and deals."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import F, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm import search
from crm.actions import organizations as actions
from crm.actions.organizations import OrganizationChanges
from crm.api import filters
from crm.api.base import CUSTOMISED, CompanyViewSet
from crm.api.fields import CustomValues, Moment, Record, StrictSerializer, Text, optional_text
from crm.models import Activity, Organization, OrganizationQuerySet
from crm.models.activity import ActivityKind


class OrganizationSerializer(StrictSerializer):
    """A firm. Whoever has an e-mail address at its domain belongs to it, unless another firm is named."""

    id = serializers.UUIDField(read_only=True)
    name = Text(max_length=160)
    domain = optional_text(300, help_text="Without www; no mail provider. Each domain is one firm's.")
    custom = CustomValues("organization", required=False)
    created_at = Moment(read_only=True)


class OrganizationFilters(django_filters.FilterSet):
    name = filters.TextFilter(lookup_expr="iexact")
    domain = filters.TextFilter(lookup_expr="iexact")
    created_since = filters.since("created_at")
    created_until = filters.until("created_at")


class OrganizationViewSet(CompanyViewSet):
    """The customers' firms. Agents see those of their own leads and deals."""

    model = Organization
    serializer_class = OrganizationSerializer
    filterset_class = OrganizationFilters
    filter_backends = CUSTOMISED
    own_entity = "organization"
    searched = "Words of the name or the domain."
    orderings = {"created_at": F("created_at"), "name": F("name_key")}

    def records(self) -> QuerySet[Organization]:
        return self.principal.organizations()

    def search(self, firms: OrganizationQuerySet, text: str) -> OrganizationQuerySet:
        return search.search_organizations(firms, text)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = cast("OrganizationChanges", self.changes())
        firm = actions.create_organization(self.principal.company, changes)
        return self.tagged(firm, 201)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        firm = (
            self.get_object()
        )  # before the body is looked at: another company's id is a 404 whatever is sent
        changes = cast("OrganizationChanges", self.changes(partial=kwargs.get("partial", False)))
        return self.shown(actions.update_organization(firm, changes))

    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)


class ActivitySerializer(StrictSerializer):
    """A line of a timeline. `old` and `new` are what a reader sees; `actor` is whoever did it."""

    id = serializers.UUIDField(read_only=True)
    lead = Record("lead", "leads", read_only=True, allow_null=True)
    deal = Record("deal", "deals", read_only=True, allow_null=True)
    kind = serializers.ChoiceField(choices=ActivityKind.choices, read_only=True)
    actor = serializers.SerializerMethodField()
    field = serializers.CharField(read_only=True)
    old = serializers.CharField(read_only=True)
    new = serializers.CharField(read_only=True)
    text = serializers.CharField(read_only=True)
    at = Moment(read_only=True)
    edited_at = Moment(read_only=True, allow_null=True)

    def get_actor(self, activity: Activity) -> str:
        """The e-mail of the member, or what did it."""
        return activity.actor.email if activity.actor else activity.actor_label


class ActivityFilters(django_filters.FilterSet):
    lead = filters.IdFilter(field_name="lead_id")
    deal = filters.IdFilter(field_name="deal_id")
    kind = filters.ChoiceFilter(choices=ActivityKind.choices)
    since = filters.since("at")
    until = filters.until("at")


class ActivityViewSet(CompanyViewSet):
    """What happened with the leads and deals that one may see, as their timelines tell it."""

    model = Activity
    serializer_class = ActivitySerializer
    filterset_class = ActivityFilters
    orderings = {"at": F("at")}
    default_ordering = "-at"

    def records(self) -> QuerySet[Activity]:
        principal = self.principal
        seen = Q(deal__in=principal.deals().order_by()) | Q(deal=None, lead__in=principal.leads().order_by())
        return Activity.objects.filter(seen).select_related("actor")
