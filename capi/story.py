"""One conversion event in words: what became of it, how long it can wait, and the one thing that cures it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from capi.holds import PAUSED_BY_PERSON
from capi.models import RESENDABLE, WAITING, ConversionEvent, Holder, Status
from capi.payload import SENDABLE_DAYS
from capi.told import told
from capi.wording import SENTENCES
from crm.texts import gettext_lazy

Tone = Literal["", "good", "warn", "bad", "info"]


@dataclass(frozen=True)
class Cure:
    """What a person can do about an event: a link, or a button that posts."""

    text: str
    url: str
    is_post: bool = False


@dataclass(frozen=True)
class Fuse:
    """How long an event can still wait: whole days, their share of LinkedIn's window, and words."""

    days: int
    percent: int
    tone: Tone
    words: str


def sentence(event: ConversionEvent, now: datetime) -> str:
    """What became of the event and why, for whoever reads the log."""
    if event.status == Status.ACCEPTED:
        return _accepted(event)
    if event.status == Status.SENDING:
        return _("On its way for {span}.").format(span=span(now - event.changed_at))
    if event.is_settling:
        return _settling(event, now)
    if event.status == Status.PENDING:
        return _pending(event, now)
    return told(event.message or SENTENCES.get(event.reason, ""))


def short(event: ConversionEvent, now: datetime) -> str:
    """The state in a few words, for a badge: "Settling, 1 min 48 s", "Not sent: no consent"."""
    if event.is_settling:
        return (
            _("Settling, {span}").format(span=span(_left(event, now))) if _left(event, now) else _("Settling")
        )
    if event.status == Status.ACCEPTED:
        return _("LinkedIn accepted")
    if event.status in (Status.PENDING, Status.SENDING):
        return _("On its way to LinkedIn")
    if event.status == Status.CANCELLED:
        return _("Cancelled")
    return _("Not sent: {short}").format(short=_SHORT.get(event.reason, _SHORT_STATUS[event.status]))


def tone(event: ConversionEvent) -> Tone:
    return _TONES[event.status]


def icon(event: ConversionEvent) -> str:
    """The heroicon of its state, as on its badge."""
    return _ICONS[event.status]


def cure(event: ConversionEvent) -> Cure | None:
    """The one action that helps; None where time does it, or nothing can. `event.rule` should be at hand."""
    if event.is_settling and event.settles_at and event.settles_at > timezone.now():
        return Cure(_("Send now"), reverse("linkedin_send_now", args=[event.pk]), is_post=True)
    if event.status == Status.HELD:
        return _cure_of_hold(event)
    if event.reason == "no_identifier" and event.lead_id:
        return Cure(_("Add e-mail"), lead_url(event.lead_id))
    if event.status == Status.REJECTED:
        return Cure(_("Resend"), reverse("linkedin_resend", args=[event.pk]), is_post=True)
    return None


def can_resend(event: ConversionEvent) -> bool:
    return event.status in RESENDABLE and not event.is_settling


def can_cancel(event: ConversionEvent) -> bool:
    return event.status in WAITING


def fuse(event: ConversionEvent, now: datetime) -> Fuse | None:
    """What is left of LinkedIn's 90 days, while the event waits."""
    if event.status not in WAITING or event.is_test:
        return None
    days = max((event.expires_at - now).days, 0)
    words = {0: _("can wait less than a day"), 1: _("can wait 1 more day")}.get(
        days, _("can wait {days} more days").format(days=days)
    )
    percent = min(round(100 * days / SENDABLE_DAYS), 100)
    return Fuse(days, percent, "bad" if days <= 7 else "warn", words)


