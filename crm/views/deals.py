"""The deals of a pipeline, as a board and as a list; both read the same filters from the URL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from crm import panels
from crm.access import Ability, Principal
from crm.actions.deals import default_pipeline
from crm.analysis import AGES
from crm.counting import LongPaginator, pinned_if_few
from crm.customfilters import NO_FILTERS, CustomFilters, read_custom
from crm.display import relative_day, short_date
from crm.forms import members
from crm.models import (
    CustomEntity,
    CustomField,
    Deal,
    DealQuerySet,
    Pipeline,
    Stage,
    StageKind,
    User,
    custom_fields_of,
)
from crm.panels import Badge
from crm.reports import StageTotal, in_words, month_start, stage_totals, sum_up
from crm.search import search_deals
from crm.texts import gettext_lazy, pgettext_lazy
from crm.views.columns import DEAL_COLUMNS, left_out, own_columns, shown_columns, with_own
from crm.views.customfilters import controls_of, custom_chips
from crm.views.deal_narrowing import KEPT, NARROWING, Narrowing, narrow, narrowing_chips, read_narrowing
from crm.views.leads import Chip, ordering, page_links
from crm.views.page import PageRequest, for_htmx, into, link_with, member_page
from crm.views.saved_views import default_url, saved_context, views_of

PAGE_ROWS: Final = 50
COLUMN_CARDS: Final = 8
MORE_CARDS: Final = 50
MOST_CARDS: Final = 500
ALL_PIPELINES: Final = "all"
FORECAST: Final = "forecast"
STATUSES: Final = {
    "open": gettext_lazy("open"),
    "won": gettext_lazy("won"),
    "lost": gettext_lazy("lost"),
    "closed": gettext_lazy("won or lost"),
    FORECAST: gettext_lazy("open, or won this month"),
}
STEPS: Final = {"late": gettext_lazy("late"), "none": gettext_lazy("missing")}
CLOSED: Final = {
    "this-month": gettext_lazy("this month"),
    "last-month": gettext_lazy("last month"),
    "90-days": gettext_lazy("the last 90 days"),
}
SORTS: Final[dict[str, tuple[str, ...]]] = {
    "title": ("title",),
    "organization": ("organization__name",),
    "amount": ("amount",),
    "stage": ("stage__position",),
    "owner": ("owner__first_name", "owner__last_name"),
    "close": ("expected_close",),
    "next": ("next_step_on",),
    "moved": ("stage_since",),
    "created": ("occurred_at",),
}
SORT_WORDS: Final = {
    "-moved": gettext_lazy("Last moved"),
    "moved": gettext_lazy("Longest in its stage"),
    "-created": gettext_lazy("Newest"),
    "-amount": gettext_lazy("Largest"),
    "close": gettext_lazy("Closing soonest"),
    "next": gettext_lazy("Next step"),
    "title": pgettext_lazy("of a deal", "Title"),
    "stage": gettext_lazy("Stage"),
    "owner": gettext_lazy("Owner"),
}
NEWEST_MOVE: Final = "-moved"


@dataclass(frozen=True)
class DealFilters:
    """What a board or list of deals is asked for, read from its URL. Values that do not exist are left out."""

    pipeline: Pipeline | None
    owner: User | None = None
    is_unowned: bool = False
    step: str = ""
    status: str = ""
    stage: Stage | None = None
    closed: str = ""
    search: str = ""
    sort: str = NEWEST_MOVE
    custom: CustomFilters = NO_FILTERS
    more: Narrowing = field(default_factory=Narrowing)


@dataclass(frozen=True)
class NextStep:
    """What is to be done next, and how urgent: "", today, late or none."""

    text: str
    state: str = ""


@dataclass(frozen=True)
class Card:
    """A deal on the board."""

    deal: Deal
    next: NextStep
    days: int
    badge: Badge | None


@dataclass(frozen=True)
class Column:
    """A stage on the board with the cards that fit."""

    stage: Stage
    total: StageTotal
    cards: tuple[Card, ...]
    is_told: bool
    is_shut: bool
    more_url: str
    fold_url: str

    @property
    def hidden(self) -> int:
        return self.total.count - len(self.cards)

    @property
    def sums(self) -> str:
        return in_words(self.total.sums)

    @property
    def weighted(self) -> str:
        return in_words(self.total.weighted)


@require_safe
@member_page
def deals(request: PageRequest) -> HttpResponse:
    """The board, or the list when the URL asks for it."""
    views = views_of(request.principal, "deal")
    if url := default_url(request.principal, views, request.GET):
        return HttpResponseRedirect(url)
    is_list = request.GET.get("view") == "list"
    context = list_context(request) if is_list else board_context(request, request.GET)
    context |= saved_context(request.principal, "deal", views, request.GET)
    template = "crm/deal_list.html" if is_list else "crm/board.html"
    is_part = request.htmx and request.htmx.target == "deals"
    return for_htmx(render(request, f"{template}#deals" if is_part else template, context))


# --- What is asked for --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DealOptions:
    """What the deals of a company can be filtered by."""

    pipelines: tuple[Pipeline, ...]
    owners: tuple[User, ...]
    customs: tuple[CustomField, ...]


def deal_options() -> DealOptions:
    """Everything that can be chosen in the filters: one query each, and one for the stages."""
    return DealOptions(
        pipelines=tuple(Pipeline.objects.prefetch_related("stages")),
        owners=tuple(members()),
        customs=custom_fields_of(CustomEntity.DEAL),
    )


def read_filters(params: QueryDict, options: DealOptions) -> DealFilters:
    """The filters of a URL. Without a pipeline it is Sales."""
    pipelines, owners = options.pipelines, options.owners
    key, owner, sort = params.get("pipeline", ""), params.get("owner", ""), params.get("sort", NEWEST_MOVE)
    pipeline = next((pipeline for pipeline in pipelines if pipeline.key == key), None)
    if pipeline is None and not (key == ALL_PIPELINES and params.get("view") == "list"):
        pipeline = default_pipeline()
    stages = chain.from_iterable(each.stages.all() for each in pipelines if each == pipeline)
    return DealFilters(
        pipeline=pipeline,
        owner=next((user for user in owners if str(user.pk) == owner), None),
        is_unowned=owner == "nobody",
        step=_known(params, "step", STEPS),
        status=_known(params, "status", STATUSES),
        stage=next((stage for stage in stages if stage.key == params.get("stage")), None),
        closed=_known(params, "closed", CLOSED),
        search=" ".join(params.get("search", "").split()),
        sort=sort if sort.removeprefix("-") in SORTS else NEWEST_MOVE,
        custom=read_custom((field.values for field in options.customs), params),
        more=read_narrowing(params, options.owners),
    )


def _known(params: QueryDict, name: str, values: Iterable[str]) -> str:
    value = params.get(name, "")
    return value if value in values else ""


def matching_deals(principal: Principal, filters: DealFilters) -> DealQuerySet:
    """The deals that the filters ask for."""
    deals = filters.custom.narrow(principal.deals())
    if filters.pipeline:
        deals = deals.filter(pipeline=filters.pipeline)
    if filters.owner:
        deals = deals.owned_by(filters.owner)
    if filters.is_unowned:
        deals = deals.filter(owner=None)
    if filters.status == "closed":
        deals = deals.exclude(status=StageKind.OPEN)
    elif filters.status == FORECAST:
        deals = deals.filter(Q(status=StageKind.OPEN) | Q(won_at__gte=month_start(timezone.localtime())))
    elif filters.status:
        deals = deals.filter(status=filters.status)
    if filters.stage:
        deals = deals.filter(stage=filters.stage)
    if filters.closed:
        start, end = closing_span(filters.closed, timezone.localtime())
        deals = deals.filter(Q(won_at__gte=start, won_at__lt=end) | Q(lost_at__gte=start, lost_at__lt=end))
    deals = narrow(_with_step(deals, filters.step), filters.more, principal)
    return search_deals(deals, filters.search)


def _listed(principal: Principal, filters: DealFilters) -> DealQuerySet:
    deals = matching_deals(principal, filters)
    return pinned_if_few(deals) if filters.custom.filters else deals


def _with_step(deals: DealQuerySet, step: str) -> DealQuerySet:
    if step == "late":
        return deals.open().filter(next_step_on__lt=timezone.localdate())
    if step == "none":
        return deals.open().filter(next_step="")
    return deals


def closing_span(name: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """From when to when a deal was closed, for the words a URL uses."""
    if name == "this-month":
        return month_start(now), now + dt.timedelta(days=1)
    if name == "last-month":
        return month_start(now, 1), month_start(now)
    return now - dt.timedelta(days=90), now + dt.timedelta(days=1)


def chips_of(params: QueryDict, filters: DealFilters) -> list[Chip]:
    """A chip for each filter that is set."""
    single = {
        "search": (_("Found by"), filters.search),
        "owner": (_("Owner is"), str(filters.owner or (_("nobody") if filters.is_unowned else ""))),
        "step": (_("Next step is"), STEPS.get(filters.step, "")),
        "status": (_("Is"), STATUSES.get(filters.status, "")),
        "stage": (_("Stage is"), str(filters.stage or "")),
        "closed": (_("Closed in"), CLOSED.get(filters.closed, "")),
        **narrowing_chips(filters.more),
    }
    chips = [
        Chip(about, value, link_with(params, **{name: None}))
        for name, (about, value) in single.items()
        if value
    ]
    return chips + [Chip(*said) for said in custom_chips(params, filters.custom)]


# --- Cards --------------------------------------------------------------------------------------------------


def cards_of(deals: Sequence[Deal]) -> list[Card]:
    """Deals with what their cards show; badges are asked for once for all of them."""
    badges: dict[UUID, Badge] = {}
    for give in panels.deal_badges:
        badges.update(give(deals))
    now, today = timezone.now(), timezone.localdate()
    return [
        Card(deal, next_step_of(deal, today), (now - deal.stage_since).days, badges.get(deal.pk))
        for deal in deals
    ]


def next_step_of(deal: Deal, today: dt.date) -> NextStep:
    """`Call · in 3 days`; late and missing steps say so."""
    if not deal.next_step:
        return NextStep(_("No next step"), "none")
    if deal.next_step_on is None:
        return NextStep(deal.next_step)
    late = (today - deal.next_step_on).days
    if late > 0:
        return NextStep(
            ngettext("{next_step} · {n} day late", "{next_step} · {n} days late", late).format(
                next_step=deal.next_step, n=late
            ),
            "late",
        )
    if late == 0:
        return NextStep(_("{next_step} · today").format(next_step=deal.next_step), "today")
    when = relative_day(deal.next_step_on, today) if late == -1 else short_date(deal.next_step_on, today)
    return NextStep(f"{deal.next_step} · {when.lower() if late == -1 else when}")


# --- The board ----------------------------------------------------------------------------------------------


def board_context(request: PageRequest, params: QueryDict) -> dict[str, Any]:
    """Everything the board shows. `params` are those of the board's own URL, also after a move."""
    principal = request.principal
    options = deal_options()
    filters = replace(read_filters(params, options), status="", stage=None, closed="", more=Narrowing())
    pipeline = filters.pipeline or default_pipeline()
    on_board = _listed(principal, filters).filter(is_on_board(timezone.localtime()))
    stages = next(list(each.stages.all()) for each in options.pipelines if each == pipeline)
    currency = principal.company.currency
    totals = stage_totals(on_board, currency)
    columns = _columns(pipeline, stages, totals, on_board, params)
    open_total = sum_up(
        (totals[stage.pk] for stage in stages if stage.kind == StageKind.OPEN and stage.pk in totals),
        currency,
    )
    return {
        **_shared(params, filters, options),
        "left_out": left_out(params, with_own(DEAL_COLUMNS, options.customs), filters.custom),
        **_step_counts(principal, filters),
        "pipeline": pipeline,
        "columns": columns,
        "width": sum(not column.is_shut for column in columns),
        "stages": stages,
        "any_told": any(column.is_told for column in columns),
        "open_total": open_total,
        "open_sums": in_words(open_total.sums, _(" and ")),
        "open_weighted": in_words(open_total.weighted, _(" and ")),
        "is_empty": not any(total.count for total in totals.values()),
        "board_url": f"{reverse('deals')}{link_with(params).rstrip('?')}",
    }


