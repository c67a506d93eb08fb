"""The list of leads: built-in views, filters held in the URL, sorting, pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.paginator import Page
from django.db.models import F
from django.db.models.expressions import OrderBy
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm import display, panels
from crm.access import Ability, Principal
from crm.analysis import added_by
from crm.counting import LongPaginator, kept_if_many, pinned_if_few, to_the_minute
from crm.countries import COUNTRIES, countries_by_name, country_names
from crm.customfilters import NO_FILTERS, CustomFilters, read_custom
from crm.forms import members
from crm.frame import NavItem
from crm.models import (
    Consent,
    CustomEntity,
    CustomField,
    Lead,
    LeadQuerySet,
    LeadStatus,
    LeadType,
    Tag,
    User,
    custom_fields_of,
)
from crm.panels import Badge, LeadFilter
from crm.periods import after, midnight, parsed_day
from crm.reports import LeadCounts, lead_counts, untouched_before
from crm.search import search_leads
from crm.texts import gettext_lazy, inside_a_sentence
from crm.views.columns import LEAD_COLUMNS, left_out, own_columns, shown_columns, with_own
from crm.views.customfilters import controls_of, custom_chips
from crm.views.page import PageRequest, for_htmx, into, link_with, link_without_value, member_page
from crm.views.saved_views import default_url, saved_context, views_of

PAGE_ROWS: Final = 50
MOST_SOURCES: Final = 60
NOBODY: Final = "nobody"
ME: Final = "me"

# The name of a view in the URL, and what its tab says.
VIEWS: Final = {
    "open": gettext_lazy("All open"),
    "mine": gettext_lazy("Mine"),
    "untouched": gettext_lazy("Untouched for a week"),
    "all": gettext_lazy("All"),
}
SORTS: Final[dict[str, tuple[str, ...]]] = {
    "name": ("last_name", "first_name"),
    "organization": ("organization__name",),
    "status": ("status__position",),
    "source": ("source",),
    "owner": ("owner__first_name", "owner__last_name"),
    "touch": ("last_touch_at",),
    "created": ("occurred_at",),
    "type": ("lead_type__position",),
    "country": ("country_code",),
    "consent": ("consent",),
}
# What the menu of sorts says, beside the heads of the table.
SORT_WORDS: Final = {
    "-touch": gettext_lazy("Last touch"),
    "touch": gettext_lazy("Longest untouched"),
    "-created": gettext_lazy("Newest"),
    "created": gettext_lazy("Oldest"),
    "name": gettext_lazy("Name"),
    "organization": gettext_lazy("Organization"),
    "status": gettext_lazy("Status"),
    "source": gettext_lazy("Source"),
    "type": gettext_lazy("Type"),
    "owner": gettext_lazy("Owner"),
    "country": gettext_lazy("Country"),
    "consent": gettext_lazy("Consent"),
}
# When somebody was touched last: in so many days, or not.
TOUCHES: Final = {
    "in-7": gettext_lazy("within 7 days"),
    "in-30": gettext_lazy("within 30 days"),
    "in-90": gettext_lazy("within 90 days"),
    "not-30": gettext_lazy("over 30 days ago"),
    "not-90": gettext_lazy("over 90 days ago"),
}
# How far somebody came, whatever their status is now.
REACHED: Final = {"qualified": gettext_lazy("being qualified"), "won": gettext_lazy("a won deal")}
NO_SOURCE: Final = "none"
# Filters without a field of their own: the form of filters passes them on.
KEPT: Final = ("source_is", "added_by")
MAY_BE_MISSING: Final = (
    "organization__",
    "owner__",
    "lead__",
    "lead_type__",
    "amount",
    "expected_close",
    "next_step_on",
)
NEWEST_TOUCH: Final = "-touch"


@dataclass(frozen=True)
class LeadOptions:
    """What the leads of a company can be filtered by."""

    statuses: tuple[LeadStatus, ...]
    types: tuple[LeadType, ...]
    tags: tuple[Tag, ...]
    owners: tuple[User, ...]
    sources: tuple[str, ...]
    customs: tuple[CustomField, ...] = ()


@dataclass(frozen=True)
class LeadFilters:
    """What a list of leads is asked for, read from its URL. Values that do not exist are left out."""

    view: str = "open"
    statuses: tuple[LeadStatus, ...] = ()
    source: str = ""
    owner: User | None = None
    is_unowned: bool = False
    lead_type: LeadType | None = None
    tag: Tag | None = None
    search: str = ""
    sort: str = NEWEST_TOUCH
    country: str = ""
    consent: str = ""
    touched: str = ""
    created_from: dt.date | None = None
    created_to: dt.date | None = None
    reached: str = ""
    is_sourceless: bool = False
    added_by: User | None = None
    theirs: tuple[tuple[LeadFilter, str], ...] = ()
    """Filters of other apps that are set, with their values."""
    custom: CustomFilters = NO_FILTERS

    @property
    def are_set(self) -> bool:
        return bool(
            self.statuses
            or self.country
            or self.consent
            or self.touched
            or self.created_from
            or self.created_to
            or self.reached
            or self.is_sourceless
            or self.added_by
            or self.theirs
            or self.custom
            or self.source
            or self.owner
            or self.is_unowned
            or self.lead_type
            or self.tag
            or self.search
        )


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the list without it."""

    about: str
    value: str
    remove_url: str


