"""What each person did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from crm import charts
from crm.access import Principal
from crm.analysis import (
    PersonLine,
    person_lines,
)
from crm.charts import Bar, Chart, Part
from crm.display import number
from crm.models.activity import WRITTEN_BY_PEOPLE
from crm.reports import add_money, in_words
from crm.texts import inside_a_sentence
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
    leads_url,
    money_cell,
    money_column,
    tasks_url,
)

TONES: Final = ("rest", "one", "good", "four")


def team_sheet(principal: Principal, asked: Asked) -> Sheet:
    """What each person did in these days."""
    currency = principal.company.currency
    lines = person_lines(
        asked.people, principal.leads(), principal.tasks(), asked.deals_of(principal), asked.span, currency
    )
    total = _everybody(lines, currency)
    money = currencies_of(total.sums)
    members = {user.pk for user in asked.people}
    return Sheet(
        caption=_("What each person did from %(days)s") % {"days": asked.period.words},
        first=_("Person"),
        columns=(
            column(_("Leads added")),
            *(column(words) for words in _written_words()),
            column(_("Tasks done")),
            column(_("Deals won")),
            money_column(_("Won amount"), money),
        ),
        lines=tuple(_person_row(line, asked, money, members) for line in lines),
        total=_person_row(total, asked, money, set(), _("All")),
        facts=(
            *(
                Fact(number(total.written.get(kind, 0)), inside_a_sentence(str(words)))
                for kind, words in zip(WRITTEN_BY_PEOPLE, _written_words(), strict=True)
            ),
            Fact(number(total.won), _("deals won"), asked.closed_url(status="won")),
        ),
        drawings=_person_drawings(lines),
        remark=_(
            "Leads added by hand or by an import, by the day they came. Notes, calls, meetings and e-mails by the day "
            "they are about, whoever owns the record. Deals of pipelines that count as sales, by their owner of today."
        ),
        nothing=None if any(not line.is_idle for line in lines) else _idle(asked),
    )


def _written_words() -> tuple[str, ...]:
    return (_("Notes"), _("Calls"), _("Meetings"), _("E-mails"))


def _everybody(lines: Iterable[PersonLine], currency: str) -> PersonLine:
    found = list(lines)
    return PersonLine(
        None,
        sum(line.leads for line in found),
        {kind: sum(line.written.get(kind, 0) for line in found) for kind in WRITTEN_BY_PEOPLE},
        sum(line.tasks for line in found),
        sum(line.won for line in found),
        add_money((money for line in found for money in line.sums), currency),
    )


def _person_row(
    line: PersonLine, asked: Asked, currencies: Sequence[str], members: set[UUID], label: str = ""
) -> Line:
    """Lists are filtered by members alone, so the numbers of those who left open nothing."""
    first, last = asked.days
    who = str(line.user.pk) if line.user and line.user.pk in members else ""
    is_all, is_nobody = bool(label), line.user is None and not label
    leads = leads_url(added_by=who, created_from=first, created_to=last) if who else ""
    tasks = tasks_url(done_by=who, done_from=first, done_to=last) if who else ""
    owner = {"owner": who or ("nobody" if is_nobody else "")}
    deals = deals_url(**SALES, **owner, status="won", closed_from=first, closed_to=last)
    deals = deals if who or is_all or is_nobody else ""
    return Line(
        label or (str(line.user) if line.user else _("Nobody")),
        (
            count_cell(line.leads, leads),
            *(count_cell(line.written.get(kind, 0), "") for kind in WRITTEN_BY_PEOPLE),
            count_cell(line.tasks, tasks),
            count_cell(line.won, deals),
            money_cell(line.sums, currencies, deals),
        ),
    )


def _person_drawings(lines: Sequence[PersonLine]) -> tuple[Drawing, ...]:
    busy = sorted(lines, key=lambda line: -_done(line))[:MOST_BARS]
    words = tuple(zip(WRITTEN_BY_PEOPLE, TONES, _written_words(), strict=True))
    done = tuple(
        Bar(
            str(line.user),
            (
                *(Part(line.written.get(kind, 0), tone, each.lower()) for kind, tone, each in words),
                Part(line.tasks, "two-of", _("tasks done")),
            ),
            number(_done(line)),
        )
        for line in busy
        if line.user and _done(line)
    )
    winners = sorted((line for line in lines if line.won), key=lambda line: -line.won)[:MOST_BARS]
    won = tuple(
        Bar(
            str(line.user) if line.user else _("Nobody"),
            (Part(line.won, "good", _("won")),),
            _("%(count)s, %(sums)s") % {"count": line.won, "sums": in_words(line.sums)},
        )
        for line in winners
    )
    activity, deals = _("Activity by person"), _("Deals won by person")
    drawn = []
    if done:
        keys = (*(Key(tone, each.lower()) for _kind, tone, each in words), Key("two-of", _("tasks done")))
        svg = charts.bars(Chart("done", activity, described(done), done))
        drawn.append(Drawing("done", activity, svg, keys))
    if won:
        drawn.append(Drawing("sold", deals, charts.bars(Chart("sold", deals, described(won), won))))
    return tuple(drawn)


def _done(line: PersonLine) -> int:
    return sum(line.written.values()) + line.tasks


def _idle(asked: Asked) -> Nothing:
    return Nothing(
        _("Nothing was written down from %(days)s") % {"days": asked.period.words},
        _(
            "Notes, calls, meetings and e-mails are logged on the page of a lead or deal. Choose other days, or begin."
        ),
        reverse("leads"),
        _("Leads"),
    )
