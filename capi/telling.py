"""Tells webhooks what becomes of conversions. What happened in the CRM they are told by the CRM itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.utils import timezone

from crm import webhook_delivery
from crm.actions import webhooks
from crm.actions.webhooks import Happening
from crm.models import WebhookEvent

if TYPE_CHECKING:
    from capi.models import ConversionEvent

# By the status that an event has come to.
EVENTS: Final[Mapping[str, str]] = {
    "accepted": WebhookEvent.CONVERSION_ACCEPTED,
    "held": WebhookEvent.CONVERSION_HELD,
    "skipped": WebhookEvent.CONVERSION_SKIPPED,
    "rejected": WebhookEvent.CONVERSION_REJECTED,
    "expired": WebhookEvent.CONVERSION_EXPIRED,
    "cancelled": WebhookEvent.CONVERSION_CANCELLED,
}


def tell(event: str, rows: Sequence[ConversionEvent]) -> None:
    """Tell of conversions of one company that came to the status of `event` just now."""
    now = timezone.now()
    happenings = [Happening(event, now, row.pk, row.lead_id) for row in rows]
    if happenings:
        webhooks.tell(rows[0].company_id, happenings)


def tell_of_new(rows: Sequence[ConversionEvent]) -> None:
    """Tell of conversions that were recorded as held or expired in the first place."""
    for status, event in EVENTS.items():
        there = [row for row in rows if row.status == status]
        if there and webhooks.is_wanted(event):
            tell(event, there)


@webhook_delivery.conversion_builders.append
def shown(pk: UUID) -> dict[str, Any] | None:
    """A conversion as `capi/events/` shows it."""
    # Only who sends needs the REST framework.
    from capi.api import EventSerializer
    from capi.models import ConversionEvent

    event = ConversionEvent.objects.filter(pk=pk).first()
    return dict(EventSerializer(event).data) if event else None
