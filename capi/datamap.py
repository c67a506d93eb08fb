"""The LinkedIn side's part of the data map."""

from __future__ import annotations

from django.db.models import Q

from crm import datamap
from crm.datamap import Table
from crm.models import Lead


def _events_of(lead: Lead) -> Q:
    return Q(lead=lead) | Q(told_lead=lead)


datamap.register(
    Table(
        "capi.ConversionEvent",
        "What LinkedIn was told, and what it waits to be told",
        person="event_id element identifiers message",
        plain="event conversion_id currency status held_by reason",
        rows=_events_of,
    ),
    Table(
        "capi.Delivery",
        "Each time one of those was sent",
        person="message",
        plain="outcome",
        rows=lambda lead: Q(event__lead=lead) | Q(event__told_lead=lead),
    ),
    Table(
        "capi.Attempt",
        "Each request to LinkedIn, with its answer, redacted",
        person="message",
        plain="outcome request_id",
        rows=lambda lead: Q(deliveries__event__lead=lead) | Q(deliveries__event__told_lead=lead),
    ),
    Table(
        "capi.Connection",
        "The company's access to LinkedIn",
        staff="saved_label",
        secret="token_sealed",  # noqa: S106  the name of a field
        plain="kind held_reason held_message wait_reason wait_message",
    ),
    Table(
        "capi.LeadForms",
        "Where the company's LinkedIn forms come from",
        secret="secret_sealed token_sealed hook_key",  # noqa: S106  names of fields
        plain="account mapping subscription message",
    ),
    Table(
        "capi.LeadFormNotice",
        "Which LinkedIn forms came in, by their ids",
        person="response message",
        plain="action status digest",
        rows=lambda lead: Q(lead=lead),
    ),
    Table(
        "capi.Rule",
        "Which event is which conversion",
        plain="name event conversion_id value fixed_currency repeat conditions held_reason held_message",
    ),
    Table("capi.Alarm", "What was wrong with it, and when; kept for 180 days", plain="kind key text"),
    Table("capi.Worker", "When each machine last asked for something to deliver", plain="name"),
    Table("capi.Recorded", "How many conversion events were recorded, counted apart from them"),
    Table(
        "capi.AppHold",
        "Whether LinkedIn refuses our API version",
        plain="endpoint linkedin_version held_reason held_message",
    ),
)
