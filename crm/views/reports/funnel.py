"""From lead to revenue, by source."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm import charts
from crm.access import Principal
from crm.analysis import (
    FunnelLine,
    funnel_lines,
    whole_funnel,
)
from crm.charts import Bar, Chart, Part
from crm.display import number
from crm.models import LeadQuerySet
from crm.reports import in_words
from crm.views.reports.asked import SALES, Asked
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
    deals_url,
    described,
    first_of,
    leads_url,
    money_cell,
    money_column,
    share_words,
    source_of,
    source_words,
)


def funnel_sheet(principal: Principal, asked: Asked) -> Sheet:
    """The leads that came in these days, and how far they have come until today, by source."""
    currency = principal.company.currency
    leads = _leads_of(principal, asked)
    lines = funnel_lines(leads, principal.deals().sold(), currency)
    total = whole_funnel(lines, currency)
    money = currencies_of(total.sums)
    return Sheet(
        caption=_("Leads that came from %(days)s, by source") % {"days": asked.period.words},
        first=_("Source"),
        columns=(
            column(_("Leads")),
            column(_("Qualified")),
            column(_("Won")),
            money_column(_("Revenue"), money),
        ),
        lines=tuple(_funnel_row(line, asked, money, source_of(line.source), total.leads) for line in lines),
        total=_funnel_row(total, asked, money, {}, None, _("All")),
        facts=(
            Fact(number(total.leads), ngettext("lead", "leads", total.leads), _came_url(asked)),
            Fact(number(total.qualified), _("qualified"), _came_url(asked, reached="qualified")),
            Fact(number(total.won), _("won"), _came_url(asked, reached="won")),
            Fact(in_words(total.sums), _("revenue"), _revenue_url(asked)),
        ),
        drawings=_funnel_drawings(lines, total),
        remark=_(
            "Leads by the day they came; qualified, won and revenue are what became of them until today, whenever that "
            "was. Won are leads with a deal won in a pipeline that counts as sales; revenue is the sum of those deals."
        ),
        nothing=None if total.leads else _no_leads(asked),
    )


def _leads_of(principal: Principal, asked: Asked) -> LeadQuerySet:
    start, end = asked.span
    leads = principal.leads().filter(occurred_at__gte=start, occurred_at__lt=end)
    if asked.is_unowned:
        return leads.filter(owner=None)
    return leads.owned_by(asked.owner) if asked.owner else leads


def _came_url(asked: Asked, **more: str) -> str:
    first, last = asked.days
    return leads_url(created_from=first, created_to=last, owner=asked.owner_value, **more)


def _revenue_url(asked: Asked, **more: str) -> str:
    first, last = asked.days
    return deals_url(
        **SALES, status="won", lead_from=first, lead_to=last, lead_owner=asked.owner_value, **more
    )


def _funnel_row(
    line: FunnelLine,
    asked: Asked,
    currencies: Sequence[str],
    where: dict[str, str],
    most: int | None,
    label: str = "",
) -> Line:
    return Line(
        label or source_words(line.source),
        (
            count_cell(line.leads, _came_url(asked, **where), bar_of=most),
            count_cell(
                line.qualified, _came_url(asked, reached="qualified", **where), whole=line.leads, bar_of=most
            ),
            count_cell(line.won, _came_url(asked, reached="won", **where), whole=line.leads, bar_of=most),
            money_cell(line.sums, currencies, _revenue_url(asked, **where)),
        ),
    )


def _funnel_drawings(lines: Sequence[FunnelLine], total: FunnelLine) -> tuple[Drawing, ...]:
    steps = (
        Bar(_("Leads"), (Part(total.leads, "rest", _("leads")),), number(total.leads)),
        Bar(
            _("Qualified"),
            (Part(total.qualified, "one", _("qualified")),),
            _step(total.qualified, total.leads),
        ),
        Bar(_("Won"), (Part(total.won, "good", _("won")),), _step(total.won, total.leads)),
    )
    first = lines[:MOST_BARS]
    sources = tuple(
        Bar(
            source_words(line.source),
            (
                Part(line.qualified, "one", _("qualified")),
                Part(line.leads - line.qualified, "rest", _("not qualified")),
            ),
            _("%(part)s of %(whole)s, %(share)s")
            % {
                "part": line.qualified,
                "whole": line.leads,
                "share": share_words(line.qualified, line.leads),
            },
        )
        for line in first
    )
    whole, by_source = _("From lead to won"), _("Qualified by source")
    return (
        Drawing("steps", whole, charts.bars(Chart("steps", whole, described(steps), steps))),
        Drawing(
            "qualified",
            by_source,
            charts.bars(Chart("qualified", by_source, described(sources), sources)),
            (Key("one", _("qualified")), Key("rest", _("not qualified"))),
            first_of(first, lines),
        ),
    )


def _step(part: int, whole: int) -> str:
    return _("%(part)s, %(share)s of the leads") % {"part": number(part), "share": share_words(part, whole)}


def _no_leads(asked: Asked) -> Nothing:
    return Nothing(
        _("No leads came from %(days)s") % {"days": asked.period.words},
        _("Choose other days, import a list, or add the last person who e-mailed you."),
        reverse("lead_new"),
        _("New lead"),
    )
