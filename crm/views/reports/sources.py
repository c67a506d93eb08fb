"""Win rate and sales cycle by source."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from crm import charts
from crm.access import Principal
from crm.analysis import (
    SourceLine,
    source_lines,
)
from crm.charts import Bar, Chart, Part
from crm.display import number
from crm.views.reports.asked import Asked
from crm.views.reports.sheet import (
    MOST_BARS,
    Drawing,
    Fact,
    Key,
    Line,
    Nothing,
    Sheet,
    column,
    count_cell,
    currencies_of,
    days_cell,
    days_words,
    described,
    first_of,
    money_cell,
    money_column,
    share_cell,
    share_text,
    source_of,
    source_words,
)


def sources_sheet(principal: Principal, asked: Asked) -> Sheet:
    """Of the deals closed in these days: how many were won, and how long that took, by the source of the lead."""
    found = source_lines(asked.deals_of(principal), asked.span, principal.company.currency)
    total = found.total
    money = currencies_of(total.sums)
    return Sheet(
        caption=_("Deals closed from %(days)s, by the source of their lead") % {"days": asked.period.words},
        first=_("Source"),
        columns=(
            column(_("Won")),
            column(_("Lost")),
            column(_("Win rate")),
            money_column(_("Won amount"), money),
            column(_("Median days to win")),
            column(_("Average days to win")),
        ),
        lines=tuple(_source_row(line, asked, money, source_of(line.source)) for line in found.lines),
        total=_source_row(total, asked, money, {}, _("All")),
        facts=(
            Fact(number(total.won), _("won"), asked.closed_url(status="won")),
            Fact(number(total.lost), _("lost"), asked.closed_url(status="lost")),
            Fact("–" if total.rate is None else share_text(total.rate), _("win rate")),
            Fact(days_words(total.cycle.median), _("days from created to won, median")),
        ),
        drawings=_source_drawings(found.lines),
        remark=_(
            "The win rate is won ÷ (won + lost), by the day of closing. A deal takes from the day it was created to "
            "the day it was won. A deal's source is that of its first lead."
        ),
        nothing=None if total.closed else _nothing_closed(asked),
    )


def _source_row(
    line: SourceLine, asked: Asked, currencies: Sequence[str], where: dict[str, str], label: str = ""
) -> Line:
    won = asked.closed_url(status="won", **where)
    return Line(
        label or source_words(line.source),
        (
            count_cell(line.won, won),
            count_cell(line.lost, asked.closed_url(status="lost", **where)),
            share_cell(line.rate),
            money_cell(line.sums, currencies, won),
            days_cell(line.cycle.median),
            days_cell(line.cycle.mean),
        ),
    )


def _source_drawings(lines: Sequence[SourceLine]) -> tuple[Drawing, ...]:
    first = lines[:MOST_BARS]
    closed = tuple(
        Bar(
            source_words(line.source),
            (Part(line.won, "good", _("won")), Part(line.lost, "muted", _("lost"))),
            _("%(share)s of %(count)s") % {"share": share_text(line.rate or 0), "count": line.closed},
        )
        for line in first
    )
    cycles = tuple(
        Bar(
            source_words(line.source),
            (Part(round(line.cycle.median, 1), "one", _("days")),),
            _("%(days)s days") % {"days": days_words(line.cycle.median)},
        )
        for line in first
        if line.cycle.median is not None
    )
    rate, cycle = _("Won and lost by source"), _("Median days from created to won")
    drawn = [
        Drawing(
            "rates",
            rate,
            charts.bars(Chart("rates", rate, described(closed), closed)),
            (Key("good", _("won")), Key("muted", _("lost"))),
            first_of(first, lines),
        )
    ]
    if cycles:
        drawn.append(Drawing("cycles", cycle, charts.bars(Chart("cycles", cycle, described(cycles), cycles))))
    return tuple(drawn)


def _nothing_closed(asked: Asked) -> Nothing:
    return Nothing(
        _("Nothing was closed from %(days)s") % {"days": asked.period.words},
        _("A deal counts here from the day it is won or lost. Choose other days, or see what is open."),
        asked.deals_url(status="open"),
        _("Open deals"),
    )
