"""`leads/`: the people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import Exists, F, OuterRef, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from crm import search
from crm.access import Ability
from crm.actions import erase as erasing
from crm.actions import leads as actions
from crm.actions import merge as merging
from crm.actions.leads import EmailEntry, PhoneEntry
from crm.api import filters, lead_rows
from crm.api.base import CUSTOMISED, CompanyViewSet
from crm.api.fields import (
    MEMORY,
    CustomValues,
    Key,
    Member,
    Moment,
    NothingSerializer,
    Record,
    StrictSerializer,
    Text,
    TrueFalse,
    optional_text,
)
from crm.api.lead_rows import MODES, MOST_ROWS, BulkResultSerializer
from crm.api.lead_writing import LeadWriter, as_written
from crm.models import Consent, Lead, LeadEmail, LeadPhone, LeadQuerySet, LeadStatus, LeadTag, LeadType

MOST_ADDRESSES = 50


class EmailSerializer(StrictSerializer):
    """An address; the first of a list is the primary one."""

    email = Text(source="address", max_length=254)
    label = optional_text(40)  # type: ignore[assignment]  # DRF takes fields off the class before they clash


class PhoneSerializer(StrictSerializer):
    """A phone number as typed, with its label."""

    number = Text(max_length=40)
    label = optional_text(40)  # type: ignore[assignment]  # DRF takes fields off the class before they clash


_PHONE = {
    "type": "object",
    "required": ["number"],
    "properties": {
        "number": {"type": "string", "minLength": 1, "maxLength": 40},
        "label": {"type": "string", "maxLength": 40},
    },
    "additionalProperties": False,
}


@extend_schema_field({"oneOf": [{"type": "string", "minLength": 1, "maxLength": 40}, _PHONE]})
class Phone(serializers.Field[Any, Any, Any, Any]):
    """A phone number with its label, shown as an object; a number alone will do."""

    def to_internal_value(self, data: Any) -> PhoneEntry:
        phone = PhoneSerializer(data={"number": data} if isinstance(data, str) else data)
        phone.is_valid(raise_exception=True)
        return PhoneEntry(**phone.validated_data)

    def to_representation(self, value: LeadPhone) -> dict[str, str]:
        return {"number": value.number, "label": value.label}


class Phones(serializers.ListField):
    """All phone numbers of a lead."""

    child = Phone()

    def get_attribute(self, instance: Lead) -> list[LeadPhone]:
        return list(instance.phones.all())


class AttributionSerializer(StrictSerializer):
    """Where a lead came from. `event_id` is the id that the browser gave LinkedIn's Insight Tag."""

    li_fat_id = optional_text(300)
    li_fat_id_captured_at = Moment(required=False, allow_null=True)
    utm_source = optional_text(200)
    utm_medium = optional_text(200)
    utm_campaign = optional_text(200)
    utm_term = optional_text(200)
    utm_content = optional_text(200)
    referrer = optional_text(2000)
    landing_page = optional_text(2000)
    event_id = optional_text(2000, source="browser_event_id")
    lead_gen_response = optional_text(120)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        attribution = dict(super().to_internal_value(data))
        if "browser_event_id" in attribution:
            attribution["event_id"] = attribution.pop("browser_event_id")
        return {"attribution": attribution}


class OrganizationName(Text):
    """The firm by its name, found or created; "" for none."""

    def get_attribute(self, instance: Lead) -> str:
        return instance.organization.name if instance.organization else ""


class TagNames(serializers.ListField):
    """Tags by name; a name that is new makes a tag."""

    child = Text(max_length=60)

    def get_attribute(self, instance: Lead) -> list[str]:
        return [tag.name for tag in instance.tags.all()]


