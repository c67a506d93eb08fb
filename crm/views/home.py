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
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm import panels
from crm.access import Ability, Principal
from crm.actions.deals import default_pipeline
from crm.counting import count_of
from crm.models import Invitation, Lead, Membership, Pipeline, Stage, StageKind
from crm.panels import FirstStep
from crm.periods import midnight
from crm.reports import (
    WIN_RATE_DAYS,
    StageTotal,
    add_money,
    in_words,
    lead_counts,
    month_start,
    stage_totals,
    sum_up,
    won_between,
)
from crm.views.page import PageRequest, drawn, member_page
from crm.views.recently import viewed
from crm.views.setup import is_first_run
from crm.views.tasks import rows_of, task_counts

RECENT: Final = 6
MOST_VIEWED: Final = 3
SETUP: Final = "setup"
YOUNG: Final = dt.timedelta(days=30)
# With today seven days.
WEEK: Final = dt.timedelta(days=6)


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
class RecentLead:
    """A lead with why it is here; "" for one's own, whose last touch says enough."""

    lead: Lead
    why: str


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
    is_empty = not Lead.objects.current().exists()
    if is_empty or request.GET.get("view") == SETUP:
        steps = _checklist(principal)
        context: dict[str, Any] = {
            "steps": steps,
            "done": sum(step.is_done for step in steps),
            "is_empty": is_empty,
        }
        return render(request, "crm/first_run.html", context)
    context = {
        **_figures(principal),
        **_my_tasks(principal),
        **_recent(request),
        "unfinished": _unfinished(principal),
        "panels": drawn(request, (give(principal) for give in panels.home_panels)),
    }
    return render(request, "crm/home.html", context)


def _unfinished(principal: Principal) -> int:
    """How many steps of the checklist are left, for those who can take them, while the company is young."""
    if not principal.can(Ability.MANAGE) or principal.company.created_at < timezone.now() - YOUNG:
        return 0
    return sum(not step.is_done for step in _checklist(principal))


def _checklist(principal: Principal) -> list[ToDo]:
    """Six steps for who manages the company; a rep adds a lead. The first that is left is the one to take now."""
    steps = [
        FirstStep(
            _("Add leads"),
            _("Somebody who might buy: the last person who e-mailed you will do."),
            reverse("lead_new"),
            _("New lead"),
            is_done=Lead.objects.current().exists(),
        )
    ]
    if principal.can(Ability.MANAGE):
        steps.append(
            FirstStep(
                _("Invite the team"),
                _("By a link that works once. Agents see their own leads and deals, managers all of them."),
                reverse("settings_team"),
                _("Invite somebody"),
                is_done=Membership.objects.count() > 1 or Invitation.objects.exists(),
            )
        )
    steps += [step for give in panels.first_steps for step in give(principal)]
    now = next((step for step in steps if not step.is_done), None)
    return [
        ToDo(step.title, step.text, step.url, step.verb, step.is_done, is_now=step is now) for step in steps
    ]


def _figures(principal: Principal) -> dict[str, Any]:
    now = timezone.localtime()
    week_began = midnight(now.date() - WEEK, timezone.get_current_timezone())
    pipeline, currency = default_pipeline(), principal.company.currency
    deals = principal.deals().filter(pipeline=pipeline)
    totals = stage_totals(deals.open(), currency, may_be_old=True)
    open_total = sum_up(totals.values(), currency)
    this_month = won_between(deals, month_start(now), now + dt.timedelta(days=1), currency)
    last_month = won_between(deals, month_start(now, 1), month_start(now), currency)
    return {
        "today": now,
        "pipeline": pipeline,
        "counts": lead_counts(principal.leads(), principal.user),
        "new_leads": count_of(principal.leads().filter(occurred_at__gte=week_began)),
        "week_began": week_began.date(),
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
        "forecast": in_words(add_money((*this_month.sums, *open_total.weighted), principal.company.currency)),
    }


def _outcome(principal: Principal, pipeline: Pipeline, now: dt.datetime) -> Outcome:
    since = now - dt.timedelta(days=WIN_RATE_DAYS)
    won, lost = Q(won_at__gte=since), Q(lost_at__gte=since)
    closed = principal.deals().filter(won | lost, pipeline=pipeline).order_by()
    return Outcome(**closed.aggregate(won=Count("pk", filter=won), lost=Count("pk", filter=lost)))


def _my_tasks(principal: Principal) -> dict[str, Any]:
    """One's own, the overdue first."""
    now = principal.company.local_now()
    counts = task_counts(principal, now)
    mine = principal.tasks().assigned_to(principal.user).open().soonest().for_list()
    return {"my_tasks": rows_of(principal, mine[:RECENT], now), "task_counts": counts}


def _recent(request: PageRequest) -> dict[str, Any]:
    """What one has looked at, then one's own by the newest touch; who has neither sees everybody's."""
    principal = request.principal
    leads = principal.leads().for_list()
    places = {pk: place for place, pk in enumerate(viewed(request))}
    seen = sorted(leads.filter(pk__in=places), key=lambda lead: places[lead.pk])[:MOST_VIEWED]
    own = leads.filter(owner=principal.user).exclude(pk__in=[lead.pk for lead in seen])
    mine = list(own.order_by("-last_touch_at", "-pk")[: RECENT - len(seen)])
    lines = [RecentLead(lead, _("You viewed")) for lead in seen] + [RecentLead(lead, "") for lead in mine]
    if not lines:
        newest = leads.order_by("-last_touch_at", "-pk")[:RECENT]
        lines = [RecentLead(lead, "" if lead.owner_id else _("Nobody owns it")) for lead in newest]
    return {"recent": lines, "recent_is_own": bool(mine)}


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
