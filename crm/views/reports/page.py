"""The reports: what is asked for, the page, and the same table as CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from crm import periods
from crm.access import Ability, Principal
from crm.actions.deals import default_pipeline
from crm.exporting import FORMATS
from crm.forms import members
from crm.frame import NavItem
from crm.models import Pipeline, User
from crm.periods import Period
from crm.spreadsheets import csv_lines
from crm.views.page import PageRequest, link_with, member_page
from crm.views.reports.asked import Asked
from crm.views.reports.funnel import funnel_sheet
from crm.views.reports.pipeline import pipeline_sheet
from crm.views.reports.sheet import Sheet
from crm.views.reports.sources import sources_sheet
from crm.views.reports.team import team_sheet

NOBODY: Final = "nobody"
CSV: Final = "csv"


@dataclass(frozen=True)
class Report:
    """A report: its tab, what draws it, and which of the filters make sense for it."""

    route: str
    label: Promise
    draw: Callable[[Principal, Asked], Sheet]
    by_pipeline: bool = False
    with_all_pipelines: bool = False
    by_owner: bool = False


REPORTS: Final = (
    Report("reports", gettext_lazy("Pipeline"), pipeline_sheet, by_pipeline=True, by_owner=True),
    Report(
        "reports_sources",
        gettext_lazy("Win rate"),
        sources_sheet,
        by_pipeline=True,
        with_all_pipelines=True,
        by_owner=True,
    ),
    Report("reports_funnel", gettext_lazy("Funnel"), funnel_sheet, by_owner=True),
    Report("reports_team", gettext_lazy("Team"), team_sheet),
)


@require_safe
@member_page
def report(request: PageRequest, route: str) -> HttpResponse:
    """One of the reports; `?format=csv` gives its table as a file."""
    if not request.principal.can(Ability.READ_REPORTS):
        raise PermissionDenied
    chosen = next(each for each in REPORTS if each.route == route)
    pipelines, owners = list(Pipeline.objects.prefetch_related("stages")), list(members())
    asked, problem = read_asked(request.GET, chosen, pipelines, owners)
    sheet = chosen.draw(request.principal, asked)
    if request.GET.get("format") == CSV:
        return _as_csv(sheet, chosen, asked.period)
    return render(request, "crm/report.html", _context(request.GET, chosen, pipelines, asked, sheet, problem))


def read_asked(
    params: QueryDict, chosen: Report, pipelines: Sequence[Pipeline], owners: Sequence[User]
) -> tuple[Asked, str]:
    """The filters of a URL, and a sentence about what is wrong with its days ("" if nothing is)."""
    period, problem = _period(params, timezone.localdate())
    owner = params.get("owner", "") if chosen.by_owner else ""
    return (
        Asked(
            period=period,
            pipeline=_pipeline(params.get("pipeline", ""), chosen, pipelines),
            people=tuple(owners),
            owner=next((user for user in owners if str(user.pk) == owner), None),
            is_unowned=owner == NOBODY,
        ),
        problem,
    )


def _pipeline(key: str, chosen: Report, pipelines: Sequence[Pipeline]) -> Pipeline | None:
    """With its stages; None where all that count as sales are meant."""
    if not chosen.by_pipeline:
        return None
    found = next((each for each in pipelines if each.key == key), None)
    if found or chosen.with_all_pipelines:
        return found
    default = default_pipeline()
    return next(each for each in pipelines if each == default)


def _period(params: QueryDict, today: dt.date) -> tuple[Period, str]:
    name = params.get("range", "")
    usual = periods.named(name if name in periods.NAMES else periods.DEFAULT, today)
    if name != periods.CUSTOM:
        return usual, ""
    first, last = periods.parsed_day(params.get("from", "")), periods.parsed_day(params.get("to", ""))
    if first is None or last is None:
        return usual, _("Give the first and the last day. These are the last 90 days.")
    if last < first:
        return usual, _("The last day is before the first. These are the last 90 days.")
    if first < periods.EARLIEST or last > periods.LATEST:
        return usual, _("Give days between 1900 and 2200. These are the last 90 days.")
    return Period(periods.CUSTOM, first, last), ""


def _as_csv(sheet: Sheet, chosen: Report, period: Period) -> HttpResponse:
    response = HttpResponse("".join(csv_lines(sheet.file_rows())), content_type=FORMATS[CSV])
    name = f"{chosen.route.replace('_', '-')}-{period.first}-{period.last}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _context(
    params: QueryDict,
    chosen: Report,
    pipelines: Sequence[Pipeline],
    asked: Asked,
    sheet: Sheet,
    problem: str,
) -> dict[str, Any]:
    here = params.copy()
    here.pop("format", None)
    return {
        "report": chosen,
        "sheet": sheet,
        "asked": asked,
        "problem": problem,
        "tabs": _tabs(here, chosen),
        "ranges": [
            NavItem(
                str(words),
                link_with(here, range=name, **_without_days()),
                "",
                current=name == asked.period.name,
            )
            for name, words in periods.NAMES.items()
        ],
        "kept": [(name, value) for name, value in here.items() if name in ("pipeline", "owner")],
        "day_from": params.get("from", "") if problem else asked.period.first.isoformat(),
        "day_to": params.get("to", "") if problem else asked.period.last.isoformat(),
        "owner_choices": _owner_choices(here, asked) if chosen.by_owner else [],
        "pipeline_choices": _pipeline_choices(here, chosen, pipelines, asked) if chosen.by_pipeline else [],
        "csv_url": link_with(here, format=CSV),
    }


def _without_days() -> dict[str, str | None]:
    return {"from": None, "to": None}


def _tabs(here: QueryDict, chosen: Report) -> list[NavItem]:
    """Every tab keeps what the others were asked for: a filter that makes no sense there is left alone."""
    query = f"?{here.urlencode()}" if here else ""
    return [
        NavItem(str(each.label), f"{reverse(each.route)}{query}", "", current=each == chosen)
        for each in REPORTS
    ]


def _pipeline_choices(
    here: QueryDict, chosen: Report, pipelines: Sequence[Pipeline], asked: Asked
) -> list[NavItem]:
    choices = [
        NavItem(each.name, link_with(here, pipeline=each.key), "", current=each == asked.pipeline)
        for each in pipelines
    ]
    if chosen.with_all_pipelines:
        every = NavItem(
            _("All sales pipelines"), link_with(here, pipeline=None), "", current=not asked.pipeline
        )
        choices.insert(0, every)
    return choices


def _owner_choices(here: QueryDict, asked: Asked) -> list[NavItem]:
    choices = [
        NavItem(
            _("Everyone"), link_with(here, owner=None), "", current=not (asked.owner or asked.is_unowned)
        ),
        NavItem(_("Nobody"), link_with(here, owner=NOBODY), "", current=asked.is_unowned),
    ]
    return choices + [
        NavItem(str(user), link_with(here, owner=str(user.pk)), "", current=user == asked.owner)
        for user in asked.people
    ]