def is_on_board(now: dt.datetime) -> Q:
    """Open deals, and those closed this month: the board is about what is going on."""
    start = month_start(now)
    return Q(status=StageKind.OPEN) | Q(won_at__gte=start) | Q(lost_at__gte=start)


def _step_counts(principal: Principal, filters: DealFilters) -> dict[str, int]:
    open_deals = matching_deals(principal, replace(filters, step="")).open()
    return open_deals.order_by().aggregate(
        late=Count("pk", filter=Q(next_step_on__lt=timezone.localdate())),
        stepless=Count("pk", filter=Q(next_step="")),
    )


def _columns(
    pipeline: Pipeline,
    stages: Sequence[Stage],
    totals: dict[UUID, StageTotal],
    deals: DealQuerySet,
    params: QueryDict,
) -> list[Column]:
    told = frozenset(chain.from_iterable(give(pipeline) for give in panels.told_stages))
    shut = {stage.pk for stage in stages if stage.kind == StageKind.LOST and params.get("lost") != "shown"}
    limits = {stage.pk: 0 if stage.pk in shut else _limit(params, stage) for stage in stages}
    by_stage: dict[UUID, list[Card]] = {}
    for card in cards_of(_first_of_each(deals, limits)):
        by_stage.setdefault(card.deal.stage_id, []).append(card)
    return [
        Column(
            stage=stage,
            total=totals.get(stage.pk, StageTotal()),
            cards=tuple(by_stage.get(stage.pk, ())),
            is_told=stage.pk in told,
            is_shut=stage.pk in shut,
            more_url=link_with(params, **{f"show-{stage.key}": str(limits[stage.pk] + MORE_CARDS)}),
            fold_url=link_with(params, lost="shown" if stage.pk in shut else None),
        )
        for stage in stages
    ]


