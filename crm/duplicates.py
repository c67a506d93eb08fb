"""Finds leads that are perhaps the same person: by an address, a number, or a name at the same firm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from crm.access import Principal
from crm.models import Lead, LeadEmail, LeadPhone

MOST: Final = 5
MOST_ROWS: Final = 50  # a switchboard's number, say: enough to find some that the reader may see
FEWEST_DIGITS: Final = 6  # shorter numbers are extensions: they say nothing about who it is


@dataclass(frozen=True)
class Duplicate:
    """A lead that may be the same person, and why."""

    lead: Lead
    reason: str


def duplicates_of(principal: Principal, lead: Lead) -> list[Duplicate]:
    """The leads that the reader may see and that share something with this one, the surest first.

    Four queries, each by an index; the lead's own addresses and numbers should be loaded.
    """
    reasons: dict[UUID, str] = {}
    for reason, found in (
        (_("Same e-mail"), _by_email(lead)),
        (_("Same phone"), _by_phone(lead)),
        (_("Same name and organization"), _by_name(principal, lead)),
    ):
        for pk in found:
            reasons.setdefault(pk, reason)
    if not reasons:
        return []
    seen = principal.leads().filter(pk__in=reasons).prefetch_related("emails").in_bulk()
    return [Duplicate(seen[pk], reason) for pk, reason in reasons.items() if pk in seen][:MOST]


def _by_email(lead: Lead) -> list[UUID]:
    keys = [email.address_key for email in lead.emails.all()]
    rows = LeadEmail.objects.filter(address_key__in=keys, lead__archived_at=None).exclude(lead=lead)
    return list(rows.order_by("lead_id").values_list("lead_id", flat=True)[:MOST_ROWS]) if keys else []


def _by_phone(lead: Lead) -> list[UUID]:
    digits = [phone.digits for phone in lead.phones.all() if len(phone.digits) >= FEWEST_DIGITS]
    rows = LeadPhone.objects.filter(digits__in=digits, lead__archived_at=None).exclude(lead=lead)
    return list(rows.order_by("lead_id").values_list("lead_id", flat=True)[:MOST_ROWS]) if digits else []


def _by_name(principal: Principal, lead: Lead) -> list[UUID]:
    if not (lead.organization_id and lead.first_name and lead.last_name):
        return []
    same = principal.leads().filter(
        organization=lead.organization_id,
        first_name__iexact=lead.first_name,
        last_name__iexact=lead.last_name,
    )
    return list(same.exclude(pk=lead.pk).order_by("pk").values_list("pk", flat=True)[:MOST])
