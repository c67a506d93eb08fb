"""Counts and sums for pages: one query each, worked out by the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Q, Sum
from django.utils import timezone

from crm import display
from crm.counting import kept_if_many, to_the_minute
from crm.models import DealQuerySet, LeadQuerySet, StageKind, User

UNTOUCHED_AFTER = dt.timedelta(days=7)
WIN_RATE_DAYS = 90
# A sum of the database: what it is of, how many and how much.
Row = dict[str, object]
_CENT = Decimal("0.01")
_MONEY = DecimalField(max_digits=24, decimal_places=4)


@dataclass(frozen=True)
class Money:
    """A sum in one currency."""

    currency: str
    amount: Decimal

    def __str__(self) -> str:
        return display.money(self.amount, self.currency, short=True)


@dataclass(frozen=True)
class StageTotal:
    """The deals of one stage: how many, their sums and weighted sums, each currency apart."""

    count: int = 0
    sums: tuple[Money, ...] = ()
    weighted: tuple[Money, ...] = ()


@dataclass(frozen=True)
class LeadCounts:
    """How many leads are in each of the built-in views."""

    everyone: int
    open: int
    mine: int
    untouched: int


def untouched_before() -> dt.datetime:
    """A lead whose last touch was before that is untouched; the list and the number that opens it say the same."""
    return to_the_minute(timezone.now()) - UNTOUCHED_AFTER


def lead_counts(leads: LeadQuerySet, user: User | None) -> LeadCounts:
    """The counts of the built-in views, in one query; of many leads they may be a minute old."""
    is_open = Q(status__category__in=("open", "qualified"))

    def counted() -> dict[str, int]:
        return leads.aggregate(
            everyone=Count("pk"),
            open=Count("pk", filter=is_open),
            mine=Count("pk", filter=is_open & Q(owner=user)),
            untouched=Count("pk", filter=is_open & Q(last_touch_at__lt=untouched_before())),
        )

    return LeadCounts(**kept_if_many(f"lead-counts:{user and user.pk}", leads, counted))


def stage_totals(
    deals: DealQuerySet, main_currency: str, *, may_be_old: bool = False
) -> dict[UUID, StageTotal]:
    """Count, sums and weighted sums by stage, in one query. `main_currency` comes first everywhere.

    Of many deals they may be a minute old where `may_be_old` says so, like the count beside them.
    """
    rows = _kept_rows(deals) if may_be_old else _stage_rows(deals)
    by_stage: dict[UUID, list[Row]] = {}
    for row in rows:
        by_stage.setdefault(UUID(str(row["stage_id"])), []).append(row)
    return {stage: _total(found, main_currency) for stage, found in by_stage.items()}


def _stage_rows(deals: DealQuerySet) -> list[Row]:
    weight = ExpressionWrapper(F("amount") * F("stage__probability") / Decimal(100), output_field=_MONEY)
    rows = (
        deals.values("stage_id", "currency")
        .order_by()
        .annotate(count=Count("pk"), total=Sum("amount"), weighted=Sum(weight))
    )
    return [dict(row) for row in rows]


def _kept_rows(deals: DealQuerySet) -> list[Row]:
    def worked_out() -> list[Row]:
        return [
            {name: value if isinstance(value, int) else str(value or "") for name, value in row.items()}
            for row in _stage_rows(deals)
        ]

    return kept_if_many(
        "stage-totals", deals, worked_out, lambda rows: sum(int(str(row["count"])) for row in rows)
    )


def sum_up(totals: Iterable[StageTotal], main_currency: str) -> StageTotal:
    """Several stages as one."""
    found = list(totals)
    return StageTotal(
        count=sum(total.count for total in found),
        sums=add_money((money for total in found for money in total.sums), main_currency),
        weighted=add_money((money for total in found for money in total.weighted), main_currency),
    )


def add_money(parts: Iterable[Money], main_currency: str) -> tuple[Money, ...]:
    """One sum for each currency; the main one first, the others by size."""
    sums: dict[str, Decimal] = {}
    for part in parts:
        sums[part.currency] = sums.get(part.currency, Decimal(0)) + part.amount
    found = [Money(currency, amount) for currency, amount in sums.items() if currency and amount]
    return tuple(sorted(found, key=lambda money: (money.currency != main_currency, -money.amount)))


def won_between(deals: DealQuerySet, start: dt.datetime, end: dt.datetime, main_currency: str) -> StageTotal:
    """What was won in a span of time."""
    won = deals.filter(status=StageKind.WON, won_at__gte=start, won_at__lt=end).order_by()
    rows = won.values("currency").annotate(count=Count("pk"), total=Sum("amount"), weighted=Sum("amount"))
    return _total([dict(row) for row in rows], main_currency)


def month_start(now: dt.datetime, months_ago: int = 0) -> dt.datetime:
    """The first moment of the month, in the time zone of `now`."""
    month = now.year * 12 + now.month - 1 - months_ago
    return now.replace(
        year=month // 12, month=month % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0
    )


def in_words(sums: Iterable[Money], joint: str = " + ") -> str:
    """`€112,400 + $24,000`; each currency stays apart. A dash where there is nothing."""
    return joint.join(str(money) for money in sums) or "–"


def _total(rows: list[Row], main_currency: str) -> StageTotal:
    return StageTotal(
        count=sum(int(str(row["count"])) for row in rows),
        sums=add_money((_money(row, "total") for row in rows), main_currency),
        weighted=add_money((_money(row, "weighted") for row in rows), main_currency),
    )


def _money(row: Row, key: str) -> Money:
    # SQLite adds decimals as floats: what it got wrong is far behind the cent.
    return Money(str(row["currency"]), Decimal(str(row[key] or 0)).quantize(_CENT))
