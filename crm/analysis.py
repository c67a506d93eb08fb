"""The four reports: what became of deals and leads in a span of time, worked out by the database.

Each answers in a fixed number of queries and hands over frozen lines. Currencies are never added up.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import (
    Avg,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    OrderBy,
    Q,
    Sum,
    Value,
    Window,
)
from django.db.models.functions import Coalesce, Lag
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.medians import Median
from crm.models import (
    Activity,
    DealQuerySet,
    DealStageChange,
    LeadQuerySet,
    Stage,
    StageKind,
    TaskQuerySet,
    User,
)
from crm.models.activity import WRITTEN_BY_PEOPLE, ActivityKind
from crm.reports import Money, StageTotal, add_money, stage_totals

Span = tuple[dt.datetime, dt.datetime]
_CENT: Final = Decimal("0.01")
_EMPTY: Final = Value("")


@dataclass(frozen=True)
class Age:
    """How long deals have stood where they are: from so many whole days to less than so many."""

    words: Promise
    days: int
    before: int | None = None

    def holds(self, now: dt.datetime) -> Q:
        """Deals of this age."""
        oldest = Q(stage_since__gt=now - dt.timedelta(days=self.before)) if self.before else Q()
        return oldest & Q(stage_since__lte=now - dt.timedelta(days=self.days)) if self.days else oldest


# What the URL of a list calls them.
AGES: Final = {
    "under-7": Age(_("under 7 days"), 0, 7),
    "7-to-13": Age(_("7 to 13 days"), 7, 14),
    "14-to-29": Age(_("14 to 29 days"), 14, 30),
    "30-or-more": Age(_("30 days or more"), 30),
}


@dataclass(frozen=True)
class Stay:
    """How long deals stood in a stage before they left it, in days; None where none did."""

    count: int = 0
    mean: float | None = None
    median: float | None = None


@dataclass(frozen=True)
class StageLine:
    """A stage: what stands in it now, for how long, and how long those stood there that left."""

    stage: Stage
    total: StageTotal
    ages: tuple[int, ...]
    """In the order of AGES."""
    stay: Stay


@dataclass(frozen=True)
class SourceLine:
    """What became of the deals with people from one source; "" is none."""

    source: str
    won: int = 0
    lost: int = 0
    sums: tuple[Money, ...] = ()
    cycle: Stay = Stay()

    @property
    def closed(self) -> int:
        return self.won + self.lost

    @property
    def rate(self) -> float | None:
        """Per cent won of what was closed."""
        return percent(self.won, self.closed)


@dataclass(frozen=True)
class FunnelLine:
    """The leads of one source, and how far they came."""

    source: str
    leads: int = 0
    qualified: int = 0
    won: int = 0
    sums: tuple[Money, ...] = ()


@dataclass(frozen=True)
class PersonLine:
    """What one person did; `user` is None for deals that nobody owns."""

    user: User | None
    leads: int = 0
    written: Mapping[str, int] = field(default_factory=dict)
    """By kind of activity: notes, calls, meetings, e-mails."""
    tasks: int = 0
    won: int = 0
    sums: tuple[Money, ...] = ()

    @property
    def is_idle(self) -> bool:
        return not (self.leads or any(self.written.values()) or self.tasks or self.won)


def _money(rows: Iterable[Mapping[str, Any]], currency: str) -> tuple[Money, ...]:
    """The totals of rows, the main currency first. SQLite adds decimals as floats, wrong far behind the cent."""
    return add_money(
        (Money(row["currency"], Decimal(str(row["total"] or 0)).quantize(_CENT)) for row in rows), currency
    )


def percent(part: int, whole: int) -> float | None:
    """None of nothing."""
    return 100 * part / whole if whole else None


# --- Pipeline and ageing ------------------------------------------------------------------------------------


def stage_lines(
    deals: DealQuerySet, stages: Sequence[Stage], span: Span, now: dt.datetime, currency: str
) -> list[StageLine]:
    """The open stages of a pipeline, in three queries. `deals` are those of the pipeline; the main currency first."""
    totals = stage_totals(deals.open(), currency)
    ages = _ages(deals.open(), now)
    open_stages = [stage for stage in stages if stage.kind == StageKind.OPEN]
    stays = _stays(deals, open_stages, span)
    none = (0,) * len(AGES)
    return [
        StageLine(
            stage, totals.get(stage.pk, StageTotal()), ages.get(stage.pk, none), stays.get(stage.pk, Stay())
        )
        for stage in open_stages
    ]


def _ages(deals: DealQuerySet, now: dt.datetime) -> dict[UUID, tuple[int, ...]]:
    counts: dict[str, Any] = {
        f"age{place}": Count("pk", filter=age.holds(now)) for place, age in enumerate(AGES.values())
    }
    rows = deals.order_by().values("stage_id").annotate(**counts).values_list("stage_id", *counts)
    return {stage: tuple(ages) for stage, *ages in rows}


def _stays(deals: DealQuerySet, stages: Sequence[Stage], span: Span) -> dict[UUID, Stay]:
    """By stage, for the stays that ended in the span. The history says when each began: one row before.

    A deal that left a stage in the span has changed since its beginning; the history of all others is left alone.
    """
    if not stages:
        return {}
    start, end = span
    stay = ExpressionWrapper(
        F("at") - Window(Lag("at"), partition_by=F("deal_id"), order_by=[_up("at"), _up("id")]),
        output_field=DurationField(),
    )
    changes = DealStageChange.objects.filter(deal__in=deals.filter(stage_since__gte=start).values("pk"))
    history = changes.order_by().values("from_stage_id", "at").annotate(stay=stay)
    found: dict[str, Any] = {}
    for place, stage in enumerate(stages):
        left = Q(from_stage_id=stage.pk, at__gte=start, at__lt=end, stay__isnull=False)
        found[f"count{place}"] = Count("stay", filter=left)
        found[f"mean{place}"] = Avg("stay", filter=left)
        found[f"median{place}"] = Median("stay", filter=left, output_field=DurationField())
    row = history.aggregate(**found)
    return {stage.pk: _stay(row, str(place)) for place, stage in enumerate(stages)}


def _up(name: str) -> OrderBy:
    return F(name).asc()


def _stay(row: Mapping[str, Any], suffix: str = "") -> Stay:
    return Stay(row[f"count{suffix}"] or 0, _days(row[f"mean{suffix}"]), _days(row[f"median{suffix}"]))


def _days(duration: dt.timedelta | None) -> float | None:
    return None if duration is None else duration / dt.timedelta(days=1)


# --- Win rate and sales cycle -------------------------------------------------------------------------------


@dataclass(frozen=True)
class SourceReport:
    """The sources, those with the most closed deals first, and all of them together."""

    lines: list[SourceLine]
    total: SourceLine


def source_lines(deals: DealQuerySet, span: Span, currency: str) -> SourceReport:
    """What was closed in the span, by the source of the deal's lead; three queries."""
    start, end = span
    won, lost = Q(won_at__gte=start, won_at__lt=end), Q(lost_at__gte=start, lost_at__lt=end)
    counts = _by_source(deals.filter(won | lost)).annotate(
        won=Count("pk", filter=won), lost=Count("pk", filter=lost), total=Sum("amount", filter=won)
    )
    cycles = _cycles(deals.filter(won))
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in counts:
        found[row["source"]].append(row)
    lines = [_source_line(source, rows, cycles, currency) for source, rows in found.items()]
    lines.sort(key=lambda line: (-line.closed, line.source.casefold()))
    return SourceReport(lines, _all_sources(lines, deals.filter(won), currency))


