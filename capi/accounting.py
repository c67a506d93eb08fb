"""Whether every conversion event that was ever recorded is accounted for: nothing vanishes.

    created = accepted + waiting + sending + held + skipped + rejected + expired + cancelled

`created` is counted by the database apart from the rows (`capi.counter`), so that a row that is gone, by whatever
hand, is noticed. Everything here runs in the company's scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Count, IntegerField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from capi.models import ConversionEvent, Recorded, Status
from crm.models import Company

_FOLDED_AT_ONCE: Final = 5_000


@dataclass(frozen=True)
class Account:
    """The sum of one company. `counted` has every status; `rows` is how many events there are, of whatever status."""

    created: int
    rows: int
    counted: Mapping[str, int]

    @property
    def missing(self) -> int:
        """Events that were recorded and are not there; below zero, if some are there that were never counted."""
        return self.created - self.rows

    @property
    def unknown(self) -> int:
        """Events of no status that there is."""
        return self.rows - sum(self.counted.values())

    @property
    def adds_up(self) -> bool:
        return not self.missing and not self.unknown

    def __str__(self) -> str:
        parts = " + ".join(f"{self.counted[status]} {status}" for status in Status.values)
        return f"{self.created} created, {self.rows} there: {parts}"


def account(company: Company) -> Account:
    """Both sides of the sum at one moment: one statement, so that what is recorded meanwhile is no fault."""
    events = ConversionEvent.objects.filter(company=OuterRef("pk"))
    sums = {
        "created": _one(Recorded.objects.filter(company=OuterRef("pk")), Sum("count")),
        "rows": _one(events, Count("pk")),
        **{status: _one(events.filter(status=status), Count("pk")) for status in Status.values},
    }
    row = Company.objects.filter(pk=company.pk).values_list(*sums.values()).get()
    found = {name: int(count) for name, count in zip(sums, row, strict=True)}
    return Account(found.pop("created"), found.pop("rows"), found)


def _one(rows: object, aggregate: Count | Sum) -> Coalesce:
    found = rows.order_by().values("company").annotate(n=aggregate).values("n")  # type: ignore[attr-defined]
    return Coalesce(Subquery(found, output_field=IntegerField()), 0)


@transaction.atomic
def take_out(company: Company, count: int) -> None:
    """Say that so many events were removed on purpose, in the transaction that removes them: sample data, no other."""
    if count:
        Recorded.objects.create(company=company, count=-count)


def fold() -> int:
    """Add up the counts of the company whose scope is open; returns how many rows that saved.

    By their ids: what is counted meanwhile is another row, and waits for the next night.
    """
    saved = 0
    while (folded := _fold_some()) > 1:
        saved += folded - 1
    return saved


@transaction.atomic
def _fold_some() -> int:
    rows = list(Recorded.objects.select_for_update().order_by("at", "pk")[:_FOLDED_AT_ONCE])
    if len(rows) > 1:
        Recorded.objects.filter(pk__in=[row.pk for row in rows]).delete()
        Recorded.objects.create(
            company_id=rows[0].company_id, count=sum(row.count for row in rows), at=rows[0].at
        )
    return len(rows)
