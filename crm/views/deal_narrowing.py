"""Filters of the list of deals that the reports' numbers open: by age, closing, source and the lead's own day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import display
from crm.access import Ability, Principal
from crm.analysis import AGES
from crm.models import DealQuerySet, User
from crm.periods import after, midnight, parsed_day

NOBODY: Final = "nobody"
SALES: Final = "sales"
NO_SOURCE: Final = "none"
# Filters without a field of their own: the form of filters passes them on.
KEPT: Final = ("counts", "source", "source_is", "lead_from", "lead_to", "lead_owner")
# Every parameter that is read here.
NARROWING: Final = ("age", "closed_from", "closed_to", *KEPT)


@dataclass(frozen=True)
class Narrowing:
    """What a list of deals is asked for beside its pipeline, owner and stage. Values that do not exist are left out."""

    is_sales: bool = False
    """Of the pipelines that count as sales alone."""
    age: str = ""
    closed_from: dt.date | None = None
    closed_to: dt.date | None = None
    source: str = ""
    is_sourceless: bool = False
    lead_from: dt.date | None = None
    lead_to: dt.date | None = None
    lead_owner: User | None = None
    is_lead_unowned: bool = False

    @property
    def is_about_leads(self) -> bool:
        return bool(
            self.source
            or self.is_sourceless
            or self.lead_from
            or self.lead_to
            or self.lead_owner
            or self.is_lead_unowned
        )


def read_narrowing(params: QueryDict, owners: Sequence[User]) -> Narrowing:
    """The filters of a URL."""
    age, lead_owner = params.get("age", ""), params.get("lead_owner", "")
    return Narrowing(
        is_sales=params.get("counts") == SALES,
        age=age if age in AGES else "",
        closed_from=parsed_day(params.get("closed_from", "")),
        closed_to=parsed_day(params.get("closed_to", "")),
        source=params.get("source", "").replace("\x00", ""),
        is_sourceless=params.get("source_is") == NO_SOURCE,
        lead_from=parsed_day(params.get("lead_from", "")),
        lead_to=parsed_day(params.get("lead_to", "")),
        lead_owner=next((user for user in owners if str(user.pk) == lead_owner), None),
        is_lead_unowned=lead_owner == NOBODY,
    )


def narrow(deals: DealQuerySet, asked: Narrowing, principal: Principal) -> DealQuerySet:
    """The deals that are asked for. What leads say is asked of those alone that the principal may see."""
    if asked.is_about_leads and not principal.can(Ability.SEE_ALL):
        deals = deals.filter(Q(lead=None) | Q(lead__owner=principal.user))
    if asked.is_sales:
        deals = deals.filter(pipeline__counts_as_sales=True)
    if asked.age:
        deals = deals.open().filter(AGES[asked.age].holds(timezone.now()))
    if asked.source:
        deals = deals.filter(lead__source=asked.source)
    if asked.is_sourceless:
        deals = deals.filter(Q(lead=None) | Q(lead__source=""))
    if asked.lead_owner:
        deals = deals.filter(lead__owner=asked.lead_owner)
    if asked.is_lead_unowned:
        deals = deals.filter(lead__isnull=False, lead__owner=None)
    return _led_between(_closed_between(deals, asked), asked)


def _closed_between(deals: DealQuerySet, asked: Narrowing) -> DealQuerySet:
    """Days of the company, both included; an open deal was not closed at all."""
    if asked.closed_from:
        start = _midnight(asked.closed_from)
        deals = deals.filter(Q(won_at__gte=start) | Q(lost_at__gte=start))
    if asked.closed_to:
        end = _after(asked.closed_to)
        deals = deals.filter(Q(won_at__lt=end) | Q(lost_at__lt=end))
    return deals


def _led_between(deals: DealQuerySet, asked: Narrowing) -> DealQuerySet:
    """By the day on which the deal's lead came; archived leads are in no report."""
    if asked.lead_from:
        deals = deals.filter(lead__occurred_at__gte=_midnight(asked.lead_from), lead__archived_at=None)
    if asked.lead_to:
        end = _after(asked.lead_to)
        deals = deals.filter(lead__occurred_at__lt=end, lead__archived_at=None)
    return deals


def narrowing_chips(asked: Narrowing) -> dict[str, tuple[str, str]]:
    """What the chips say, by the parameter that they take away."""
    return {
        "counts": (_("Pipeline"), _("counts as sales") if asked.is_sales else ""),
        "age": (_("In its stage"), str(AGES[asked.age].words) if asked.age else ""),
        "closed_from": (_("Closed since"), _in_words(asked.closed_from)),
        "closed_to": (_("Closed until"), _in_words(asked.closed_to)),
        "source": (_("Source is"), asked.source),
        "source_is": (_("Source is"), _("missing") if asked.is_sourceless else ""),
        "lead_from": (_("Lead came since"), _in_words(asked.lead_from)),
        "lead_to": (_("Lead came until"), _in_words(asked.lead_to)),
        "lead_owner": (
            _("Lead's owner is"),
            str(asked.lead_owner or (_("nobody") if asked.is_lead_unowned else "")),
        ),
    }


def _midnight(day: dt.date) -> dt.datetime:
    return midnight(day, timezone.get_current_timezone())


def _after(day: dt.date) -> dt.datetime:
    return after(day, timezone.get_current_timezone())


def _in_words(day: dt.date | None) -> str:
    return display.full_date(day) if day else ""
