"""What a report's page and its CSV are made of: charts, and a table whose numbers open their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from crm.charts import Bar
from crm.display import number
from crm.reports import Money, in_words

MOST_LINES: Final = 60
MOST_BARS: Final = 8


@dataclass(frozen=True)
class Column:
    """A column of a table. `files` are its columns in the CSV: one for each currency where it is money."""

    label: str
    files: tuple[str, ...]
    css: str = "num"


@dataclass(frozen=True)
class Cell:
    """A number in words, and where its rows are; `plain` is for the CSV, a value for each of the column's files."""

    text: str
    plain: tuple[object, ...]
    url: str = ""
    small: str = ""
    share: float | None = None
    """A bar beneath it, in per cent."""


@dataclass(frozen=True)
class Line:
    """A row of the table. `label` is the text of its head; `icon` and `css` dress it."""

    label: str
    cells: tuple[Cell, ...]
    icon: str = ""
    css: str = ""


@dataclass(frozen=True)
class Key:
    """A colour of a chart, in words."""

    tone: str
    words: str


@dataclass(frozen=True)
class Drawing:
    """A chart with its head, what its colours mean, and a sentence beneath."""

    key: str
    title: str
    svg: SafeString
    keys: tuple[Key, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Fact:
    """A number of the sentence that opens the page, and what it counts."""

    number: str
    words: str
    url: str = ""


@dataclass(frozen=True)
class Nothing:
    """What stands there if there is nothing to report: why, and the one thing to do."""

    title: str
    text: str
    url: str
    verb: str


@dataclass(frozen=True)
class Sheet:
    """A report, ready to be shown."""

    caption: str
    first: str
    """What the lines are: Stage, Source, Person."""
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    total: Line | None
    facts: tuple[Fact, ...]
    drawings: tuple[Drawing, ...]
    remark: str
    nothing: Nothing | None = None

    @property
    def shown(self) -> tuple[Line, ...]:
        return self.lines[:MOST_LINES]

    @property
    def hidden(self) -> int:
        return len(self.lines) - len(self.shown)

    def file_rows(self) -> Iterator[list[object]]:
        """The table for a CSV: its head, then every line, without the sums of all."""
        yield [self.first, *(name for column in self.columns for name in column.files)]
        for line in self.lines:
            yield [line.label, *(value for cell in line.cells for value in cell.plain)]


# --- Columns and cells --------------------------------------------------------------------------------------


def column(label: str) -> Column:
    return Column(label, (label,))


def money_column(label: str, currencies: Sequence[str]) -> Column:
    """One column on the page; in the CSV one for each currency, for they are never added up."""
    return Column(label, tuple(f"{label} {currency}" for currency in currencies), "num money")


def count_cell(count: int, url: str, *, whole: int | None = None, bar_of: int | None = None) -> Cell:
    """A count that opens its rows; with its share of `whole` in small, and a bar as part of `bar_of`."""
    small = share_words(count, whole) if whole is not None else ""
    share = 100 * count / bar_of if bar_of else None
    return Cell(number(count), (count,), url if count else "", small, share)


def money_cell(sums: Sequence[Money], currencies: Sequence[str], url: str = "") -> Cell:
    amounts = {money.currency: money.amount for money in sums}
    return Cell(
        in_words(sums), tuple(amounts.get(currency, "") for currency in currencies), url if sums else ""
    )


def days_cell(days: float | None) -> Cell:
    return Cell(days_words(days), ("" if days is None else f"{days:.1f}",))


def share_cell(share: float | None) -> Cell:
    text = "–" if share is None else share_text(share)
    return Cell(text, ("" if share is None else f"{share:.1f}",))


def days_words(days: float | None) -> str:
    """`12.5`, or a dash for nothing."""
    return "–" if days is None else number(days, 1)


def share_words(part: int, whole: int) -> str:
    return share_text(100 * part / whole) if whole else ""


def share_text(share: float) -> str:
    return _("%(share)s %%") % {"share": f"{share:.0f}"}


def currencies_of(*sums: Sequence[Money]) -> tuple[str, ...]:
    """Each currency once, in the order of the sums."""
    return tuple(dict.fromkeys(money.currency for each in sums for money in each))


# --- Where the rows are -------------------------------------------------------------------------------------


def deals_url(**asked: str) -> str:
    return _list_url("deals", view="list", **asked)


def leads_url(**asked: str) -> str:
    return _list_url("leads", view="all", **asked)


def tasks_url(**asked: str) -> str:
    return _list_url("tasks", view="done", **asked)


def _list_url(name: str, **asked: str) -> str:
    return f"{reverse(name)}?{urlencode({key: value for key, value in asked.items() if value})}"


def source_of(source: str) -> dict[str, str]:
    """The filter of a list for this source; "" is none."""
    return {"source": source} if source else {"source_is": "none"}


def source_words(source: str) -> str:
    return source or _("No source")


# --- Charts -------------------------------------------------------------------------------------------------


def described(bars: Sequence[Bar]) -> str:
    """The chart for those who do not see it: its bars in words."""
    return "; ".join(bar.words for bar in bars)


def first_of(shown: Sequence[object], all_of: Sequence[object]) -> str:
    if len(shown) == len(all_of):
        return ""
    return _("The first %(shown)s of %(all)s; the others are in the table.") % {
        "shown": len(shown),
        "all": len(all_of),
    }