@dataclass(frozen=True)
class LeadRow:
    """A lead with what other apps say of it."""

    lead: Lead
    badge: Badge | None


@require_safe
@member_page
def leads(request: PageRequest) -> HttpResponse:
    """The list; htmx gets the part below the page's frame."""
    principal = request.principal
    views = views_of(principal, "lead")
    if url := default_url(principal, views, request.GET):
        return HttpResponseRedirect(url)
    options = lead_options(principal)
    filters = read_filters(request.GET, options, principal)
    counts = lead_counts(principal.leads(), principal.user)
    columns = with_own(LEAD_COLUMNS, options.customs)
    shown = shown_columns(columns, request.GET)
    matching = matching_leads(principal, filters)
    if filters.custom.filters:
        matching = pinned_if_few(matching)
    found = with_columns(matching.for_list(), shown)
    page = LongPaginator(found, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "shown": shown,
        "columns": [column for column in columns if column.key != "ready" or panels.lead_badges],
        "own": own_columns(columns, shown),
        "own_filters": controls_of(options.customs, request.GET),
        "left_out": left_out(request.GET, columns, filters.custom),
        "sorts": [(words, link_with(request.GET, sort=key), key) for key, words in SORT_WORDS.items()],
        "sort_words": SORT_WORDS.get(filters.sort, _("Sort")),
        "countries": countries_by_name(),
        "consents": Consent.choices,
        "touches": TOUCHES,
        "reaches": REACHED,
        "kept": [(name, request.GET[name]) for name in KEPT if request.GET.get(name)],
        "their_filters": [(each, request.GET.get(each.name, "")) for each in panels.lead_filters],
        "filters": filters,
        "options": options,
        "counts": counts,
        **(saved := saved_context(principal, "lead", views, request.GET)),
        "tabs": [*_tabs(filters, counts, is_saved=bool(saved["saved"])), *saved["saved_tabs"]],
        "chips": _chips(request.GET, filters),
        "clear_url": f"?view={filters.view}",
        "rows": rows_of(page.object_list),
        "page": page,
        "has_badges": bool(panels.lead_badges),
        "statuses": options.statuses,
        "list_url": request.get_full_path(),
        "walk": into(request.GET),
        "params": request.GET,
        "assignees": [user for user in options.owners if principal.may_assign(user)],
        "may_hand_over": principal.may_assign(None),
        "may_delete": principal.can(Ability.DELETE),
        **page_links(page, request.GET),
    }
    is_part = request.htmx and request.htmx.target == "list"
    return for_htmx(render(request, "crm/leads.html#list" if is_part else "crm/leads.html", context))


def with_columns(leads: LeadQuerySet, shown: frozenset[str]) -> LeadQuerySet:
    """With what the chosen columns show beyond the usual ones."""
    return leads.prefetch_related("tags") if "tags" in shown else leads


def lead_options(principal: Principal) -> LeadOptions:
    """Everything that can be chosen in the filters: one query each."""
    return LeadOptions(
        statuses=tuple(LeadStatus.objects.all()),
        types=tuple(LeadType.objects.all()),
        tags=tuple(Tag.objects.all()),
        owners=tuple(members()),
        sources=tuple(sources_of(principal)),
        customs=custom_fields_of(CustomEntity.LEAD),
    )


