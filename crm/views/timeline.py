"""The timeline of a lead or deal: what people wrote, what the product noted, what other apps add; by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from crm import panels
from crm.access import Principal
from crm.actions.timeline import is_own
from crm.mentions import marked
from crm.models import Activity, Deal, Lead, Organization
from crm.models.activity import WRITTEN_BY_PEOPLE, ActivityKind
from crm.panels import TimelineEntry
from crm.templatetags.ui import OWN_SYMBOLS
from crm.texts import gettext_lazy, inside_a_sentence, told_again
from crm.views.page import LIST

LINES: Final = 60
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
    ActivityKind.FILE: "paper-clip",
}
SAID: Final[dict[str, str]] = {
    ActivityKind.ARCHIVED: gettext_lazy("took it out of the lists"),
    ActivityKind.RESTORED: gettext_lazy("put it back into the lists"),
}
OF_A_MERGE: Final[dict[str, str]] = {
    ActivityKind.MERGED: gettext_lazy("merged <b>{who}</b> into this lead"),
    ActivityKind.UNMERGED: gettext_lazy("undid the merge with <b>{who}</b>"),
}
WRITTEN: Final[dict[str, str]] = {
    ActivityKind.NOTE: gettext_lazy("wrote a note"),
    ActivityKind.CALL: gettext_lazy("logged a call"),
    ActivityKind.MEETING: gettext_lazy("logged a meeting"),
    ActivityKind.EMAIL: gettext_lazy("logged an e-mail"),
}


KINDS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "notes": (gettext_lazy("Notes"), (ActivityKind.NOTE,)),
    "calls": (gettext_lazy("Calls"), (ActivityKind.CALL,)),
    "meetings": (gettext_lazy("Meetings"), (ActivityKind.MEETING,)),
    "emails": (gettext_lazy("E-mails"), (ActivityKind.EMAIL,)),
    "changes": (
        gettext_lazy("Changes"),
        tuple(kind for kind in ActivityKind.values if kind not in WRITTEN_BY_PEOPLE),
    ),
    "conversions": ("LinkedIn", ()),
}
Subject = Lead | Deal | Organization
_LAST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Asked:
    """Which part of a timeline is asked for: one kind of line, and what came before a place in it."""

    kind: str = ""
    before: tuple[dt.datetime, UUID] | None = None
    kept: tuple[tuple[str, str], ...] = ()
    """What else the page's address says: the list one came from."""

    @classmethod
    def by(cls, request: HttpRequest) -> Asked:
        """Read from the address; what nobody has offered is left out."""
        kind = request.GET.get("kind", "")
        kept = ((LIST, request.GET[LIST]),) if LIST in request.GET else ()
        return cls(kind if kind in KINDS else "", _place(request.GET.get("before", "")), kept)


def _place(text: str) -> tuple[dt.datetime, UUID] | None:
    at, _, pk = text.partition("~")
    try:
        place = dt.datetime.fromisoformat(at), UUID(pk)
    except ValueError:
        return None
    # In UTC a moment of the first or last year may be in none.
    return place if place[0].tzinfo and dt.MINYEAR < place[0].year < dt.MAXYEAR else None


@dataclass(frozen=True)
class Line:
    """One thing that happened. `pk` is only of what the database holds as a line; `edit_url` of one's own words."""

    at: dt.datetime
    icon: str
    text: SafeString | str
    actor: str = ""
    state: str = ""
    note: SafeString | str = ""
    pk: UUID = _LAST
    edit_url: str = ""


@dataclass(frozen=True)
class Day:
    """The lines of one day, newest first."""

    day: dt.date
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Filter:
    """A kind of line that can be asked for alone."""

    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class Timeline:
    """A part of a timeline; `older_url` leads to what came before, `newest_url` back to the top."""

    days: tuple[Day, ...]
    filters: tuple[Filter, ...]
    older_url: str = ""
    newest_url: str = ""

    @property
    def is_filtered(self) -> bool:
        return not self.filters[0].current


def timeline_of_lead(principal: Principal, lead: Lead, asked: Asked) -> Timeline:
    """A lead's own story and that of those deals which the reader may see."""
    activities = Activity.objects.filter(lead=lead).filter(Q(deal=None) | Q(deal__in=principal.deals()))
    added = [entry for give in panels.lead_timelines for entry in give(principal, lead)]
    return _merged(principal, activities, added, asked, subject=lead)