def _by_source(deals: DealQuerySet) -> Any:
    return deals.order_by().annotate(source=_source()).values("source", "currency")


def _source() -> Coalesce:
    return Coalesce("lead__source", _EMPTY)


def _cycles(won: DealQuerySet) -> dict[str, Stay]:
    rows = won.order_by().annotate(source=_source()).values("source").annotate(**_cycle())
    return {row["source"]: _stay(row) for row in rows}


def _cycle() -> dict[str, Any]:
    """From the day a deal came to the day it was won."""
    cycle = ExpressionWrapper(F("won_at") - F("occurred_at"), output_field=DurationField())
    return {
        "count": Count("pk"),
        "mean": Avg(cycle),
        "median": Median(cycle, output_field=DurationField()),
    }


def _source_line(
    source: str, rows: Iterable[Mapping[str, Any]], cycles: Mapping[str, Stay], currency: str
) -> SourceLine:
    found = list(rows)
    return SourceLine(
        source,
        sum(row["won"] for row in found),
        sum(row["lost"] for row in found),
        _money(found, currency),
        cycles.get(source, Stay()),
    )


def _all_sources(lines: Sequence[SourceLine], won: DealQuerySet, currency: str) -> SourceLine:
    return SourceLine(
        "",
        sum(line.won for line in lines),
        sum(line.lost for line in lines),
        add_money((money for line in lines for money in line.sums), currency),
        _stay(won.aggregate(**_cycle())),
    )


# --- From source to revenue ---------------------------------------------------------------------------------