def span(time: timedelta) -> str:
    """A length of time, two units at most: "48 s", "1 min 48 s", "3 h 5 min", "12 days"."""
    seconds = max(round(time.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return _two(seconds // 60, "min", seconds % 60, "s")
    if seconds < 48 * 3600:
        return _two(seconds // 3600, "h", seconds % 3600 // 60, "min")
    return _("{n} days").format(n=seconds // 86400)


def lead_url(lead: object) -> str:
    return reverse("lead", args=[lead])


def _two(many: int, large: str, few: int, small: str) -> str:
    return f"{many} {large} {few} {small}" if few else f"{many} {large}"


def _accepted(event: ConversionEvent) -> str:
    if event.is_test:
        return _("Test event. Left out of all counts.")
    if event.accepted_at is None or event.attempts < 2:
        return told(SENTENCES["accepted"])
    tries = {2: _("second"), 3: _("third"), 4: _("fourth")}.get(
        event.attempts, _("{n}th").format(n=event.attempts)
    )
    return _("Accepted at the {tries} try, {span} after it happened.").format(
        tries=tries, span=span(event.accepted_at - event.happened_at)
    )


def _left(event: ConversionEvent, now: datetime) -> timedelta:
    return max((event.settles_at or now) - now, timedelta())


def _settling(event: ConversionEvent, now: datetime) -> str:
    left = _left(event, now)
    return (
        _("Waits {span} more, in case it is undone.").format(span=span(left))
        if left
        else _("The wait is over; it is sent now.")
    )


def _pending(event: ConversionEvent, now: datetime) -> str:
    if event.next_attempt_at <= now:
        return told(event.message) or _("It is sent in a moment.")
    due = _("Next try at {time}.").format(time=f"{timezone.localtime(event.next_attempt_at):%H:%M:%S}")
    return f"{told(event.message)} {due}" if event.message else due


def _cure_of_hold(event: ConversionEvent) -> Cure | None:
    if event.held_by == Holder.CONNECTION:
        return _cure_of_connection(event.reason)
    if event.held_by == Holder.LEAD:
        person = event.told_lead_id or event.lead_id
        return Cure(_("Set consent"), f"{lead_url(person)}#consent-h") if person else None
    if event.held_by == Holder.RULE:
        if event.reason == PAUSED_BY_PERSON:
            return Cure(_("Release"), reverse("linkedin_rule_release", args=[event.rule_id]), is_post=True)
        return Cure(_("Fix rule"), reverse("linkedin_rule", args=[event.rule_id]))
    return None


def _cure_of_connection(reason: str) -> Cure:
    if reason == PAUSED_BY_PERSON:
        return Cure(_("Resume"), reverse("linkedin_release"), is_post=True)
    return Cure(_("Save a token") if reason == "no_token" else _("Replace token"), reverse("linkedin_token"))


_TONES: dict[str, Tone] = {
    Status.PENDING: "info",
    Status.SENDING: "info",
    Status.ACCEPTED: "good",
    Status.HELD: "warn",
    Status.SKIPPED: "",
    Status.REJECTED: "bad",
    Status.EXPIRED: "bad",
    Status.CANCELLED: "",
}
_ICONS: dict[str, str] = {
    Status.PENDING: "clock",
    Status.SENDING: "paper-airplane",
    Status.ACCEPTED: "check-circle",
    Status.HELD: "pause-circle",
    Status.SKIPPED: "minus-circle",
    Status.REJECTED: "x-circle",
    Status.EXPIRED: "exclamation-circle",
    Status.CANCELLED: "no-symbol",
}
_SHORT = {
    "no_identifier": gettext_lazy("no e-mail"),
    "consent_denied": gettext_lazy("no consent"),
    "consent_unknown": gettext_lazy("consent unknown"),
    "test_lead": gettext_lazy("a test lead"),
    "internal_lead": gettext_lazy("an own address"),
    "spam_lead": gettext_lazy("spam"),
    "archived_lead": gettext_lazy("archived"),
    "duplicate": gettext_lazy("LinkedIn has it"),
    "excluded_by_condition": gettext_lazy("left out by the rule"),
    "no_token": gettext_lazy("no token"),
    "paused_by_person": gettext_lazy("paused"),
    "rule_unknown": gettext_lazy("the rule"),
    "rule_wrong_method": gettext_lazy("the rule"),
    "rule_disabled": gettext_lazy("the rule"),
    "rule_urn_malformed": gettext_lazy("the rule"),
    "rule_refused": gettext_lazy("the rule"),
    "too_old": gettext_lazy("too old"),
}
_SHORT_STATUS: dict[str, str] = {
    Status.HELD: gettext_lazy("held"),
    Status.SKIPPED: gettext_lazy("skipped"),
    Status.REJECTED: gettext_lazy("refused"),
    Status.EXPIRED: gettext_lazy("too old"),
}
