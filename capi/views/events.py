"""The event log: live, filtered by the URL, with the trail of each event and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from capi import log, operations, story
from capi.forms import FilterForm
from capi.models import RESENDABLE, ConversionEvent, Rule, Status
from capi.trail import Trail, trail
from capi.views.door import READ, finish, linkedin_page, show_dialog, tabs
from crm.access import Ability
from crm.actor import Actor
from crm.errors import Conflict
from crm.views.page import PageRequest, actor_of, back_to, for_htmx, link_with, member_page, refused

LOG: Final = "linkedin_events"
BULK: Final = {"held", "skipped", "rejected"}


@dataclass(frozen=True)
class Row:
    """An event as its row shows it. Read-only roles get no cure that posts."""

    event: ConversionEvent
    sentence: str
    cure: story.Cure | None
    trail: Trail | None = None

    @property
    def who(self) -> str:
        if self.event.is_test:
            return _("Test person")
        return str(self.event.told_lead or self.event.lead or _("Erased since"))

    @property
    def where(self) -> str:
        """The second line: the organization, or the deal."""
        if self.event.is_test:
            return _("Test event")
        if self.event.deal:
            return str(self.event.deal)
        lead = self.event.lead
        return str(lead.organization or _("No organization")) if lead else _("Nobody")


@linkedin_page(Ability.SEE_LINKEDIN)
def events(request: PageRequest) -> HttpResponse:
    """The log. With `seen`, the fingerprint of what a page shows, it answers 204 while that is still so."""
    filters = log.Filters.read(request.GET)
    cursor = request.GET.get("cursor", "")
    # Before the rows are read: what changes in between is shown by the next look, never missed.
    seen = log.fingerprint(filters.rows(), cursor)
    if request.htmx and request.GET.get("seen") == seen:
        return for_htmx(HttpResponse(status=204))
    page = log.page(filters.rows(), cursor)
    opened = request.GET.get("open", "")
    may_change = request.principal.can(Ability.MANAGE)
    now = timezone.now()
    summary = log.Summary.now()
    counts = filters.counts()
    context = {
        "filters": filters,
        "rows": [_row(event, opened, may_change, now) for event in page.rows],
        "page": page,
        "seen": seen,
        "opened": opened,
        "counts": counts,
        "total": next((c.count for c in counts if c.key == filters.status), None),
        "summary": summary,
        "tabs": tabs("events", summary),
        "may_change": may_change,
        "reasons": log.reasons(filters) if filters.status in BULK else [],
        "is_part": bool(request.htmx),
    }
    if request.htmx:
        return for_htmx(render(request, "capi/events.html#live", context))
    rules = list(Rule.objects.current())
    context |= {"form": FilterForm(initial=vars(filters), rules=rules), "chips": _chips(request, filters)}
    return for_htmx(render(request, "capi/events.html", context))


def _chips(request: PageRequest, filters: log.Filters) -> list[tuple[log.Chip, str]]:
    """Each filter that is set, with the address of the same list without it."""
    page = {"cursor": None, "open": None, "seen": None}
    return [(chip, link_with(request.GET, **{chip.name: None, **page})) for chip in filters.chips()]


def _row(event: ConversionEvent, opened: str, may_change: bool, now: datetime) -> Row:
    cure = story.cure(event)
    if cure and not may_change and not cure.url.startswith("/leads/"):
        cure = None
    return Row(event, story.sentence(event, now), cure, trail(event) if str(event.pk) == opened else None)


def _event(pk: UUID) -> ConversionEvent:
    return get_object_or_404(ConversionEvent.objects.for_log(), pk=pk)


@linkedin_page(Ability.SEE_LINKEDIN)
def event(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything about one event, with what can be done about it."""
    found = _event(pk)
    may_change = request.principal.can(Ability.MANAGE)
    row = _row(found, str(found.pk), may_change, timezone.now())
    context = {
        "row": row,
        "event": found,
        "trail": row.trail,
        "cure": row.cure,
        "can_resend": may_change and story.can_resend(found) and not _is_resend(row.cure),
        "can_cancel": may_change and story.can_cancel(found),
    }
    return render(request, "capi/event.html", context)


def _is_resend(cure: story.Cure | None) -> bool:
    return cure is not None and cure.text == _("Resend")


# ── What can be done ───────────────────────────────────────────────────────────────────────────────────


@linkedin_page(Ability.MANAGE, "POST")
def resend(request: PageRequest, pk: UUID) -> HttpResponse:
    """Send one event again: same id, same time, same value."""
    return _act(request, pk, operations.resend, _("It is sent again with the same id, time and value."))


@linkedin_page(Ability.MANAGE, "POST")
def cancel(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take back an event that waits."""
    return _act(request, pk, operations.cancel, _("The event is cancelled; LinkedIn is not told."))


@require_POST
@member_page
def send_now(request: PageRequest, pk: UUID) -> HttpResponse:
    """Skip the wait of an event that settles."""
    found = _event(pk)
    if not _may_hasten(request, found):
        raise PermissionDenied
    return _act(request, pk, operations.send_now, _("LinkedIn is told now."))


def _may_hasten(request: PageRequest, found: ConversionEvent) -> bool:
    """Who made the move may also skip its wait: that only hastens what is going to happen."""
    principal = request.principal
    if principal.can(Ability.MANAGE):
        return True
    return found.deal_id is not None and principal.deals().filter(pk=found.deal_id).exists()


def _act(
    request: PageRequest, pk: UUID, operation: Callable[[ConversionEvent, Actor], ConversionEvent], text: str
) -> HttpResponse:
    found = _event(pk)
    back = back_to(request, reverse(LOG))
    try:
        operation(found, actor_of(request))
    except Conflict as refusal:
        return refused(request, refusal, back)
    return finish(request, text, back)


@linkedin_page(Ability.MANAGE, *READ, "POST")
def resend_all(request: PageRequest) -> HttpResponse:
    """Send all events that match the filters of the URL again; asks first, with their number."""
    filters = log.Filters.read(request.GET)
    back = f"{reverse(LOG)}?{filters.query()}"
    rows = filters.rows().filter(status__in=RESENDABLE, is_test=False).exclude(status=Status.PENDING)
    if request.method == "POST":
        count = operations.resend_all(rows, actor_of(request))
        text = (
            _("1 event is sent again.")
            if count == 1
            else _("{count} events are sent again.").format(count=count)
        )
        return finish(request, text, back)
    count = rows.count()
    about = (
        _(" with the reason “{reason_words}”").format(reason_words=log.reason_words(filters.reason))
        if filters.reason
        else ""
    )
    context = {
        "title": ngettext("Send {n} event again?", "Send {n} events again?", count).format(n=count),
        "text": _(
            "All that are {status}{about}. Ids, times and values stay; who is meant is looked up "
            "anew. What is older than 90 days stays as it is."
        ).format(status=filters.status or _("held, skipped or rejected"), about=about),
        "action": f"{reverse('linkedin_resend_all')}?{filters.query()}",
        "verb": _("Send {count} again").format(count=count),
        "back_url": back,
        "danger": False,
    }
    return show_dialog(request, "capi/confirm.html", context)
