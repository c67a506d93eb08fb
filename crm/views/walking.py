"""From one record to the next in the order and with the filters of the list one came from; the URL carries that list.

`?in=` holds the list's own query, so that the address says nothing that the list's did not. What is beside a record is
found by where it stands (its values of what the list is sorted by), never by counting rows: it works for a record, too,
that an edit has just taken out of the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from crm.models import Deal, Lead
from crm.views import deals as deal_list
from crm.views import leads as lead_list
from crm.views.deal_narrowing import NARROWING
from crm.views.page import LIST, PageRequest, into


@dataclass(frozen=True)
class Walk:
    """Links to the list and to the records beside this one; "" where there is none."""

    list_url: str
    previous_url: str = ""
    next_url: str = ""


def walk_of_lead(request: PageRequest, lead: Lead) -> Walk | None:
    """Where one can go from a lead; None if one did not come from a list."""
    params = _list_of(request)
    if params is None:
        return None
    principal = request.principal
    filters = lead_list.read_filters(params, lead_list.lead_options(principal), principal)
    sorts = lead_list.SORTS[filters.sort.removeprefix("-")]
    found = lead_list.matching_leads(principal, filters)
    before, after = neighbours(found, sorts, lead.pk, is_down=filters.sort.startswith("-"))
    return _walk("lead", "leads", params, before, after)


def walk_of_deal(request: PageRequest, deal: Deal) -> Walk | None:
    """Where one can go from a deal: along the list, or down its column if one came from the board."""
    params = _list_of(request)
    if params is None:
        return None
    options = deal_list.deal_options()
    filters = deal_list.read_filters(params, options)
    found: QuerySet[Deal] = deal_list.matching_deals(request.principal, filters)
    sort = filters.sort
    if params.get("view") != "list":
        on_board = deal_list.read_filters(_of_board(params), options)
        found = deal_list.matching_deals(request.principal, on_board).filter(
            deal_list.is_on_board(timezone.localtime()), stage=deal.stage_id
        )
        sort = deal_list.NEWEST_MOVE
    sorts = deal_list.SORTS[sort.removeprefix("-")]
    before, after = neighbours(found, sorts, deal.pk, is_down=sort.startswith("-"))
    return _walk("deal", "deals", params, before, after)


def _of_board(params: QueryDict) -> QueryDict:
    """The board leaves these filters of the list out."""
    kept = params.copy()
    for name in ("status", "stage", "closed", "sort", *NARROWING):
        kept.pop(name, None)
    return kept


def _list_of(request: PageRequest) -> QueryDict | None:
    query = request.GET.get(LIST)
    return None if query is None else QueryDict(query)


def _walk(noun: str, list_name: str, params: QueryDict, before: UUID | None, after: UUID | None) -> Walk:
    here = into(params)
    query = params.urlencode()
    return Walk(
        f"{reverse(list_name)}?{query}" if query else reverse(list_name),
        reverse(noun, args=[before]) + here if before else "",
        reverse(noun, args=[after]) + here if after else "",
    )


def neighbours(
    found: QuerySet[Any], fields: Sequence[str], pk: UUID, *, is_down: bool
) -> tuple[UUID | None, UUID | None]:
    """The ids before and after a record, sorted by these fields and the id; empty values come last either way."""
    names = (*fields, "pk")
    values = found.model._default_manager.filter(pk=pk).values_list(*names).first()
    if values is None:
        return None, None
    place = tuple(zip(names, values, strict=True))
    return (
        _first(found, place, is_down=is_down, is_back=True),
        _first(found, place, is_down=is_down, is_back=False),
    )


def _first(
    found: QuerySet[Any], place: Sequence[tuple[str, Any]], *, is_down: bool, is_back: bool
) -> UUID | None:
    beyond, same = Q(), Q()
    for name, value in place:
        beyond |= same & _further(name, value, is_down=is_down, is_back=is_back)
        same &= Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    name, value = place[0]
    if not _may_be_missing(name):
        # Follows from the rest; it is what an index can use.
        beyond &= Q(**{f"{name}__{'lte' if is_down != is_back else 'gte'}": value})
    order = [_by(name, is_down=is_down, is_back=is_back) for name, _ in place]
    pk: UUID | None = found.filter(beyond).order_by(*order).values_list("pk", flat=True).first()
    return pk


def _further(name: str, value: Any, *, is_down: bool, is_back: bool) -> Q:
    """What stands beyond a value in that direction."""
    if value is None:
        return Q(**{f"{name}__isnull": False}) if is_back else Q(pk__in=[])
    beyond = Q(**{f"{name}__{'lt' if is_down != is_back else 'gt'}": value})
    return beyond | Q(**{f"{name}__isnull": True}) if _may_be_missing(name) and not is_back else beyond


def _by(name: str, *, is_down: bool, is_back: bool) -> OrderBy:
    """As the list sorts, or the other way round."""
    missing = _may_be_missing(name)
    empty = {"nulls_first": True} if missing and is_back else {"nulls_last": True} if missing else {}
    return F(name).desc(**empty) if is_down != is_back else F(name).asc(**empty)


def _may_be_missing(name: str) -> bool:
    return name.startswith(lead_list.MAY_BE_MISSING)
