"""What a search over everything finds: people, deals and organizations that the asker may see, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Count, Model, QuerySet

from crm.access import Principal
from crm.models import Deal, DealQuerySet, Found, Lead, LeadQuerySet, Organization, OrganizationQuerySet
from crm.search import nearly, search_deals, search_leads, search_organizations, words_of

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Some(Sequence[Row]):
    """The first of what was found, and whether there is more."""

    rows: tuple[Row, ...] = ()
    has_more: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]


@dataclass(frozen=True)
class Findings:
    """What was found of each kind. `is_guess`: nothing has these words, but this is nearly called so."""

    leads: Some[Lead] = Some()
    deals: Some[Deal] = Some()
    organizations: Some[Organization] = Some()
    is_guess: bool = False

    def __len__(self) -> int:
        return len(self.leads) + len(self.deals) + len(self.organizations)


def find(principal: Principal, text: str, most: int) -> Findings:
    """Up to `most` of each kind that have every word; where nothing has, what is nearly called so."""
    if not words_of(text):
        return Findings()
    leads, deals, organizations = _visible(principal)
    found = Findings(
        _first(search_leads(leads, text), most),
        _first(search_deals(deals, text), most),
        _first(search_organizations(organizations, text), most),
    )
    return found if len(found) else _guess(principal, text, most)


def recent(principal: Principal, most: int) -> Findings:
    """What happened last: the leads touched and the deals added."""
    leads, deals, _ = _visible(principal)
    return Findings(_first(leads, most), _first(deals, most))


def lead_counts_of(principal: Principal, organizations: Sequence[Organization]) -> dict[UUID, int]:
    """How many leads the asker sees at each of them."""
    ids = [organization.pk for organization in organizations]
    counted = principal.leads().filter(organization__in=ids).order_by().values("organization")
    return dict(counted.annotate(many=Count("pk")).values_list("organization", "many"))


def _visible(principal: Principal) -> tuple[LeadQuerySet, DealQuerySet, OrganizationQuerySet]:
    leads = principal.leads().select_related("status", "organization").prefetch_related("emails")
    deals = principal.deals().select_related("stage", "organization")
    return (
        leads.order_by("-last_touch_at", "-pk"),
        deals.order_by("-created_at", "-pk"),
        principal.organizations().order_by("name", "pk"),
    )


def _guess(principal: Principal, text: str, most: int) -> Findings:
    leads, deals, organizations = _visible(principal)
    return Findings(
        _best(leads, nearly(Found.LEAD, text), most),
        _best(deals, nearly(Found.DEAL, text), most),
        _best(organizations, nearly(Found.ORGANIZATION, text), most),
        is_guess=True,
    )


def _first(rows: QuerySet[Row], most: int) -> Some[Row]:
    found = tuple(rows[: most + 1])
    return Some(found[:most], has_more=len(found) > most)


def _best(rows: QuerySet[Row], ids: list[UUID], most: int) -> Some[Row]:
    """The rows with these ids that may be seen, in the order of the ids."""
    if not ids:
        return Some()
    found = rows.in_bulk(ids)
    return Some(tuple(found[pk] for pk in ids if pk in found)[:most])
