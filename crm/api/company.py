"""`company/` and `members/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import companies as actions
from crm.actions import members
from crm.actions.companies import CompanySettings
from crm.actions.members import HandOver
from crm.api import etags
from crm.api.base import CompanyView, CompanyViewSet
from crm.api.fields import (
    Currency,
    Key,
    Member,
    Moment,
    NothingSerializer,
    StrictSerializer,
    Text,
    TrueFalse,
    WholeNumber,
    find_member,
    optional_text,
)
from crm.models import (
    Company,
    ConsentPolicy,
    LeadStatus,
    Membership,
    Role,
    User,
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

    has_etags = True

    @extend_schema(operation_id="company_retrieve", responses=CompanySerializer)
    def get(self, request: Request) -> Response:
        return self._tagged(self.current())

    @extend_schema(operation_id="company_update", request=CompanySerializer, responses=CompanySerializer)
    def patch(self, request: Request) -> Response:
        serializer = CompanySerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes = cast("CompanySettings", dict(serializer.validated_data))
        return self._tagged(actions.update_company(self.principal.company, changes, self.actor))

    def current(self) -> Company:
        with_relations = Company.objects.select_related("default_status", "fallback_owner")
        return with_relations.get(pk=self.principal.company.pk)

    def as_shown(self, record: Company) -> Any:
        return CompanySerializer(record).data

    def _tagged(self, company: Company) -> Response:
        shown = self.as_shown(company)
        return Response(shown, headers={etags.ETAG: etags.tag_of(shown)})


class MemberSerializer(serializers.Serializer[Any]):
    """Somebody who works here. Owners of records are named by this e-mail."""

    id = serializers.UUIDField()
    email = serializers.EmailField(source="user.email")
    first_name = serializers.CharField(source="user.first_name")
    last_name = serializers.CharField(source="user.last_name")
    role = serializers.ChoiceField(choices=Role.choices)
    is_active = serializers.BooleanField()
    created_at = Moment()


class MemberChangeSerializer(StrictSerializer):
    """Another role for a member. No key makes or unmakes owners; signed in, an owner may."""

    role = serializers.ChoiceField(choices=Role.choices)


class LeavingSerializer(StrictSerializer):
    """Who takes the leads and deals: `fallback` (the fallback owner), `nobody`, or a member by e-mail."""

    hand_over = Text(max_length=254, required=False)

    def validate_hand_over(self, named: str) -> User | HandOver:
        if named in HandOver.values:
            return HandOver(named)
        member = find_member(named)
        if member is None:
            raise serializers.ValidationError(
                "Send fallback, nobody, or the e-mail of a member.", code="does_not_exist"
            )
        return member.user


class LeftSerializer(serializers.Serializer[Any]):
    """What somebody left: how many leads and deals were handed over, and the keys they made, which still work."""

    member = MemberSerializer(source="membership")
    leads = serializers.IntegerField()
    deals = serializers.IntegerField()
    api_keys = serializers.ListField(child=serializers.CharField(), source="keys")


class MemberViewSet(CompanyViewSet):
    """The people of the company, the longest-serving first. Changing them needs the scope admin."""

    model = Membership
    serializer_class = MemberSerializer
    write_scope = "admin"
    write_ability = Ability.MANAGE
    field_names: Mapping[str, str] = {"hand_over_to": "hand_over"}
    orderings = {"created_at": F("created_at"), "email": F("user__email")}
    default_ordering = "created_at"

    def records(self) -> QuerySet[Membership]:
        return Membership.objects.select_related("user")

    @extend_schema(request=MemberChangeSerializer, responses=MemberSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        membership = self.get_object()
        wanted = self.body(MemberChangeSerializer)
        return self.shown(members.change_role(membership, wanted["role"], self.actor))

    @extend_schema(request=LeavingSerializer, responses=LeftSerializer)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Shut them out at once, and hand their leads and deals over; to the fallback owner if nobody is named."""
        membership = self.get_object()
        heir = self.body(LeavingSerializer).get("hand_over", HandOver.FALLBACK)
        return Response(LeftSerializer(members.deactivate_member(membership, self.actor, heir)).data)

    @extend_schema(request=NothingSerializer, responses=MemberSerializer)
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let them in again, with the role they had."""
        membership = self.get_object()
        self.body(NothingSerializer)
        return self.shown(members.reactivate_member(membership, self.actor))