def timeline_of_deal(principal: Principal, deal: Deal, asked: Asked) -> Timeline:
    """A deal's story."""
    activities = Activity.objects.filter(deal=deal)
    added = [entry for give in panels.deal_timelines for entry in give(deal)]
    return _merged(principal, activities, added, asked, subject=deal)


def timeline_of_organization(principal: Principal, organization: Organization, asked: Asked) -> Timeline:
    """What happened with a firm's people and deals, as far as the reader may see them."""
    leads = principal.leads().filter(organization=organization)
    deals = principal.deals().filter(organization=organization)
    activities = Activity.objects.filter(
        Q(deal__in=deals.order_by()) | Q(lead__in=leads.order_by(), deal=None)
    )
    return _merged(principal, activities, [], asked, subject=organization)


def _merged(
    principal: Principal,
    activities: QuerySet[Activity],
    added: Sequence[TimelineEntry],
    asked: Asked,
    *,
    subject: Subject,
) -> Timeline:
    if asked.kind:
        activities = activities.filter(kind__in=KINDS[asked.kind][1])
        added = added if asked.kind == "conversions" else ()
    if asked.before:
        at, pk = asked.before
        # The first condition follows from the second; it is what an index can use.
        activities = activities.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk), at__lte=at)
        added = [entry for entry in added if entry.at < at]
    rows = activities.select_related("actor", "deal", "lead").prefetch_related(
        "mentions__user", "lead__emails"
    )
    lines = [_line_of(activity, subject, principal) for activity in rows[: LINES + 1]]
    lines += [_line_added(entry) for entry in added]
    lines.sort(key=lambda line: (line.at, line.pk), reverse=True)
    shown = lines[:LINES]
    days = groupby(shown, key=lambda line: timezone.localtime(line.at).date())
    kind = {"kind": asked.kind} if asked.kind else {}
    older = {**kind, "before": f"{shown[-1].at.isoformat()}~{shown[-1].pk}"} if len(lines) > LINES else {}
    return Timeline(
        tuple(Day(day, tuple(found)) for day, found in days),
        filters=_filters(asked),
        older_url=_url(asked, **older) if older else "",
        newest_url=_url(asked, **kind) if asked.before else "",
    )


def _filters(asked: Asked) -> tuple[Filter, ...]:
    kinds = [Filter(label, _url(asked, kind=kind), kind == asked.kind) for kind, (label, _) in KINDS.items()]
    return (Filter(_("All"), _url(asked), not asked.kind), *kinds)


def _url(asked: Asked, **params: str) -> str:
    return f"?{urlencode([*asked.kept, *params.items()])}#timeline"


def _line_added(entry: TimelineEntry) -> Line:
    text: SafeString | str = entry.text
    if entry.url:
        text = format_html(
            '{} <a href="{}">{}</a>', entry.text, entry.url, entry.link_text or pgettext("a link", "Open")
        )
    return Line(entry.at, small_icon(entry.icon), text, state=entry.tone)


def small_icon(name: str) -> str:
    """The name of a small solid icon, as the `icon` tag wants it; symbols of our own as they are."""
    return name if name in OWN_SYMBOLS or name.startswith("solid-") else f"solid-{name}"


def _line_of(activity: Activity, subject: Subject, reader: Principal) -> Line:
    is_written = activity.kind in WRITTEN
    named = [mention.user for mention in activity.mentions.all()]
    return Line(
        activity.at,
        _icon_of(activity),
        _of_a_firm(activity) if isinstance(subject, Organization) else _sentence(activity, subject),
        actor=str(activity.actor or told_again(activity.actor_label) or PRODUCT),
        note=marked(activity.text, named) if is_written else _reason(activity),
        pk=activity.pk,
        edit_url=reverse("note", args=[activity.pk]) if is_own(activity, reader.user) else "",
    )


def _of_a_firm(activity: Activity) -> SafeString:
    """What was done, and with whom."""
    about = activity.deal or activity.lead
    if about is None:
        return format_html("{}", "")
    noun = "deal" if activity.deal_id else "lead"
    link = format_html('<a href="{}">{}</a>', reverse(noun, args=[about.pk]), about)
    return format_html("{}: {}", link, _sentence(activity, about))