def funnel_lines(leads: LeadQuerySet, won_deals: DealQuerySet, currency: str) -> list[FunnelLine]:
    """How far these leads came until today, by source, the largest first; two queries."""
    winners = won_deals.filter(lead__isnull=False).order_by().values("lead_id")
    counts = (
        leads.order_by()
        .values("source")
        .annotate(
            leads=Count("pk"),
            qualified=Count("pk", filter=Q(qualified_at__isnull=False)),
            won=Count("pk", filter=Q(pk__in=winners)),
        )
    )
    sums: dict[str, list[dict[str, Any]]] = defaultdict(list)
    revenue = won_deals.filter(lead__in=leads.order_by().values("pk")).order_by()
    for row in revenue.values("lead__source", "currency").annotate(total=Sum("amount")):
        sums[row["lead__source"]].append(dict(row))
    lines = [
        FunnelLine(
            row["source"], row["leads"], row["qualified"], row["won"], _money(sums[row["source"]], currency)
        )
        for row in counts
    ]
    return sorted(lines, key=lambda line: (-line.leads, line.source.casefold()))


def whole_funnel(lines: Sequence[FunnelLine], currency: str) -> FunnelLine:
    """All sources as one."""
    return FunnelLine(
        "",
        sum(line.leads for line in lines),
        sum(line.qualified for line in lines),
        sum(line.won for line in lines),
        add_money((money for line in lines for money in line.sums), currency),
    )


# --- Activity by person -------------------------------------------------------------------------------------


def person_lines(
    people: Sequence[User],
    leads: LeadQuerySet,
    tasks: TaskQuerySet,
    won: DealQuerySet,
    span: Span,
    currency: str,
) -> list[PersonLine]:
    """What each of `people` did in the span, and who else did something then; five queries."""
    written = _written(span)
    added = _counted(_added(leads, span), "actor_id", "lead_id")
    done = _counted(tasks.done().filter(done_at__gte=span[0], done_at__lt=span[1]), "done_by_id", "pk")
    sold = _sold(won.filter(won_at__gte=span[0], won_at__lt=span[1]))
    everybody = [*people, *_others(people, written, added, done, sold)]
    lines = [
        PersonLine(
            user,
            added.get(user.pk, 0),
            written.get(user.pk, {}),
            done.get(user.pk, 0),
            sum(row["count"] for row in sold.get(user.pk, ())),
            _money(sold.get(user.pk, ()), currency),
        )
        for user in everybody
    ]
    if None in sold:
        lines.append(
            PersonLine(None, won=sum(row["count"] for row in sold[None]), sums=_money(sold[None], currency))
        )
    return lines


def added_by(leads: LeadQuerySet, user: User) -> LeadQuerySet:
    """The leads that this person added, by hand or by an import."""
    return leads.filter(pk__in=_creations().filter(actor=user).values("lead_id"))


def _creations() -> Any:
    return Activity.objects.filter(kind=ActivityKind.CREATED, deal=None, lead__isnull=False).order_by()


def _added(leads: LeadQuerySet, span: Span) -> Any:
    came = leads.filter(occurred_at__gte=span[0], occurred_at__lt=span[1]).order_by()
    return _creations().filter(lead__in=came.values("pk"))


def _written(span: Span) -> dict[Any, dict[str, int]]:
    """By person and kind. What stands in the timeline of archived records was done, too."""
    rows = (
        Activity.objects.filter(
            kind__in=WRITTEN_BY_PEOPLE, at__gte=span[0], at__lt=span[1], actor__isnull=False
        )
        .order_by()
        .values("actor_id", "kind")
        .annotate(count=Count("pk"))
    )
    found: dict[Any, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["actor_id"]][row["kind"]] = row["count"]
    return found


def _counted(rows: Any, by: str, what: str) -> dict[Any, int]:
    """How many different `what` there are for each `by`; what nobody did is left out."""
    counted = rows.order_by().exclude(**{by: None}).values(by).annotate(count=Count(what, distinct=True))
    return {row[by]: row["count"] for row in counted}


def _sold(won: DealQuerySet) -> dict[Any, list[dict[str, Any]]]:
    rows = won.order_by().values("owner_id", "currency").annotate(count=Count("pk"), total=Sum("amount"))
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["owner_id"]].append(dict(row))
    return dict(found)


def _others(people: Sequence[User], *found: Mapping[Any, object]) -> list[User]:
    """Who did something and is no member any more."""
    known = {user.pk for user in people}
    others = {pk for each in found for pk in each if pk and pk not in known}
    return list(User.objects.filter(pk__in=others).order_by("first_name", "last_name", "email"))
