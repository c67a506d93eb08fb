"""`invitations/`: who was asked to join, and has not yet."""

from __future__ import annotations

from typing import Any

import django_filters
from django.conf import settings
from django.db.models import F, QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crm import mails
from crm.access import Ability
from crm.actions import invitations as actions
from crm.actions.invitations import INVITED_ROLES, NewInvitation
from crm.api import filters
from crm.api.base import CompanyViewSet
from crm.api.fields import Moment, NothingSerializer, StrictSerializer, Text, optional_text
from crm.models import Invitation

ROLES = [(role.value, str(role.label)) for role in INVITED_ROLES]


class InvitationSerializer(StrictSerializer):
    """An address that may join, once and for seven days. Owners are made of members."""

    id = serializers.UUIDField(read_only=True)
    email = Text(max_length=254)
    first_name = optional_text(80)
    last_name = optional_text(80)
    role = serializers.ChoiceField(choices=ROLES)
    invited_by = serializers.EmailField(
        source="invited_by.email", read_only=True, allow_null=True, default=None
    )
    created_at = Moment(read_only=True)
    expires_at = Moment(read_only=True)
    is_open = serializers.BooleanField(read_only=True)


class InvitationRoleSerializer(StrictSerializer):
    """What they will be when they join."""

    role = serializers.ChoiceField(choices=ROLES)


class SentInvitationSerializer(InvitationSerializer):
    """An invitation whose link was just made.

    `link` is there where no mail could be sent, this once: a repeat with the same Idempotency-Key has it no more.
    """

    is_mailed = serializers.BooleanField(read_only=True)
    link = serializers.URLField(read_only=True, allow_null=True)


class InvitationFilters(django_filters.FilterSet):
    email = filters.TextFilter(lookup_expr="iexact")
    role = filters.ChoiceFilter(choices=ROLES)


class InvitationViewSet(CompanyViewSet):
    """Invitations that wait, the oldest first. Reading them takes an admin, changing them the scope admin."""

    model = Invitation
    serializer_class = InvitationSerializer
    filterset_class = InvitationFilters
    write_scope = "admin"
    read_ability = write_ability = delete_ability = Ability.MANAGE
    orderings = {"created_at": F("created_at"), "email": F("email")}
    default_ordering = "created_at"
    told_once = ("link",)

    def records(self) -> QuerySet[Invitation]:
        return Invitation.objects.waiting().select_related("invited_by", "company")

    @extend_schema(responses={201: SentInvitationSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self.changes()
        made = actions.invite(self.principal.company, actor=self.actor, **changes)
        return self._sent(made, status=201)

    @extend_schema(request=InvitationRoleSerializer, responses=InvitationSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        invitation = self.get_object()
        wanted = self.body(InvitationRoleSerializer)
        return self.shown(actions.change_role(invitation, wanted["role"], self.actor))

    @extend_schema(description="Withdraws the invitation: its link ends for good.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.revoke(self.get_object(), self.actor)
        return Response(status=204)

    @extend_schema(request=NothingSerializer, responses=SentInvitationSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a new link for seven days, and mail it; the one before ends."""
        invitation = self.get_object()
        self.body(NothingSerializer)
        return self._sent(actions.resend(invitation, self.actor), status=200)

    def _sent(self, made: NewInvitation, *, status: int) -> Response:
        link = f"{settings.PUBLIC_URL}{reverse('invitation', args=[made.token])}"
        is_mailed = mails.send_invitation(made.row, link)
        shown = dict(self.get_serializer(self.fresh(made.row)).data)
        return Response({**shown, "is_mailed": is_mailed, "link": None if is_mailed else link}, status=status)