def sources_of(principal: Principal) -> list[str]:
    """The first sources by name; of many leads they may be a minute old."""
    leads = principal.leads()
    sources = leads.exclude(source="").order_by("source").values_list("source", flat=True).distinct()
    return kept_if_many("sources", leads, lambda: list(sources[:MOST_SOURCES]))


def read_filters(params: QueryDict, options: LeadOptions, principal: Principal) -> LeadFilters:
    """The filters of a URL. A closed status or a search looks beyond the open leads by itself."""
    statuses = tuple(status for status in options.statuses if status.key in params.getlist("status"))
    search = " ".join(params.get("search", "").split())
    view = params.get("view", "")
    if view not in VIEWS:
        view = "all" if search else "open"
    if view == "open" and statuses:
        view = "all"
    owner = params.get("owner", "")
    if owner == ME and principal.user:
        owner = str(principal.user.pk)
    sort = params.get("sort", NEWEST_TOUCH)
    return LeadFilters(
        view=view,
        statuses=statuses,
        source=params.get("source", "").replace("\x00", ""),
        owner=next((user for user in options.owners if str(user.pk) == owner), None),
        is_unowned=owner == NOBODY,
        lead_type=next((kind for kind in options.types if kind.key == params.get("type")), None),
        tag=next((tag for tag in options.tags if tag.name_key == params.get("tag", "").lower()), None),
        search=search,
        country=params.get("country", "") if params.get("country") in COUNTRIES else "",
        consent=params.get("consent", "") if params.get("consent") in Consent.values else "",
        touched=params.get("touched", "") if params.get("touched") in TOUCHES else "",
        created_from=parsed_day(params.get("created_from", "")),
        created_to=parsed_day(params.get("created_to", "")),
        reached=params.get("reached", "") if params.get("reached") in REACHED else "",
        is_sourceless=params.get("source_is") == NO_SOURCE,
        added_by=next((user for user in options.owners if str(user.pk) == params.get("added_by")), None),
        theirs=tuple(
            (each, params.get(each.name, ""))
            for each in panels.lead_filters
            if params.get(each.name) in each.choices
        ),
        custom=read_custom((field.values for field in options.customs), params),
        sort=sort if sort.removeprefix("-") in SORTS else NEWEST_TOUCH,
    )


def matching_leads(principal: Principal, filters: LeadFilters) -> LeadQuerySet:
    """The leads that the filters ask for, in order."""
    leads = _in_view(principal, filters)
    if filters.statuses:
        leads = leads.filter(status__in=filters.statuses)
    if filters.source:
        leads = leads.filter(source=filters.source)
    if filters.owner:
        leads = leads.owned_by(filters.owner)
    if filters.is_unowned:
        leads = leads.filter(owner=None)
    if filters.lead_type:
        leads = leads.filter(lead_type=filters.lead_type)
    if filters.tag:
        leads = leads.filter(lead_tags__tag=filters.tag)
    if filters.country:
        leads = leads.filter(country_code=filters.country)
    if filters.consent:
        leads = leads.filter(consent=filters.consent)
    for each, value in filters.theirs:
        leads = each.narrow(leads, principal.company, value)
    leads = filters.custom.narrow(_in_time(_for_reports(leads, principal, filters), filters))
    return search_leads(leads, filters.search).order_by(*ordering(SORTS, filters.sort))


def _for_reports(leads: LeadQuerySet, principal: Principal, filters: LeadFilters) -> LeadQuerySet:
    """By what the numbers of the reports open."""
    if filters.is_sourceless:
        leads = leads.filter(source="")
    if filters.reached == "qualified":
        leads = leads.filter(qualified_at__isnull=False)
    if filters.reached == "won":
        leads = leads.filter(pk__in=principal.deals().sold().order_by().values("lead_id"))
    return added_by(leads, filters.added_by) if filters.added_by else leads


def _in_time(leads: LeadQuerySet, filters: LeadFilters) -> LeadQuerySet:
    """By when they came and when they were touched last; days are those of the company's time zone."""
    zone = timezone.get_current_timezone()
    if filters.created_from:
        leads = leads.filter(occurred_at__gte=midnight(filters.created_from, zone))
    if filters.created_to:
        leads = leads.filter(occurred_at__lt=after(filters.created_to, zone))
    way, _, days = filters.touched.partition("-")
    if not days:
        return leads
    since = to_the_minute(timezone.now()) - dt.timedelta(days=int(days))
    return leads.filter(last_touch_at__gte=since) if way == "in" else leads.filter(last_touch_at__lt=since)


