"""`webhooks/`: who is told what happens, and the log of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import django_filters
from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import webhooks as actions
from crm.actions.webhooks import NewSecret, WebhookChanges
from crm.api import filters
from crm.api.base import CompanyViewSet
from crm.api.fields import Moment, NothingSerializer, StrictSerializer, Text, TrueFalse, optional_text
from crm.models import Webhook, WebhookDelivery, WebhookEvent, WebhookStatus
from crm.models.webhook import MESSAGES, STATES


class WebhookSerializer(StrictSerializer):
    """An address that is told what happens. `state` is active, failing, off, or disabled by us with a `reason`."""

    id = serializers.UUIDField(read_only=True)
    url = Text(max_length=500, help_text="https, a public host, port 443, 8443 or 9443.")
    description = optional_text(120)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=WebhookEvent.choices), min_length=1, max_length=50
    )
    is_active = TrueFalse(required=False)
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    reason = serializers.CharField(source="disabled_reason", read_only=True)
    earlier_secret_until = Moment(source="earlier_until", read_only=True, allow_null=True)
    last_success_at = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with its secret, which is shown this once: a repeat by Idempotency-Key has null there."""

    secret = serializers.CharField(allow_null=True, read_only=True)

    def to_representation(self, instance: NewSecret) -> dict[str, Any]:
        shown: dict[str, Any] = WebhookSerializer(instance.hook).data
        return {**shown, "secret": instance.secret}


class WebhookAttemptSerializer(serializers.Serializer[Any]):
    """One request. Without `duration_ms` it was never known how it ended."""

    at = Moment()
    status_code = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()
    answer = serializers.CharField()
    duration_ms = serializers.IntegerField(allow_null=True)


class WebhookDeliverySerializer(serializers.Serializer[Any]):
    """A message: what it was about, and what became of it. `webhook_id` is the header's value."""

    id = serializers.UUIDField()
    webhook = serializers.UUIDField(source="hook_id")
    webhook_id = serializers.CharField(source="message_id")
    event = serializers.ChoiceField(choices=MESSAGES)
    status = serializers.ChoiceField(choices=WebhookStatus.choices)
    message = serializers.CharField()
    attempts = serializers.IntegerField()
    happened_at = Moment()
    next_attempt_at = Moment(allow_null=True)
    expires_at = Moment()
    delivered_at = Moment(allow_null=True)
    created_at = Moment()

    def to_representation(self, instance: WebhookDelivery) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if instance.status != WebhookStatus.PENDING:
            shown["next_attempt_at"] = None
        return shown


class WebhookDeliveryDetailSerializer(WebhookDeliverySerializer):
    """A message with its body as sent, empty before the first try, and every request."""

    body = serializers.CharField()
    attempts_log = WebhookAttemptSerializer(many=True, source="attempts_log.all")


class ReplaySerializer(StrictSerializer):
    """From when on."""

    since = Moment()


class ReplayedSerializer(serializers.Serializer[Any]):
    """How many messages are sent again."""

    replayed = serializers.IntegerField()


class WebhookFilters(django_filters.FilterSet):
    is_active = filters.TrueFalseFilter()


class WebhookViewSet(CompanyViewSet):
    """Addresses that are told what happens. Changing them needs the scope admin."""

    model = Webhook
    serializer_class = WebhookSerializer
    filterset_class = WebhookFilters
    default_ordering = "created_at"
    orderings = {"created_at": F("created_at")}
    write_scope = "admin"
    read_ability = write_ability = delete_ability = Ability.MANAGE
    told_once = frozenset({"secret"})

    def records(self) -> QuerySet[Webhook]:
        return Webhook.objects.all()

    @extend_schema(responses={201: NewWebhookSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = cast("WebhookChanges", self.changes())
        made = actions.add_webhook(self.principal.company, changes, self.actor)
        return Response(NewWebhookSerializer(made).data, status=201)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        hook = self.get_object()
        changes = cast("WebhookChanges", self.changes(partial=kwargs.get("partial", False)))
        return self.shown(actions.change_webhook(hook, changes, self.actor))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Deletes the webhook with its log."""
        actions.delete_webhook(self.get_object(), self.actor)
        return Response(status=204)

    @extend_schema(request=NothingSerializer, responses={200: NewWebhookSerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A new secret. For 24 hours messages are signed with both."""
        hook = self.get_object()
        self.body(NothingSerializer)
        return Response(NewWebhookSerializer(actions.rotate_secret(hook, self.actor)).data)

    @extend_schema(request=NothingSerializer, responses={202: WebhookDeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send a message of the type `test`."""
        hook = self.get_object()
        self.body(NothingSerializer)
        return Response(WebhookDeliverySerializer(actions.send_test(hook)).data, status=202)

    @extend_schema(request=ReplaySerializer, responses={202: ReplayedSerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send everything again that has failed since then, each with the id it had."""
        hook = self.get_object()
        since = self.body(ReplaySerializer)["since"]
        count = actions.replay_failed(hook, since, self.actor)
        return Response({"replayed": count}, status=202)


class WebhookDeliveryFilters(django_filters.FilterSet):
    webhook = filters.IdFilter(field_name="hook_id")
    status = filters.ChoiceFilter(choices=WebhookStatus.choices)
    event = filters.ChoiceFilter(choices=MESSAGES)
    since = filters.since("created_at")
    until = filters.until("created_at")


class WebhookDeliveryViewSet(CompanyViewSet):
    """The messages of the last month, newest first."""

    model = WebhookDelivery
    serializer_class = WebhookDeliverySerializer
    filterset_class = WebhookDeliveryFilters
    orderings: Mapping[str, F] = {"created_at": F("created_at")}
    write_scope = "admin"
    read_ability = write_ability = Ability.MANAGE

    def records(self) -> QuerySet[WebhookDelivery]:
        return WebhookDelivery.objects.select_related("hook")

    @extend_schema(responses=WebhookDeliveryDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(WebhookDeliveryDetailSerializer(self.get_object()).data)

    @extend_schema(
        request=NothingSerializer,
        responses={202: OpenApiResponse(WebhookDeliverySerializer, "It is sent again, with the id it had.")},
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send this message again."""
        delivery = self.get_object()
        self.body(NothingSerializer)
        return self.shown(actions.replay(delivery, self.actor), status=202)
