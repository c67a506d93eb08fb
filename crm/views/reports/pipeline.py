"""Pipeline and ageing: what stands where, for how long, and how long things stood there that moved on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import charts, display
from crm.access import Principal
from crm.analysis import (
    AGES,
    StageLine,
    stage_lines,
)
from crm.charts import Bar, Chart, Part
from crm.display import number
from crm.reports import in_words, sum_up
from crm.views.reports.asked import Asked
from crm.views.reports.sheet import (
    Cell,
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
    money_cell,
    money_column,
)

TONES: Final = ("rest", "one", "two-of", "three")


def pipeline_sheet(principal: Principal, asked: Asked) -> Sheet:
    """What stands in each stage now and for how long, and how long those stood there that moved on."""
    assert asked.pipeline is not None
    currency, now = principal.company.currency, timezone.now()
    deals = asked.deals_of(principal)
    lines = stage_lines(deals, list(asked.pipeline.stages.all()), asked.span, now, currency)
    total = sum_up((line.total for line in lines), currency)
    oldest = deals.open().order_by("stage_since", "pk").values_list("title", "stage_since").first()
    money = currencies_of(total.sums)
    return Sheet(
        caption=_("Open deals of %(pipeline)s by stage and by days in it") % {"pipeline": asked.pipeline},
        first=_("Stage"),
        columns=(
            column(_("Deals")),
            money_column(_("Sum"), money),
            money_column(_("Weighted"), money),
            *(column(str(age.words).capitalize()) for age in AGES.values()),
            column(_("Moved on")),
            column(_("Average days")),
            column(_("Median days")),
        ),
        lines=tuple(_stage_line(line, asked, money) for line in lines),
        total=_stage_total(lines, asked, money, currency),
        facts=(
            Fact(
                number(total.count),
                ngettext("open deal", "open deals", total.count),
                asked.deals_url(status="open"),
            ),
            Fact(in_words(total.sums), _("in all"), asked.deals_url(status="open")),
            Fact(in_words(total.weighted), _("weighted")),
        ),
        drawings=_stage_drawings(lines, oldest, now),
        remark=_(
            "Deals, sums and days in the stage are those of this moment; weighted is the sum times the stage's chance. "
            "Moved on, average and median are about the deals that left the stage in these days, by the history."
        ),
        nothing=None if total.count or any(line.stay.count for line in lines) else _no_deals(asked),
    )


def _stage_line(line: StageLine, asked: Asked, currencies: Sequence[str]) -> Line:
    url = asked.deals_url(stage=line.stage.key, status="open")
    ages = zip(AGES, line.ages, strict=True)
    return Line(
        line.stage.name,
        (
            count_cell(line.total.count, url),
            money_cell(line.total.sums, currencies, url),
            money_cell(line.total.weighted, currencies),
            *(count_cell(n, asked.deals_url(stage=line.stage.key, age=age)) for age, n in ages),
            count_cell(line.stay.count, ""),
            days_cell(line.stay.mean),
            days_cell(line.stay.median),
        ),
        icon=display.stage_shape(line.stage.kind, line.stage.probability),
        css=f"stage c-{display.stage_colour(line.stage.kind, line.stage.probability)}",
    )


def _stage_total(lines: Sequence[StageLine], asked: Asked, currencies: Sequence[str], currency: str) -> Line:
    total = sum_up((line.total for line in lines), currency)
    url = asked.deals_url(status="open")
    ages = [(age, sum(line.ages[place] for line in lines)) for place, age in enumerate(AGES)]
    return Line(
        _("All"),
        (
            count_cell(total.count, url),
            money_cell(total.sums, currencies, url),
            money_cell(total.weighted, currencies),
            *(count_cell(count, asked.deals_url(age=age)) for age, count in ages),
            count_cell(sum(line.stay.count for line in lines), ""),
            Cell("", ("",)),
            Cell("", ("",)),
        ),
    )


def _stage_drawings(
    lines: Sequence[StageLine], oldest: tuple[str, dt.datetime] | None, now: dt.datetime
) -> tuple[Drawing, ...]:
    ages = tuple(zip((str(age.words) for age in AGES.values()), TONES, strict=True))
    standing = tuple(
        Bar(
            line.stage.name,
            tuple(Part(n, tone, words) for n, (words, tone) in zip(line.ages, ages, strict=True)),
            in_words(line.total.sums),
        )
        for line in lines
    )
    left = tuple(
        Bar(line.stage.name, (Part(round(line.stay.median or 0, 1), "one", _("days")),), _stay_words(line))
        for line in lines
    )
    by_age, by_stay = _("Open deals by stage and age"), _("Median days before a deal moved on")
    return (
        Drawing(
            "ages",
            by_age,
            charts.columns(Chart("ages", by_age, described(standing), standing)),
            tuple(Key(tone, words) for words, tone in ages),
            _oldest_words(oldest, now),
        ),
        Drawing("stays", by_stay, charts.bars(Chart("stays", by_stay, described(left), left))),
    )


def _stay_words(line: StageLine) -> str:
    if not line.stay.count:
        return _("none moved on")
    return ngettext("%(days)s days, %(count)s deal", "%(days)s days, %(count)s deals", line.stay.count) % {
        "days": days_words(line.stay.median),
        "count": line.stay.count,
    }


def _oldest_words(oldest: tuple[str, dt.datetime] | None, now: dt.datetime) -> str:
    if oldest is None:
        return ""
    title, since = oldest
    return _("“%(title)s” has stood longest: %(days)s.") % {
        "title": title,
        "days": display.days_long(since, now),
    }


def _no_deals(asked: Asked) -> Nothing:
    if asked.owner_value:
        return Nothing(
            _("No deals of theirs"),
            _("Nobody moved and nothing is open here for this owner."),
            f"?pipeline={asked.pipeline.key if asked.pipeline else ''}",
            _("Show everyone's"),
        )
    return Nothing(
        _("No deals yet"),
        _("A deal is what somebody might buy. As soon as there is one, its stage and its age stand here."),
        reverse("deal_new"),
        _("Create a deal"),
    )