def _limit(params: QueryDict, stage: Stage) -> int:
    asked = params.get(f"show-{stage.key}", "")
    return min(int(asked), MOST_CARDS) if asked.isdecimal() and len(asked) < 6 else COLUMN_CARDS


def _first_of_each(deals: DealQuerySet, limits: dict[UUID, int]) -> list[Deal]:
    """The first cards of every column; those that moved last come first.

    A query for each column: it reads as many rows as there are cards, by the index of stages. One query for all of them
    would number every deal of the pipeline first.
    """
    newest = deals.for_list().order_by("-stage_since", "-pk")
    return [deal for stage, limit in limits.items() if limit for deal in newest.filter(stage=stage)[:limit]]


# --- The list -----------------------------------------------------------------------------------------------


def list_context(request: PageRequest) -> dict[str, Any]:
    """Everything the list shows."""
    params, principal = request.GET, request.principal
    options = deal_options()
    pipelines = options.pipelines
    filters = read_filters(params, options)
    columns = with_own(DEAL_COLUMNS, options.customs)
    shown = shown_columns(columns, params)
    deals = _listed(principal, filters)
    page = LongPaginator(deals.for_list().order_by(*ordering(SORTS, filters.sort)), PAGE_ROWS).get_page(
        params.get("page")
    )
    currency = principal.company.currency
    total = sum_up(stage_totals(deals, currency, may_be_old=True).values(), currency)
    return {
        **_shared(params, filters, options),
        **page_links(page, params),
        "pipeline": filters.pipeline,
        "page": page,
        "cards": cards_of(list(page.object_list)),
        "has_badges": bool(panels.deal_badges),
        "sums": in_words(total.sums, _(" and ")),
        "statuses": STATUSES,
        "stages": [stage for each in pipelines if each == filters.pipeline for stage in each.stages.all()],
        "closings": CLOSED,
        "shown": shown,
        "own": own_columns(columns, shown),
        "left_out": left_out(params, columns, filters.custom),
        "columns": [column for column in columns if column.key != "ready" or panels.deal_badges],
        "ages": AGES,
        "kept": [(name, params[name]) for name in KEPT if params.get(name)],
        "sorts": [(words, link_with(params, sort=key), key) for key, words in SORT_WORDS.items()],
        "sort_words": SORT_WORDS.get(filters.sort, _("Sort")),
        "targets": [
            stage for each in pipelines if filters.pipeline in (each, None) for stage in each.stages.all()
        ],
        "list_url": request.get_full_path(),
        "assignees": [user for user in options.owners if principal.may_assign(user)],
        "may_hand_over": principal.may_assign(None),
        "may_delete": principal.can(Ability.DELETE),
    }


def _shared(params: QueryDict, filters: DealFilters, options: DealOptions) -> dict[str, Any]:
    chips = chips_of(params, filters)
    kept = QueryDict(mutable=True)
    for name in ("pipeline", "view"):
        if params.get(name):
            kept[name] = params.get(name, "")
    return {
        "filters": filters,
        "chips": chips,
        "clear_url": f"?{kept.urlencode()}",
        "owners": options.owners,
        "own_filters": controls_of(options.customs, params),
        "pipelines": [(each, link_with(kept, pipeline=each.key)) for each in options.pipelines],
        "all_pipelines_url": link_with(kept, pipeline=ALL_PIPELINES),
        "board_view_url": link_with(
            params, view=None, status=None, stage=None, closed=None, sort=None, **dict.fromkeys(NARROWING)
        ),
        "list_view_url": link_with(params, view="list"),
        "late_url": link_with(params, step="late"),
        "stepless_url": link_with(params, step="none"),
        "steps": STEPS,
        "params": params,
        "walk": into(params),
    }
