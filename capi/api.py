"""`capi/…` and `leads/{id}/conversions/` of the REST API: connection, rules, the log, and why it was not sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import django_filters
from django.db.models import F, QuerySet
from django.urls import URLPattern, URLResolver, path
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from capi import backfill as backfilling
from capi import explain, operations, story
from capi.health import Health, health
from capi.models import (
    RESENDABLE,
    AlarmKind,
    AttemptOutcome,
    Connection,
    ConnectionKind,
    ConversionEvent,
    ConversionEventQuerySet,
    CrmEvent,
    Delivery,
    Holder,
    Repeat,
    Rule,
    Status,
    ValuePolicy,
)
from capi.operations import RuleChanges
from capi.preview import preview
from crm.access import Ability, Principal
from crm.api import fields, filters
from crm.api.base import CompanyView, CompanyViewSet
from crm.api.fields import (
    Amount,
    Currency,
    Moment,
    NothingSerializer,
    Record,
    StrictSerializer,
    Text,
    TrueFalse,
)
from crm.errors import Conflict
from crm.models import Deal, Lead

# ── Connection ─────────────────────────────────────────────────────────────────────────────────────────


class ConnectionSerializer(serializers.Serializer[Any]):
    """The line to LinkedIn. No part of the token is ever shown."""

    state = serializers.ChoiceField(choices=["none", "active", "paused"])
    kind = serializers.ChoiceField(choices=ConnectionKind.choices, allow_null=True)
    reason = serializers.CharField(help_text="Why it is paused, as a stable code.")
    saved_at = Moment(allow_null=True)
    saved_by = serializers.CharField(allow_null=True)
    last_accepted_at = Moment(allow_null=True)


class TokenSerializer(StrictSerializer):
    """The token of the Conversions API, from Campaign Manager."""

    token = Text(max_length=4000, write_only=True)


class ConnectionView(CompanyView):
    """The company's connection to LinkedIn."""

    write_scope = "admin"
    read_ability = Ability.SEE_LINKEDIN
    write_ability = delete_ability = Ability.MANAGE

    @extend_schema(operation_id="capi_connection_retrieve", responses=ConnectionSerializer)
    def get(self, request: Request) -> Response:
        return _shown(_connection())

    @extend_schema(
        operation_id="capi_connection_save", request=TokenSerializer, responses=ConnectionSerializer
    )
    def put(self, request: Request) -> Response:
        """Save a token. It ends a pause, and everything that waits is sent."""
        serializer = TokenSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        operations.save_token(self.principal.company, serializer.validated_data["token"], self.actor)
        return _shown(_connection())

    @extend_schema(operation_id="capi_connection_delete", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Forget the token. Everything that waits is held until there is one again."""
        connection = _connection()
        if connection is not None:
            operations.delete_token(connection, self.actor)
        return Response(status=204)


class ConnectionReleaseView(CompanyView):
    """Ends a pause of the connection by hand."""

    write_scope = "admin"
    read_ability = Ability.SEE_LINKEDIN
    write_ability = delete_ability = Ability.MANAGE

    @extend_schema(
        operation_id="capi_connection_release", request=NothingSerializer, responses=ConnectionSerializer
    )
    def post(self, request: Request) -> Response:
        """Try again now what waits. It is held again if the cause is still there."""
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        connection = _connection()
        if connection is None or not connection.token_sealed:
            raise Conflict("There is no LinkedIn token yet. Save one.", code="no_token")
        operations.release_connection(connection, self.actor)
        return _shown(_connection())


def _connection() -> Connection | None:
    return Connection.objects.select_related("saved_by").first()


def _shown(connection: Connection | None) -> Response:
    if connection is None or not connection.token_sealed:
        nothing = dict.fromkeys(ConnectionSerializer().fields)
        return Response({**nothing, "state": "none", "reason": ""})
    saved_by = connection.saved_by.email if connection.saved_by else connection.saved_label or None
    shown = {
        "state": connection.state,
        "kind": connection.kind,
        "reason": connection.held_reason,
        "saved_at": connection.saved_at,
        "saved_by": saved_by,
        "last_accepted_at": connection.last_accepted_at,
    }
    return Response(ConnectionSerializer(shown).data)


# ── Shapes of an event ─────────────────────────────────────────────────────────────────────────────────


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class Identifiers(serializers.Field[Any, Any, Any, Any]):
    """What identified the person: lead_gen_response, click_id, email, name."""

    def to_representation(self, value: list[str]) -> list[str]:
        return value


class EventSerializer(serializers.Serializer[Any]):
    """One thing that LinkedIn must be told by one rule, and what became of it."""

    id = serializers.UUIDField()
    event_id = serializers.CharField()
    event = serializers.ChoiceField(choices=CrmEvent.choices)
    rule = serializers.UUIDField(source="rule_id")
    conversion_id = serializers.CharField()
    lead = serializers.UUIDField(source="lead_id", allow_null=True)
    deal = serializers.UUIDField(source="deal_id", allow_null=True)
    status = serializers.ChoiceField(choices=Status.choices)
    held_by = serializers.ChoiceField(choices=Holder.choices, allow_null=True)
    reason = serializers.CharField(help_text="A stable code; empty if there is nothing to say.")
    message = serializers.CharField(help_text="The sentence that the log shows.")
    settles_at = Moment(allow_null=True)
    happened_at = Moment()
    expires_at = Moment()
    next_attempt_at = Moment(allow_null=True)
    attempts = serializers.IntegerField()
    possible_duplicate = serializers.BooleanField()
    value = Amount(currency="currency", allow_null=True)
    currency = serializers.CharField(allow_null=True)
    identifiers = Identifiers()
    is_test = serializers.BooleanField()
    created_at = Moment()
    accepted_at = Moment(allow_null=True)

    def to_representation(self, instance: ConversionEvent) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        shown["held_by"] = instance.held_by or None
        shown["currency"] = instance.currency or None
        shown["message"] = story.sentence(instance, timezone.now())
        if instance.status != Status.PENDING:
            shown["next_attempt_at"] = None  # only what is pending has a next time
        return shown


class AttemptSerializer(serializers.Serializer[Any]):
    """One request to LinkedIn, as far as it concerns this event."""

    at = Moment()
    status_code = serializers.IntegerField(allow_null=True)
    outcome = serializers.ChoiceField(choices=AttemptOutcome.choices)
    message = serializers.CharField()
    request_id = serializers.CharField()
    duration_ms = serializers.IntegerField(allow_null=True)

    def to_representation(self, instance: Delivery) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance.attempt)
        shown["outcome"] = instance.outcome or instance.attempt.outcome
        shown["message"] = instance.message or instance.attempt.message
        return shown


class EventDetailSerializer(EventSerializer):
    """An event with its whole story. `element` is what was sent, null as long as nothing was built."""

    element = serializers.DictField(allow_null=True)
    attempts_log = AttemptSerializer(many=True)

    def to_representation(self, instance: ConversionEvent) -> dict[str, Any]:
        shown = EventSerializer(instance).data
        deliveries = (
            Delivery.objects.filter(event=instance).select_related("attempt").order_by("attempt__at", "pk")
        )
        return {
            **shown,
            "element": json.loads(instance.element) if instance.element else None,
            "attempts_log": AttemptSerializer(deliveries, many=True).data,
        }


# ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────

MOST_WORDS = 200


class ConditionsSerializer(StrictSerializer):
    """What else must hold: each list is a choice of values, of which the lead or deal must have one."""

    sources = serializers.ListField(child=Text(max_length=80), max_length=MOST_WORDS, required=False)
    types = serializers.ListField(child=Text(max_length=60), max_length=MOST_WORDS, required=False)
    countries = serializers.ListField(child=Text(max_length=2), max_length=MOST_WORDS, required=False)
    tags = serializers.ListField(child=Text(max_length=60), max_length=MOST_WORDS, required=False)
    pipelines = serializers.ListField(child=Text(max_length=60), max_length=MOST_WORDS, required=False)
    min_amount = Text(max_length=40, required=False)

    def to_representation(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        return dict(instance)


class RuleSerializer(StrictSerializer):
    """Maps a CRM event to a conversion of LinkedIn's.

    `conversion_id` is the number of the conversion or its URN, as text. With another one, events that were never
    accepted are issued anew. Any change ends a hold of the rule.
    """

    id = serializers.UUIDField(read_only=True)
    name = Text(max_length=120, required=False, allow_blank=True)
    event = serializers.ChoiceField(choices=CrmEvent.choices)
    conversion_id = Text(max_length=60)
    is_active = TrueFalse(required=False)
    value = serializers.ChoiceField(choices=ValuePolicy.choices, required=False)
    fixed_amount = Amount(currency="fixed_currency", required=False, allow_null=True)
    fixed_currency = Currency(required=False)
    repeat = serializers.ChoiceField(choices=Repeat.choices, required=False)
    conditions = ConditionsSerializer(required=False)
    state = serializers.ChoiceField(choices=["active", "inactive", "held"], read_only=True)
    reason = serializers.CharField(source="held_reason", read_only=True)
    message = serializers.CharField(source="held_message", read_only=True)
    created_at = Moment(read_only=True)


class MissingSerializer(serializers.Serializer[Any]):
    """Something the element could carry and does not; it `blocks` if it cannot be sent without."""

    code = serializers.CharField()
    message = serializers.CharField(source="sentence")
    blocks = serializers.BooleanField()


class PreviewSerializer(serializers.Serializer[Any]):
    """The element as it would be sent now, null if it cannot be; and what is missing."""

    element = serializers.DictField(allow_null=True)
    missing = MissingSerializer(many=True)


class BackfillSerializer(serializers.Serializer[Any]):
    """A rule and what happened before it listened: each fact is counted once, where it first applies.

    `already_sent` was recorded by this rule. `excluded` are test and spam leads, addresses of your own, and what the
    conditions leave out. `eligible` is what a backfill records now, or, while it is `running`, what is left of it.
    """

    state = serializers.ChoiceField(choices=["none", "running"])
    eligible = serializers.IntegerField()
    no_identifier = serializers.IntegerField()
    no_consent = serializers.IntegerField()
    too_old = serializers.IntegerField(help_text="LinkedIn takes what is up to 90 days old.")
    already_sent = serializers.IntegerField()
    excluded = serializers.IntegerField()


class RuleFilters(django_filters.FilterSet):
    event = filters.ChoiceFilter(choices=CrmEvent.choices)
    is_active = filters.TrueFalseFilter()
    conversion_id = filters.TextFilter()


class RuleViewSet(CompanyViewSet):
    """Rules. Changing them needs the scope admin."""

    model = Rule
    serializer_class = RuleSerializer
    filterset_class = RuleFilters
    default_ordering = "created_at"
    orderings = {"created_at": F("created_at"), "name": F("name")}
    write_scope = "admin"
    read_ability = Ability.SEE_LINKEDIN
    write_ability = delete_ability = Ability.MANAGE

    def records(self) -> QuerySet[Rule]:
        return Rule.objects.current()

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = cast("RuleChanges", self.changes())
        return self.shown(operations.create_rule(self.principal.company, changes, self.actor), status=201)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        rule, changes = self.get_object(), cast("RuleChanges", self.changes(partial=partial))
        return self.shown(operations.update_rule(rule, changes, self.actor))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    @extend_schema(description="Takes the rule out: its log stays, and what waits for it is cancelled.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        operations.delete_rule(self.get_object(), self.actor)
        return Response(status=204)

    @extend_schema(request=NothingSerializer, responses=RuleSerializer)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End a hold of the rule by hand: what waits is tried now."""
        rule = self.get_object()
        self.body(NothingSerializer)
        operations.release_rule(rule, self.actor)
        return self.shown(rule)

    @extend_schema(
        operation_id="capi_rules_test", request=NothingSerializer, responses={202: EventSerializer}
    )
    @action(detail=True, methods=["post"], url_path="test")
    def send_test(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send a test event: a made-up person, no value, never counted. Its result appears in the log."""
        rule = self.get_object()
        self.body(NothingSerializer)
        return Response(EventSerializer(operations.send_test(rule, self.actor)).data, status=202)

    @extend_schema(
        parameters=[
            OpenApiParameter("lead", OpenApiTypes.UUID, description="For a lead,"),
            OpenApiParameter("deal", OpenApiTypes.UUID, description="or for a deal."),
        ],
        responses=PreviewSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What LinkedIn would be told of a lead or deal if it happened now, to the letter."""
        rule = self.get_object()
        filters.refuse_parameters(request, {"lead", "deal", "format"})
        lead, deal = _subject(request, self.principal)
        if rule.event in _ABOUT_LEADS:
            deal = None
        if lead is None and deal is None:
            raise ValidationError({"deal": "This deal has no lead, and the rule is about leads."})
        return Response(PreviewSerializer(preview(rule, lead=lead, deal=deal)).data)

    @extend_schema(operation_id="capi_rules_backfill", responses=BackfillSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def backfill(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a backfill would tell LinkedIn of, and what not. Counts, and changes nothing."""
        filters.refuse_parameters(request, {"format"})
        return _backfill(self.get_object())

    @extend_schema(
        operation_id="capi_rules_backfill_start",
        request=NothingSerializer,
        responses={202: BackfillSerializer},
    )
    @backfill.mapping.post
    def start_backfill(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Record what happened before the rule listened, oldest first, with its own times. Runs already: goes on."""
        rule = self.get_object()
        self.body(NothingSerializer)
        return _backfill(backfilling.start(rule, self.actor), status=202)

    @extend_schema(operation_id="capi_rules_backfill_stop", responses={204: None})
    @backfill.mapping.delete
    def stop_backfill(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Record nothing more of it. What is recorded is sent; started again, it goes on with the rest."""
        backfilling.stop(self.get_object(), self.actor)
        return Response(status=204)


def _backfill(rule: Rule, status: int = 200) -> Response:
    counts = asdict(backfilling.preview(rule, timezone.now()))
    shown = {**counts, "state": "running" if rule.backfill_until else "none"}
    return Response(BackfillSerializer(shown).data, status=status)


_ABOUT_LEADS = (CrmEvent.LEAD_CREATED, CrmEvent.LEAD_QUALIFIED)


def _subject(request: Request, principal: Principal) -> tuple[Lead | None, Deal | None]:
    named = {name: request.query_params[name] for name in ("lead", "deal") if name in request.query_params}
    if len(named) != 1:
        raise ValidationError({"lead": [ErrorDetail("Give either a lead or a deal.", "required")]})
    if "lead" in named:
        leads = principal.leads().select_related("status", "organization", "lead_type")
        return _named("lead", leads, named["lead"]), None
    deals = principal.deals().select_related("lead__status", "lead__organization", "pipeline")
    deal: Deal = _named("deal", deals, named["deal"])
    return deal.lead, deal


def _named(name: str, rows: QuerySet[Any], pk: str) -> Any:
    found = fields.find_by_id(rows, pk)
    if found is None:
        raise ValidationError({name: [ErrorDetail(f"There is no {name} with this id.", "does_not_exist")]})
    return found


# ── The log ────────────────────────────────────────────────────────────────────────────────────────────


class EventFilters(django_filters.FilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)
    held_by = filters.ChoiceFilter(choices=Holder.choices)
    reason = filters.TextFilter()
    event = filters.ChoiceFilter(choices=CrmEvent.choices)
    rule = filters.IdFilter()
    lead = filters.IdFilter()
    deal = filters.IdFilter()
    is_test = filters.TrueFalseFilter()
    since = filters.since("created_at")
    until = filters.until("created_at")


class ResendSerializer(StrictSerializer):
    """Which events to send again: at least one condition, and all of those given."""

    status = serializers.ChoiceField(choices=Status.choices, required=False)
    held_by = serializers.ChoiceField(choices=Holder.choices, required=False)
    reason = Text(max_length=40, required=False)
    event = serializers.ChoiceField(choices=CrmEvent.choices, required=False)
    rule = Record("rule", "rules", required=False)
    lead = Record("lead", "leads", required=False)
    deal = Record("deal", "deals", required=False)
    since = Moment(required=False)
    until = Moment(required=False)

    def validate_status(self, status: str) -> str:
        if status not in RESENDABLE:
            raise ValidationError(f"Only {', '.join(RESENDABLE)} events can be sent again.")
        return status

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise ValidationError(
                {"status": [ErrorDetail("Say which events: give at least one filter.", "required")]}
            )
        return attrs


class ResentSerializer(serializers.Serializer[Any]):
    """How many events will be sent again."""

    resent = serializers.IntegerField()


class EventViewSet(CompanyViewSet):
    """The log of what LinkedIn was told, newest first."""

    model = ConversionEvent
    serializer_class = EventSerializer
    filterset_class = EventFilters
    orderings = {"created_at": F("created_at"), "happened_at": F("happened_at")}
    read_ability = Ability.SEE_LINKEDIN
    write_ability = Ability.MANAGE
    has_etags = False  # delivery goes on while somebody looks

    def records(self) -> ConversionEventQuerySet:
        return ConversionEvent.objects.all()

    def get_serializer_context(self) -> dict[str, Any]:
        among = {
            "rules": Rule.objects.all,
            "leads": self.principal.leads,
            "deals": self.principal.deals,
        }
        return {**super().get_serializer_context(), **among}

    @extend_schema(responses=EventDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(EventDetailSerializer(self.get_object()).data)

    @extend_schema(request=NothingSerializer, responses=EventSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send it again: same id, same time, same value. 409 for what was accepted, cancelled or is too old."""
        event = self.get_object()
        self.body(NothingSerializer)
        return self.shown(operations.resend(event, self.actor))

    @extend_schema(request=NothingSerializer, responses=EventSerializer)
    @action(detail=True, methods=["post"], url_path="send-now")
    def send_now(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End its settling: it is sent at once."""
        event = self.get_object()
        self.body(NothingSerializer)
        return self.shown(operations.send_now(event, self.actor))

    @extend_schema(request=NothingSerializer, responses=EventSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take it back while it waits. What is on its way cannot be stopped."""
        event = self.get_object()
        self.body(NothingSerializer)
        return self.shown(operations.cancel(event, self.actor))

    @extend_schema(
        operation_id="capi_events_resend_all", request=ResendSerializer, responses=ResentSerializer
    )
    @action(detail=False, methods=["post"], url_path="resend", filter_backends=[], pagination_class=None)
    def resend_all(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Send again all that match and can be: pending, held, skipped or rejected. Test events stay out."""
        wanted = self.body(ResendSerializer)
        lookups = {"since": "created_at__gte", "until": "created_at__lt"}
        events = self.records().filter(**{lookups.get(name, name): value for name, value in wanted.items()})
        return Response({"resent": operations.resend_all(events, self.actor)})


# ── Health ─────────────────────────────────────────────────────────────────────────────────────────────


class ReasonSerializer(serializers.Serializer[Any]):
    """Events of one status for one reason."""

    status = serializers.ChoiceField(choices=Status.choices)
    held_by = serializers.SerializerMethodField()
    reason = serializers.CharField(help_text="A stable code.")
    message = serializers.CharField()
    rule = serializers.UUIDField(source="rule.pk", default=None, help_text="The rule that holds them.")
    count = serializers.IntegerField()
    first_expires_at = Moment(help_text="When the first of them is too old for LinkedIn.")

    def get_held_by(self, reason: Any) -> str | None:
        """As of an event; null unless they are held."""
        return reason.held_by or None


class OfRuleSerializer(serializers.Serializer[Any]):
    """What became of the events of a rule in the last 30 days."""

    rule = serializers.UUIDField(source="rule.pk")
    name = serializers.CharField(source="rule.name")
    recorded = serializers.IntegerField()
    accepted = serializers.IntegerField()
    lost = serializers.IntegerField(help_text="Rejected or expired.")
    waiting = serializers.IntegerField()
    accepted_percent = serializers.IntegerField(
        source="percent", allow_null=True, help_text="Of what LinkedIn has answered for; null if nothing."
    )


class LineSerializer(serializers.Serializer[Any]):
    """How the line to LinkedIn is doing."""

    state = serializers.CharField(help_text="none, active or paused.")
    reason = serializers.CharField(help_text="Why it is paused, as a stable code.")
    last_accepted_at = Moment(allow_null=True)
    waits_until = Moment(allow_null=True)
    failures = serializers.IntegerField(help_text="Failures in a row.")
    breaker_open = serializers.BooleanField(help_text="Whether single events try after many failures.")


class AccountsSerializer(serializers.Serializer[Any]):
    """created = the sum of all statuses, counted apart from each other."""

    created = serializers.IntegerField()
    missing = serializers.IntegerField(
        help_text="Recorded, and not there. Always 0 unless something is wrong."
    )
    adds_up = serializers.BooleanField()


class AlarmSerializer(serializers.Serializer[Any]):
    """Something that is wrong now."""

    kind = serializers.ChoiceField(choices=AlarmKind.choices)
    message = serializers.CharField(source="text")
    raised_at = Moment()


class HealthSerializer(serializers.Serializer[Any]):
    """How delivery is doing."""

    oldest_due_at = Moment(allow_null=True)
    oldest_due_seconds = serializers.SerializerMethodField()
    statuses = serializers.DictField(
        child=serializers.IntegerField(), source="account.counted", help_text="Every event, test events too."
    )
    reasons = ReasonSerializer(many=True)
    rules = OfRuleSerializer(many=True)
    connection = serializers.SerializerMethodField()
    api_version = serializers.CharField(source="version")
    api_version_days_left = serializers.IntegerField(source="version_days_left", allow_null=True)
    possible_duplicates = serializers.IntegerField()
    accounts = AccountsSerializer(source="account")
    alarms = AlarmSerializer(many=True)
    worker_asked_at = Moment(allow_null=True, help_text="When a worker last asked for something to send.")

    def get_oldest_due_seconds(self, found: Health) -> int:
        return round(found.oldest_due.total_seconds())

    @extend_schema_field(LineSerializer)
    def get_connection(self, found: Health) -> dict[str, Any]:
        line = found.connection
        shown = {
            "state": line.state if line else "none",
            "reason": line.held_reason if line else "",
            "last_accepted_at": line.last_accepted_at if line else None,
            "waits_until": line.waits_until
            if line and line.waits_until and line.waits_until > found.at
            else None,
            "failures": line.failures if line else 0,
            "breaker_open": bool(line and line.breaker_open),
        }
        return dict(LineSerializer(shown).data)


class HealthView(CompanyView):
    """What waits and since when, what is held and why, and what LinkedIn takes."""

    read_ability = Ability.SEE_LINKEDIN
    write_ability = delete_ability = Ability.MANAGE

    @extend_schema(operation_id="capi_health", responses=HealthSerializer)
    def get(self, request: Request) -> Response:
        """How delivery is doing now."""
        return Response(HealthSerializer(health(self.principal.company, timezone.now())).data)


# ── Why was this not sent? ─────────────────────────────────────────────────────────────────────────────


class ConversionSerializer(serializers.Serializer[Any]):
    """What became, or will become, of one rule for a lead."""

    rule = serializers.UUIDField(source="rule.pk")
    rule_name = serializers.CharField(source="rule.name")
    rule_event = serializers.ChoiceField(source="rule.event", choices=CrmEvent.choices)
    state = serializers.ChoiceField(
        choices=["sent", "waiting", "held", "skipped", "lost", "cancelled", "future", "never"]
    )
    at = Moment(allow_null=True)
    message = serializers.CharField(source="sentence")
    event = EventSerializer(allow_null=True)


class ConversionsSerializer(serializers.Serializer[Any]):
    """One entry for every rule."""

    results = ConversionSerializer(many=True)


class LeadConversionsView(CompanyView):
    """Answers "why was this not sent?" for a lead."""

    @extend_schema(operation_id="leads_conversions", responses=ConversionsSerializer)
    def get(self, request: Request, pk: str) -> Response:
        """For every rule: sent, waiting, or why not."""
        leads = self.principal.leads().select_related("company", "status", "organization")
        lead = get_object_or_404(leads, pk=pk)
        return Response(ConversionsSerializer({"results": explain.for_lead(self.principal, lead)}).data)


def routes() -> list[URLPattern | URLResolver]:
    """The addresses below /api/v1/."""
    router = SimpleRouter()
    router.register("capi/rules", RuleViewSet, basename="api-capi-rule")
    router.register("capi/events", EventViewSet, basename="api-capi-event")
    return [
        path("capi/connection/", ConnectionView.as_view(), name="api-capi-connection"),
        path("capi/connection/release/", ConnectionReleaseView.as_view(), name="api-capi-connection-release"),
        path("capi/health/", HealthView.as_view(), name="api-capi-health"),
        path("leads/<str:pk>/conversions/", LeadConversionsView.as_view(), name="api-lead-conversions"),
        *router.urls,
    ]
