"""Health: whether events flow, what is held and what cures it, what LinkedIn takes, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from capi import log, story, versions
from capi.accounting import Account
from capi.health import Health, Reason
from capi.health import health as look
from capi.models import Alarm, AlarmKind, Holder, Status
from capi.payload import SENDABLE_DAYS
from capi.told import told
from capi.views.door import linkedin_page, tabs
from capi.wording import SENTENCES
from crm.access import Ability
from crm.views.page import PageRequest

_SHOWN_ELSEWHERE: Final = (
    AlarmKind.TOKEN,
    AlarmKind.PERMISSION,
    AlarmKind.RULE,
    AlarmKind.VERSION,
    AlarmKind.FUSE,
)


@dataclass(frozen=True)
class Held:
    """Events held for one reason: why, how long the first can wait, and where to mend it."""

    reason: Reason
    text: str
    percent: int
    tone: str
    words: str
    url: str
    verb: str


@dataclass(frozen=True)
class Part:
    """A part of the sum: a status and how many events have it."""

    label: str
    count: int
    url: str


@dataclass(frozen=True)
class State:
    """The first words of the page."""

    words: str
    tone: str


@linkedin_page(Ability.SEE_LINKEDIN)
def health(request: PageRequest) -> HttpResponse:
    """How delivery is doing now."""
    now = timezone.now()
    found = look(request.principal.company, now)
    summary = log.Summary.now()
    context = {
        "health": found,
        "state": _state(found),
        "oldest_due": story.span(found.oldest_due) if found.oldest_due_at else "",
        "held": [
            _held(reason, now, may_change=request.principal.can(Ability.MANAGE)) for reason in found.held
        ],
        "fuse_days": _days(min((reason.first_expires_at for reason in found.held), default=None), now),
        "parts": _parts(found.account),
        "alarms": _alarms(found.alarms),
        "lasts_until": versions.last_day(found.version),
        "summary": summary,
        "tabs": tabs("health", summary),
        "may_change": request.principal.can(Ability.MANAGE),
    }
    return render(request, "capi/health.html", context)


def _state(found: Health) -> State:
    line = found.connection
    if line is None or not line.token_sealed:
        return State(_("Not connected."), "warn")
    if line.is_held:
        return State(_("Stopped."), "bad")
    if found.is_deaf:
        return State(_("Nobody is sending."), "bad")
    if line.breaker_open or line.failures:
        return State(_("LinkedIn does not answer as it should."), "warn")
    return State(_("Flowing."), "good")


def _held(reason: Reason, now: datetime, *, may_change: bool) -> Held:
    days = _days(reason.first_expires_at, now) or 0
    url, verb = _cure(reason, may_change=may_change)
    text = told(reason.message or SENTENCES.get(reason.reason, ""))
    percent = min(round(100 * days / SENDABLE_DAYS), 100)
    words = _("the first can wait %d more days") % days if days != 1 else _("the first can wait 1 more day")
    return Held(reason, text, percent, "bad" if days <= 7 else "warn", words, url, verb)


def _cure(reason: Reason, *, may_change: bool) -> tuple[str, str]:
    if reason.held_by == Holder.RULE and reason.rule and may_change:
        return reverse("linkedin_rule", args=[reason.rule.pk]), _("Fix rule")
    if reason.held_by == Holder.CONNECTION and may_change:
        return reverse("linkedin_setup"), _("Open setup")
    query = urlencode({"status": Status.HELD, "held_by": reason.held_by, "reason": reason.reason})
    return f"{reverse('linkedin_events')}?{query}", _("See them")


def _days(moment: datetime | None, now: datetime) -> int | None:
    return max((moment - now).days, 0) if moment else None


def _parts(account: Account) -> list[Part]:
    """The right side of the sum, without what is zero."""
    log_page = reverse("linkedin_events")
    return [
        Part(Status(status).label, count, f"{log_page}?status={status}")
        for status, count in account.counted.items()
        if count
    ]


def _alarms(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Those that nothing else on the page shows."""
    return [alarm for alarm in alarms if alarm.kind not in _SHOWN_ELSEWHERE]