class LeadSerializer(StrictSerializer):
    """A person, for the whole of their life.

    PUT and PATCH alike change what is named and leave the rest as it is. `email` sets the primary address and keeps
    the others; `emails` replaces all of them.
    """

    id = serializers.UUIDField(read_only=True)
    first_name = optional_text(80)
    last_name = optional_text(80)
    email = optional_text(254, help_text="The primary address.")
    emails = EmailSerializer(many=True, required=False, max_length=MOST_ADDRESSES)  # type: ignore[call-arg]
    phones = Phones(required=False, max_length=MOST_ADDRESSES)
    title = optional_text(120)
    organization = OrganizationName(required=False, allow_blank=True, max_length=160)
    country_code = optional_text(2, help_text="ISO 3166-1 alpha-2.")
    status = Key(LeadStatus, required=False)
    type = Key(LeadType, required=False, allow_null=True, source="lead_type")
    source = optional_text(80)  # type: ignore[assignment]
    owner = Member(required=False, allow_null=True)
    tags = TagNames(required=False, max_length=MOST_ADDRESSES)
    custom = CustomValues("lead", required=False)
    consent = serializers.ChoiceField(choices=Consent.choices, required=False)
    consent_source = optional_text(80, help_text="By which door it was said; `api` if you name none.")
    consent_text_version = optional_text(40, help_text="Which text the person was shown.")
    consent_at = Moment(
        required=False, allow_null=True, help_text="When the person said so; the time of the request if null."
    )
    external_id = optional_text(190, help_text="Your own id. A POST with a known one updates that lead.")
    occurred_at = Moment(
        required=False, help_text="When they became a lead; said at creation, never changed."
    )
    is_test = TrueFalse(required=False)
    attribution = AttributionSerializer(required=False, source="*")
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)

    def validate_emails(self, entries: list[dict[str, str]]) -> list[EmailEntry]:
        return [EmailEntry(**entry) for entry in entries]


class ErasureSerializer(serializers.Serializer[Any]):
    """That a person was erased. `completed` once nothing about them is on its way to LinkedIn."""

    id = serializers.UUIDField()
    lead = serializers.UUIDField(source="lead_id")
    state = serializers.ChoiceField(choices=["requested", "completed"])
    requested_at = Moment()
    completed_at = Moment(allow_null=True)


class MergeSerializer(StrictSerializer):
    """Into which lead this one is merged."""

    into = Record("lead", "leads")


class LeadRowSerializer(LeadSerializer):
    """A lead of many: as in `POST leads/`, and the `id` of one to be changed."""

    id = serializers.UUIDField(required=False)


