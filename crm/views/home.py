"""The first page after signing in: a checklist at first, later what one's work comes to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm import panels
from crm.access import Principal
from crm.actions.deals import default_pipeline
from crm.models import Deal, Lead, Pipeline, Stage, StageKind
from crm.reports import (
    WIN_RATE_DAYS,
    StageTotal,
    in_words,
    lead_counts,
    month_start,
    stage_totals,
    sum_up,
    won_between,
)
from crm.views.page import PageRequest, drawn, member_page
from crm.views.setup import is_first_run

RECENT: Final = 6
WEEK: Final = dt.timedelta(days=7)


@dataclass(frozen=True)
class ToDo:
    """A step of the checklist."""

    title: str
    text: str
    url: str
    verb: str
    is_done: bool
    is_now: bool


@dataclass(frozen=True)
class StageLine:
    """A stage in the table of the pipeline; `share` is in per cent of the fullest one."""

    stage: Stage
    total: StageTotal
    share: float
    url: str

    @property
    def sums(self) -> str:
        return in_words(self.total.sums)


@dataclass(frozen=True)
class Outcome:
    """What became of the deals closed in a span of time."""

    won: int
    lost: int

    @property
    def rate(self) -> int | None:
        """Per cent won; None if nothing was closed."""
        closed = self.won + self.lost
        return round(100 * self.won / closed) if closed else None


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Where everybody starts; before there is anybody, the first-run page."""
    if request.user.is_authenticated:
        return _home(request)
    if is_first_run():
        return redirect("setup")
    return redirect_to_login(request.get_full_path())


@member_page
def _home(request: PageRequest) -> HttpResponse:
    principal = request.principal
    added = drawn(request, (give(principal) for give in panels.home_panels))
    steps = _checklist()
    if not all(step.is_done for step in steps):
        context: dict[str, Any] = {
            "steps": steps,
            "done": sum(step.is_done for step in steps),
            "panels": added,
        }
        return render(request, "crm/first_run.html", context)
    return render(request, "crm/home.html", {**_figures(principal), "panels": added})


def _checklist() -> list[ToDo]:
    has_lead, has_deal = Lead.objects.current().exists(), Deal.objects.current().exists()
    return [
        ToDo(
            "Add a lead",
            "Somebody who might buy: the last person who e-mailed you will do.",
            reverse("lead_new"),
            "New lead",
            is_done=has_lead,
            is_now=not has_lead,
        ),
        ToDo(
            "Create a deal",
            "What they might buy, for how much, and how far along it is. Its stages make your pipeline.",
            reverse("deal_new"),
            "New deal",
            is_done=has_deal,
            is_now=has_lead and not has_deal,
        ),
    ]


def _figures(principal: Principal) -> dict[str, Any]:
    now = timezone.localtime()
    pipeline, currency = default_pipeline(), principal.company.currency
    deals = principal.deals().filter(pipeline=pipeline)
    totals = stage_totals(deals.open(), currency)
    open_total = sum_up(totals.values(), currency)
    this_month = won_between(deals, month_start(now), now + dt.timedelta(days=1), currency)
    last_month = won_between(deals, month_start(now, 1), month_start(now), currency)
    return {
        "today": now,
        "pipeline": pipeline,
        "counts": lead_counts(principal.leads(), principal.user),
        "new_leads": principal.leads().filter(occurred_at__gte=now - WEEK).count(),
        "late": deals.open().filter(next_step_on__lt=now.date()).count(),
        "open": open_total,
        "open_sums": in_words(open_total.sums),
        "open_weighted": in_words(open_total.weighted),
        "won": this_month,
        "won_sums": in_words(this_month.sums),
        "won_before": in_words(last_month.sums),
        "last_month": month_start(now, 1),
        "outcome": _outcome(principal, pipeline, now),
        "rate_days": WIN_RATE_DAYS,
        "lines": _lines(pipeline, totals, currency),
        **_recent(principal),
    }


def _outcome(principal: Principal, pipeline: Pipeline, now: dt.datetime) -> Outcome:
    since = now - dt.timedelta(days=WIN_RATE_DAYS)
    closed = principal.deals().filter(pipeline=pipeline).order_by()
    return Outcome(
        **closed.aggregate(
            won=Count("pk", filter=Q(won_at__gte=since)), lost=Count("pk", filter=Q(lost_at__gte=since))
        )
    )


def _recent(principal: Principal) -> dict[str, Any]:
    """One's own leads, newest touch first; who has none sees everybody's."""
    leads = principal.leads().order_by("-last_touch_at").for_list()
    own = list(leads.filter(owner=principal.user)[:RECENT])
    return {"recent": own or list(leads[:RECENT]), "recent_is_own": bool(own)}


def _lines(pipeline: Pipeline, totals: dict[Any, StageTotal], currency: str) -> list[StageLine]:
    stages = [stage for stage in pipeline.stages.all() if stage.kind == StageKind.OPEN]
    sizes = {stage.pk: _size(totals.get(stage.pk, StageTotal()), currency) for stage in stages}
    largest = max(sizes.values(), default=0.0) or 1.0
    url = reverse("deals")
    return [
        StageLine(
            stage,
            totals.get(stage.pk, StageTotal()),
            100 * sizes[stage.pk] / largest,
            f"{url}?view=list&pipeline={pipeline.key}&stage={stage.key}",
        )
        for stage in stages
    ]


def _size(total: StageTotal, currency: str) -> float:
    """How long a bar is: the sum in the company's own currency. Currencies are never added up."""
    return float(sum(money.amount for money in total.sums if money.currency == currency))
