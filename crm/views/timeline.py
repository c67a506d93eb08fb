"""The timeline of a lead or deal: what people wrote, what the product noted, what other apps add; by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from crm import panels
from crm.access import Principal
from crm.models import Activity, Deal, Lead
from crm.models.activity import ActivityKind
from crm.panels import TimelineEntry
from crm.templatetags.ui import OWN_SYMBOLS

LINES: Final = 60
MOST_LINES: Final = 1000
PRODUCT: Final = "LeadMachine"

ICONS: Final[dict[str, str]] = {
    ActivityKind.NOTE: "pencil-square",
    ActivityKind.CALL: "phone",
    ActivityKind.MEETING: "calendar",
    ActivityKind.EMAIL: "envelope",
    ActivityKind.CREATED: "plus",
    ActivityKind.STATUS: "arrow-right",
    ActivityKind.STAGE: "arrow-right",
    ActivityKind.FIELD: "pencil",
    ActivityKind.CONSENT: "check-badge",
    ActivityKind.ARCHIVED: "archive-box",
    ActivityKind.TASK: "check-circle",
    ActivityKind.MERGED: "user-plus",
    ActivityKind.UNMERGED: "arrow-uturn-left",
    ActivityKind.RESTORED: "arrow-uturn-left",
}
SAID: Final[dict[str, str]] = {
    ActivityKind.ARCHIVED: "took it out of the lists",
    ActivityKind.RESTORED: "put it back into the lists",
}
WRITTEN: Final[dict[str, str]] = {
    ActivityKind.NOTE: "wrote a note",
    ActivityKind.CALL: "logged a call",
    ActivityKind.MEETING: "logged a meeting",
    ActivityKind.EMAIL: "logged an e-mail",
}


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: dt.datetime
    icon: str
    text: SafeString | str
    actor: str = ""
    state: str = ""
    note: str = ""


@dataclass(frozen=True)
class Day:
    """The lines of one day, newest first."""

    day: dt.date
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Timeline:
    """What is shown of a timeline, and how much there is."""

    days: tuple[Day, ...]
    shown: int
    total: int

    @property
    def is_cut(self) -> bool:
        return self.shown < self.total


def timeline_of_lead(principal: Principal, lead: Lead, *, is_whole: bool) -> Timeline:
    """A lead's own story and that of those deals which the reader may see."""
    activities = Activity.objects.filter(lead=lead).filter(Q(deal=None) | Q(deal__in=principal.deals()))
    added = [entry for give in panels.lead_timelines for entry in give(principal, lead)]
    return _merged(activities.select_related("actor", "deal"), added, is_whole, subject=lead)


def timeline_of_deal(deal: Deal, *, is_whole: bool) -> Timeline:
    """A deal's story."""
    activities = Activity.objects.filter(deal=deal).select_related("actor", "deal")
    added = [entry for give in panels.deal_timelines for entry in give(deal)]
    return _merged(activities, added, is_whole, subject=deal)


def _merged(
    activities: QuerySet[Activity], added: Sequence[TimelineEntry], is_whole: bool, *, subject: Lead | Deal
) -> Timeline:
    most = MOST_LINES if is_whole else LINES
    lines = [_line_of(activity, subject) for activity in activities[:most]]
    lines += [_line_added(entry) for entry in added]
    shown = sorted(lines, key=lambda line: line.at, reverse=True)[:most]
    days = groupby(shown, key=lambda line: timezone.localtime(line.at).date())
    return Timeline(
        tuple(Day(day, tuple(found)) for day, found in days),
        shown=len(shown),
        total=activities.count() + len(added),
    )


def _line_added(entry: TimelineEntry) -> Line:
    text: SafeString | str = entry.text
    if entry.url:
        text = format_html('{} <a href="{}">{}</a>', entry.text, entry.url, entry.link_text or "Open")
    return Line(entry.at, small_icon(entry.icon), text, state=entry.tone)


def small_icon(name: str) -> str:
    """The name of a small solid icon, as the `icon` tag wants it; symbols of our own as they are."""
    return name if name in OWN_SYMBOLS or name.startswith("solid-") else f"solid-{name}"


def _line_of(activity: Activity, subject: Lead | Deal) -> Line:
    return Line(
        activity.at,
        _icon_of(activity),
        _sentence(activity, subject),
        actor=str(activity.actor or activity.actor_label or PRODUCT),
        note=activity.text if activity.kind in WRITTEN else _reason(activity),
    )


def _icon_of(activity: Activity) -> str:
    if activity.kind == ActivityKind.CREATED and activity.deal_id:
        return "solid-banknotes"
    return f"solid-{ICONS[activity.kind]}"


def _reason(activity: Activity) -> str:
    return activity.text if activity.kind == ActivityKind.STAGE else ""


def _sentence(activity: Activity, subject: Lead | Deal) -> SafeString | str:
    """What was done, without who did it."""
    about = _about(activity, subject)
    if activity.kind in WRITTEN:
        return format_html("{}{}", WRITTEN[activity.kind], format_html(" on {}", about) if about else "")
    if activity.kind == ActivityKind.CREATED:
        return _creation(activity, about)
    if activity.kind == ActivityKind.STATUS:
        return format_html("moved the status from {} to <b>{}</b>", activity.old, activity.new)
    if activity.kind == ActivityKind.STAGE:
        return format_html("moved {} from {} to <b>{}</b>", about or "it", activity.old, activity.new)
    if activity.kind == ActivityKind.CONSENT:
        return format_html("changed consent from {} to <b>{}</b>", activity.old.lower(), activity.new.lower())
    if activity.kind in SAID:
        return SAID[activity.kind]
    if activity.kind == ActivityKind.TASK:
        return _task(activity, about)
    if activity.kind == ActivityKind.MERGED:
        return format_html("merged <b>{}</b> into this lead", activity.old)
    if activity.kind == ActivityKind.UNMERGED:
        return format_html("undid the merge with <b>{}</b>", activity.old)
    return _difference(activity, about)


def _creation(activity: Activity, about: SafeString | str) -> SafeString | str:
    if about:
        return format_html("created the deal {}", about)
    if activity.deal_id:
        return "created the deal"
    return format_html("added the lead, source <b>{}</b>", activity.new) if activity.new else "added the lead"


def _task(activity: Activity, about: SafeString | str) -> SafeString:
    where = format_html(" of {}", about) if about else ""
    if activity.field == "changed":
        return format_html("changed the {} of the task <b>{}</b>{}", activity.old, activity.new, where)
    return format_html("{} the task <b>{}</b>{}", activity.field, activity.new, where)


def _difference(activity: Activity, about: SafeString | str) -> SafeString:
    where = format_html(" of {}", about) if about else ""
    if activity.field == "people":
        return format_html("added <b>{}</b>", activity.new)
    if not activity.new:
        return format_html("removed the {}{}, it was {}", activity.field, where, activity.old)
    if not activity.old:
        return format_html("set the {}{} to <b>{}</b>", activity.field, where, activity.new)
    return format_html(
        "changed the {}{} from {} to <b>{}</b>", activity.field, where, activity.old, activity.new
    )


def _about(activity: Activity, subject: Lead | Deal) -> SafeString | str:
    """A link to the deal, where the page is about something else."""
    if activity.deal is None or activity.deal == subject:
        return ""
    return format_html('<a href="{}">{}</a>', reverse("deal", args=[activity.deal_id]), activity.deal.title)