@extend_schema_field({"anyOf": [{"$ref": "#/components/schemas/LeadRequest"}, {"type": "object"}]})
class AnyObject(serializers.Field[Any, Any, Any, Any]):
    """An object; what is in it is looked at later."""

    default_error_messages = {"invalid": "Send an object for each row."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data


class BulkSerializer(StrictSerializer):
    """Leads to be added or changed.

    `upsert` (the default) changes the lead that a row's `id` or `external_id` names, and adds one where no lead has
    that `external_id`; `create` only adds, `update` only changes.
    """

    mode = serializers.ChoiceField(choices=MODES, default="upsert")
    rows = serializers.ListField(child=AnyObject(), min_length=1, max_length=MOST_ROWS)


class LeadFilters(django_filters.FilterSet):
    status = filters.KeyFilter(LeadStatus)
    type = filters.KeyFilter(LeadType, field_name="lead_type")
    source = filters.TextFilter()
    owner = filters.MemberFilter()
    email = filters.TextFilter(method="having_email", help_text="Any of their addresses, in any case.")
    tag = filters.TextFilter(method="tagged", help_text="The name of a tag, in any case.")
    organization = filters.TextFilter(field_name="organization__name", lookup_expr="iexact")
    country_code = filters.TextFilter()
    consent = filters.ChoiceFilter(choices=Consent.choices)
    external_id = filters.TextFilter()
    is_test = filters.TrueFalseFilter()
    created_since = filters.since("created_at")
    created_until = filters.until("created_at")
    updated_since = filters.since("updated_at")
    updated_until = filters.until("updated_at")

    def having_email(self, leads: LeadQuerySet, name: str, address: str) -> LeadQuerySet:
        theirs = LeadEmail.objects.filter(lead=OuterRef("pk"), address_key=address.strip().lower())
        return leads.filter(Exists(theirs))

    def tagged(self, leads: LeadQuerySet, name: str, tag: str) -> LeadQuerySet:
        key = " ".join(tag.split()).lower()
        return leads.filter(Exists(LeadTag.objects.filter(lead=OuterRef("pk"), tag__name_key=key)))


class LeadViewSet(CompanyViewSet):
    """People who might buy. Agents see and change their own."""

    model = Lead
    serializer_class = LeadSerializer
    filterset_class = LeadFilters
    filter_backends = CUSTOMISED
    own_entity = "lead"
    searched = "Words of the name, organization, an e-mail address or a phone number."
    orderings = {
        name: F(name)
        for name in ("created_at", "updated_at", "occurred_at", "last_touch_at", "first_name", "last_name")
    }
    field_names: Mapping[str, str] = {
        "lead_type": "type",
        "name": "organization",
        "address": "emails",
        "number": "phones",
        "browser_event_id": "attribution.event_id",
        **{name: f"attribution.{name}" for name in AttributionSerializer._declared_fields},
    }

    def records(self) -> QuerySet[Lead]:
        return self.principal.leads().for_list().prefetch_related("phones", "tags")

    def search(self, leads: LeadQuerySet, text: str) -> LeadQuerySet:
        return search.search_leads(leads, text)

    @extend_schema(
        responses={
            201: LeadSerializer,
            200: OpenApiResponse(
                LeadSerializer, "A lead with this `external_id` was known, and has been updated."
            ),
        }
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes, writer = self.changes(), self._writer()
        lead, is_new = writer.upsert(changes, writer.known(changes.get("external_id")))
        return self.tagged(as_written(lead, changes), 201) if is_new else self.shown(lead)

    @extend_schema(request=BulkSerializer, responses=BulkResultSerializer)
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    def bulk(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add and change up to 1,000 leads. Each row is done or refused by itself, and has a result in its place."""
        wanted = self.body(BulkSerializer)
        reader = LeadRowSerializer(context={**self.get_serializer_context(), MEMORY: {}})
        results = lead_rows.write_rows(self, reader, self._writer(), wanted["rows"], wanted["mode"])
        return Response(lead_rows.summary(results))

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        lead, changes = self.get_object(), self.changes()
        if changes.get("occurred_at", lead.occurred_at) != lead.occurred_at:
            raise ValidationError(
                {"occurred_at": "This is said once, when the lead is added."}, code="read_only"
            )
        return self.shown(self._writer().update(lead, changes))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, **kwargs)

    @extend_schema(description="Archives the lead: it leaves every list, and its history stays.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.archive_lead(self.get_object(), self.actor)
        return Response(status=204)

    @extend_schema(
        request=NothingSerializer,
        responses={
            200: OpenApiResponse(ErasureSerializer, "The person is erased."),
            202: OpenApiResponse(
                ErasureSerializer,
                "The person is erased; a request to LinkedIn was on its way and is awaited.",
            ),
        },
    )
    @action(detail=True, methods=["post"], write_scope="admin", write_ability=Ability.MANAGE)
    def erase(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Forget the person: they are gone from every table, and only a tombstone stays. Archived ones, too."""
        lead = get_object_or_404(Lead.objects.all(), pk=self.kwargs["pk"])
        self.body(NothingSerializer)
        try:
            erasure = erasing.erase_lead(lead, self.actor)
        except Lead.DoesNotExist as gone:
            raise NotFound from gone
        erasure.refresh_from_db()
        return Response(ErasureSerializer(erasure).data, status=200 if erasure.completed_at else 202)

    @extend_schema(
        request=MergeSerializer,
        responses={200: OpenApiResponse(LeadSerializer, "The lead that both are now.")},
    )
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make this lead and another one: `into` gets its addresses, deals, timeline and conversions, keeps its own
        words and the earliest dates, and this id is a 404 from then on. It can be undone on the page for 30 days."""
        loser = self.get_object()
        survivor = self.body(MergeSerializer)["into"]
        merging.merge_leads(survivor, loser, self.actor)
        return self.shown(survivor)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "leads": self.principal.leads}

    def changes(self, **options: Any) -> dict[str, Any]:
        changes = super().changes(**options)
        self.check_own(changes)
        return changes

    def _writer(self) -> LeadWriter:
        return LeadWriter(self.principal, self.actor)
