"""What a report is asked for, and the lists of deals that it counts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.db.models import Q
from django.utils import timezone

from crm.access import Principal
from crm.models import DealQuerySet, Pipeline, User
from crm.periods import Period
from crm.views.reports.sheet import (
    deals_url,
)

SALES: Final = {"pipeline": "all", "counts": "sales"}


@dataclass(frozen=True)
class Asked:
    """What a report is asked for. `pipeline` None: all that count as sales. `people` are the members, by name."""

    period: Period
    pipeline: Pipeline | None
    people: tuple[User, ...]
    owner: User | None = None
    is_unowned: bool = False

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        return self.period.moments(timezone.get_current_timezone())

    @property
    def owner_value(self) -> str:
        """As a list's URL names the owner."""
        return "nobody" if self.is_unowned else str(self.owner.pk) if self.owner else ""

    @property
    def days(self) -> tuple[str, str]:
        return self.period.first.isoformat(), self.period.last.isoformat()

    def deals_of(self, principal: Principal) -> DealQuerySet:
        """The deals of the pipeline and the owner."""
        where = Q(pipeline=self.pipeline) if self.pipeline else Q(pipeline__counts_as_sales=True)
        deals = principal.deals().filter(where)
        if self.is_unowned:
            return deals.filter(owner=None)
        return deals.owned_by(self.owner) if self.owner else deals

    def deals_url(self, **more: str) -> str:
        """The list of those deals, narrowed further."""
        where = {"pipeline": self.pipeline.key} if self.pipeline else SALES
        return deals_url(**where, owner=self.owner_value, **more)

    def closed_url(self, **more: str) -> str:
        first, last = self.days
        return self.deals_url(closed_from=first, closed_to=last, **more)
