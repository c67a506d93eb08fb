"""The one table that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class WrongCount(Exception):
    """Not every row came in, went, or came out: its speed would say nothing."""


@dataclass(frozen=True)
class Row:
    """A figure of ours, and what stands beside it. Times in milliseconds, rates in a second."""

    name: str
    p50: float | None = None
    p95: float | None = None
    queries: int | None = None
    rate: float | None = None
    beside: str = ""
    beside_rate: float | None = None
    remark: str = ""


_HEAD = ("", "p50 ms", "p95 ms", "queries", "rate/s", "beside", "rate/s", "ratio")


def show(rows: Sequence[Row]) -> str:
    """The rows as aligned text; remarks follow their figure where a comparison would stand."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = [
        "  ".join(_placed(*place) for place in zip(line, widths, range(9), strict=False)) for line in cells
    ]
    return "\n".join(line.rstrip() for line in [lines[0], "-" * len(lines[0]), *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    ratio = row.rate / row.beside_rate if row.rate and row.beside_rate else None
    return (
        row.name,
        _number(row.p50),
        _number(row.p95),
        "" if row.queries is None else str(row.queries),
        _number(row.rate),
        row.beside or row.remark,
        _number(row.beside_rate),
        "" if ratio is None else f"{ratio:.2f}",
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _placed(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column in (0, 5) else text.rjust(width)