def _icon_of(activity: Activity) -> str:
    if activity.kind == ActivityKind.CREATED and activity.deal_id:
        return "solid-banknotes"
    return f"solid-{ICONS[activity.kind]}"


def _reason(activity: Activity) -> str:
    return activity.text if activity.kind == ActivityKind.STAGE else ""


def _sentence(activity: Activity, subject: Subject) -> SafeString | str:
    """What was done, without who did it."""
    about = _about(activity, subject)
    if activity.kind in WRITTEN:
        return _writing(activity, about)
    if activity.kind == ActivityKind.CREATED:
        return _creation(activity, about)
    if activity.kind == ActivityKind.STATUS:
        return format_html(
            _("moved the status from {old} to <b>{new}</b>"), old=activity.old, new=activity.new
        )
    if activity.kind == ActivityKind.STAGE:
        return format_html(
            _("moved {what} from {old} to <b>{new}</b>"),
            what=about or _("it"),
            old=activity.old,
            new=activity.new,
        )
    if activity.kind == ActivityKind.CONSENT:
        old, new = (inside_a_sentence(_(word)) for word in (activity.old, activity.new))
        return format_html(_("changed consent from {old} to <b>{new}</b>"), old=old, new=new)
    if activity.kind in SAID:
        return SAID[activity.kind]
    if activity.kind == ActivityKind.TASK:
        return _task(activity, about)
    if activity.kind == ActivityKind.FILE:
        return _file(activity, about)
    if activity.kind in OF_A_MERGE:
        return format_html(OF_A_MERGE[activity.kind], who=activity.old)
    return _difference(activity, about)


def _writing(activity: Activity, about: SafeString | str) -> SafeString:
    where = format_html(_(" on {record}"), record=about) if about else ""
    edited = _(", edited") if activity.edited_at else ""
    return format_html("{}{}{}", WRITTEN[activity.kind], where, edited)


def _creation(activity: Activity, about: SafeString | str) -> SafeString | str:
    if about:
        return format_html(_("created the deal {deal}"), deal=about)
    if activity.deal_id:
        return _("created the deal")
    if activity.new:
        return format_html(_("added the lead, source <b>{source}</b>"), source=activity.new)
    return _("added the lead")


def _task(activity: Activity, about: SafeString | str) -> SafeString:
    where = format_html(_(" of {record}"), record=about) if about else ""
    if activity.field == "changed":
        return format_html(
            _("changed the {what} of the task <b>{task}</b>{where}"),
            what=", ".join(map(_word, activity.old.split(", "))),
            task=activity.new,
            where=where,
        )
    return format_html(
        _("{did} the task <b>{task}</b>{where}"), did=_(activity.field), task=activity.new, where=where
    )


def _file(activity: Activity, about: SafeString | str) -> SafeString | str:
    name = format_html("<b>{}</b>", activity.new)
    if activity.field == "deleted":
        template = _("deleted the file {name} of {record}") if about else _("deleted the file {name}")
    else:
        template = _("added the file {name} to {record}") if about else _("added the file {name}")
    return format_html(template, name=name, record=about)


def _difference(activity: Activity, about: SafeString | str) -> SafeString:
    where, what = format_html(_(" of {record}"), record=about) if about else "", _what(activity)
    if activity.field == "people":
        return format_html(_("added <b>{who}</b>"), who=activity.new)
    old, new = told_again(activity.old), told_again(activity.new)
    if not new:
        return format_html(_("removed the {field}{where}, it was {old}"), field=what, where=where, old=old)
    if not old:
        return format_html(_("set the {field}{where} to <b>{new}</b>"), field=what, where=where, new=new)
    return format_html(
        _("changed the {field}{where} from {old} to <b>{new}</b>"), field=what, where=where, old=old, new=new
    )


def _what(activity: Activity) -> str:
    return _word(activity.field) if activity.deal_id else told_again(activity.field)


def _word(field: str) -> str:
    """What of a deal or a task changed: its title is another word than that of a person."""
    return pgettext("of a deal", "title") if field == "title" else told_again(field)


def _about(activity: Activity, subject: Subject) -> SafeString | str:
    """A link to the deal, where the page is about something else."""
    if activity.deal is None or activity.deal == subject:
        return ""
    return format_html('<a href="{}">{}</a>', reverse("deal", args=[activity.deal_id]), activity.deal.title)