def _in_view(principal: Principal, filters: LeadFilters) -> LeadQuerySet:
    leads = principal.leads()
    if filters.view == "all":
        return leads
    if not filters.statuses:
        leads = leads.open()
    if filters.view == "mine":
        return leads.filter(owner=principal.user)
    if filters.view == "untouched":
        return leads.filter(last_touch_at__lt=untouched_before())
    return leads


def ordering(sorts: dict[str, tuple[str, ...]], sort: str) -> list[OrderBy]:
    """What `name` or `-name` sorts by: empty values last either way, and the id to keep pages apart."""
    is_down = sort.startswith("-")
    return [_by(field, is_down=is_down) for field in (*sorts[sort.removeprefix("-")], "pk")]


def _by(field: str, *, is_down: bool) -> OrderBy:
    # Said only where a value can be missing: an index serves no order that it was not made for.
    nulls_last = True if field.startswith(MAY_BE_MISSING) else None
    return F(field).desc(nulls_last=nulls_last) if is_down else F(field).asc(nulls_last=nulls_last)


def rows_of(leads: Iterable[Lead]) -> list[LeadRow]:
    """The rows of a page, with badges asked for once for all of them."""
    found = list(leads)
    badges = badges_of(found)
    return [LeadRow(lead, badges.get(lead.pk)) for lead in found]


def badges_of(leads: Sequence[Lead]) -> dict[UUID, Badge]:
    """What other apps say of these leads; one call a page for each app."""
    badges: dict[UUID, Badge] = {}
    for give in panels.lead_badges:
        badges.update(give(leads))
    return badges


def page_links(page: Page[Any], params: QueryDict) -> dict[str, str]:
    """Links to the pages beside this one; "" where there is none."""
    return {
        "previous_url": link_with(params, page=str(page.number - 1)) if page.has_previous() else "",
        "next_url": link_with(params, page=str(page.number + 1)) if page.has_next() else "",
    }


def _tabs(filters: LeadFilters, counts: LeadCounts, *, is_saved: bool) -> list[NavItem]:
    numbers = {
        "open": counts.open,
        "mine": counts.mine,
        "untouched": counts.untouched,
        "all": counts.everyone,
    }
    url = reverse("leads")
    return [
        NavItem(
            label,
            f"{url}?view={view}",
            "users",
            count=numbers[view],
            current=view == filters.view and not is_saved,
        )
        for view, label in VIEWS.items()
    ]


def _chips(params: QueryDict, filters: LeadFilters) -> list[Chip]:
    chips = [
        Chip(_("Status is"), status.name, link_without_value(params, "status", status.key))
        for status in filters.statuses
    ]
    single = {
        "search": (_("Found by"), filters.search),
        "source": (_("Source is"), filters.source),
        "owner": (_("Owner is"), str(filters.owner or (_("nobody") if filters.is_unowned else ""))),
        "type": (_("Type is"), str(filters.lead_type or "")),
        "tag": (_("Tagged"), str(filters.tag or "")),
        "country": (_("Country is"), country_names().get(filters.country, "")),
        "consent": (
            _("Consent is"),
            inside_a_sentence(str(Consent(filters.consent).label)) if filters.consent else "",
        ),
        "touched": (_("Last touch"), TOUCHES.get(filters.touched, "")),
        "reached": (_("Came to"), REACHED.get(filters.reached, "")),
        "source_is": (_("Source is"), _("missing") if filters.is_sourceless else ""),
        "added_by": (_("Added by"), str(filters.added_by or "")),
        "created_from": (_("Created since"), _in_words(filters.created_from)),
        "created_to": (_("Created until"), _in_words(filters.created_to)),
        **{
            each.name: (_("{label} is").format(label=each.label), each.choices[value])
            for each, value in filters.theirs
        },
    }
    chips += [
        Chip(about, value, link_with(params, **{name: None}))
        for name, (about, value) in single.items()
        if value
    ]
    return chips + [Chip(*said) for said in custom_chips(params, filters.custom)]


def _in_words(day: dt.date | None) -> str:
    return display.full_date(day) if day else ""
