"""The way of one event, step by step: what happened in the CRM, the rule, consent, identifiers, every attempt.

The long form fills a page of the log; the short one, a chain, answers "why was this not sent?" on a card.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from capi import hashing, payload, story
from capi.models import Attempt, AttemptOutcome, ConversionEvent, CrmEvent, Delivery, Holder, Status
from capi.preview import preview_event
from capi.story import Tone
from capi.told import told
from crm.display import money, short_date
from crm.models import Activity, Consent, Lead
from crm.models.activity import ActivityKind
from crm.texts import gettext_lazy, inside_a_sentence, told_again


@dataclass(frozen=True)
class Step:
    """One thing on the way. `who` is set apart; `code` is for support, such as LinkedIn's request id."""

    icon: str
    text: str
    at: datetime | None = None
    tone: Tone = ""
    who: str = ""
    code: str = ""


@dataclass(frozen=True)
class Link:
    """One link of the chain; the one that stopped the event is `is_stop`."""

    label: str
    text: str
    tone: str
    icon: str
    is_stop: bool = False


@dataclass(frozen=True)
class Body:
    """The element of an event as text: as sent, or as it would be sent now; `missing` says what it lacks."""

    text: str
    is_sent: bool
    notes: dict[str, str]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trail:
    """Everything that is known about one event."""

    event: ConversionEvent
    steps: list[Step]
    body: Body
    fuse: story.Fuse | None

    @property
    def duplicates(self) -> str:
        """How often LinkedIn may have counted it more than once, in words; empty if surely never."""
        count = self.event.unknown_outcomes
        if not count:
            return ""
        times = {1: _("Once"), 2: _("Twice")}.get(count, _("{count} times").format(count=count))
        return _(
            "{times} a request left and no clear answer came, so LinkedIn may have counted this more "
            "than once. Every try had the same id."
        ).format(times=times)


def trail(event: ConversionEvent) -> Trail:
    """Follow an event, loaded with `for_log`, in a fixed number of queries."""
    person = event.told_lead or event.lead
    deliveries = list(
        Delivery.objects.filter(event=event).select_related("attempt").order_by("attempt__at", "pk")
    )
    steps = [_happened(event), _rule(event)]
    if person is not None:
        steps += [_consent(person, event), *_who(person, event)]
    steps += [_attempt(number, delivery) for number, delivery in enumerate(deliveries, 1)]
    steps += _now(event)
    return Trail(event, steps, _body(event, person), story.fuse(event, timezone.now()))


def chain(event: ConversionEvent) -> list[Link]:
    """How far an event came and what stopped it. The event must be loaded with `rule`, `lead` and `told_lead`."""
    person = event.told_lead or event.lead
    when = timezone.localtime(event.happened_at)
    links = [_good(_("It happened"), f"{short_date(when.date(), timezone.localdate())}, {when:%H:%M}")]
    links.append(_good(_("The rule"), _("“{name}” listens to it").format(name=event.rule.name)))
    if person is not None:
        links += [_consent_link(person), _good(_("Who"), _identity(event, person))]
    links.append(Link("LinkedIn", _waits_for(event), "faint", "clock"))
    return _stopped(links, event)


_STOPS = {
    Holder.RULE: gettext_lazy("The rule"),
    Holder.LEAD: gettext_lazy("Consent"),
    Holder.CONNECTION: "LinkedIn",
    Holder.APP: "LinkedIn",
}
_STOPPED_BY_REASON = {
    "consent_denied": gettext_lazy("Consent"),
    "excluded_by_condition": gettext_lazy("The rule"),
    "rule_changed": gettext_lazy("The rule"),
    "rule_deleted": gettext_lazy("The rule"),
    "undone": gettext_lazy("It happened"),
}
_ABOUT_PERSON = {
    "no_identifier",
    "test_lead",
    "internal_lead",
    "spam_lead",
    "archived_lead",
    "sample_lead",
    "erased",
}


def _stopped(links: list[Link], event: ConversionEvent) -> list[Link]:
    label = _STOPS.get(Holder(event.held_by)) if event.held_by else _STOPPED_BY_REASON.get(event.reason)
    label = label or (_("Who") if event.reason in _ABOUT_PERSON else "LinkedIn")
    stop_text = story.sentence(event, timezone.now())
    stop = Link(label, stop_text, _stop_tone(event), story.icon(event), is_stop=True)
    return [stop if link.label == label else link for link in links]


def _stop_tone(event: ConversionEvent) -> str:
    return story.tone(event) or "faint"


def _good(label: str, text: str) -> Link:
    return Link(label, text, "good", "check-circle")


def _consent_link(person: Lead) -> Link:
    if person.consent == Consent.GRANTED:
        return _good(_("Consent"), _("granted") + _on(person))
    if person.consent == Consent.DENIED:
        return Link(_("Consent"), _("denied") + _on(person), "faint", "minus-circle")
    return Link(_("Consent"), _("unknown"), "faint", "minus-circle")


def _on(person: Lead) -> str:
    if person.consent_at is None:
        return ""
    return _(" on {short_date}").format(
        short_date=short_date(timezone.localtime(person.consent_at).date(), timezone.localdate())
    )


def _waits_for(event: ConversionEvent) -> str:
    words = {Holder.RULE: _("waits for the rule"), Holder.LEAD: _("waits for consent")}
    return words.get(Holder(event.held_by), _("was not asked")) if event.held_by else _("was not asked")


def _identity(event: ConversionEvent, person: Lead) -> str:
    known = event.identifiers or _identifiers_of(person)
    name = person.first_name or person.full_name
    if not known:
        return _("{name}, nothing to recognise them by").format(name=name)
    return _("{name}, by {listed}").format(name=name, listed=_listed(known))


_IDENTIFIERS = {
    "lead_gen_response": gettext_lazy("LinkedIn form"),
    "click_id": gettext_lazy("click id"),
    "email": gettext_lazy("e-mail"),
    "name": gettext_lazy("name"),
}


def _listed(identifiers: list[str]) -> str:
    """LinkedIn form, click id and e-mail."""
    words = [str(_IDENTIFIERS[one]) for one in identifiers]
    if len(words) < 2:
        return "".join(words)
    return _("{words} and {last}").format(words=", ".join(words[:-1]), last=words[-1])


def _identifiers_of(person: Lead) -> list[str]:
    there = {
        "lead_gen_response": person.lead_gen_response,
        "click_id": person.li_fat_id,
        "email": person.email,
    }
    return [word for word, value in there.items() if value]


# ── The long form ──────────────────────────────────────────────────────────────────────────────────────

_FACTS: dict[str, tuple[str, str]] = {
    CrmEvent.LEAD_CREATED: (ActivityKind.CREATED, "solid-user-plus"),
    CrmEvent.LEAD_QUALIFIED: (ActivityKind.STATUS, "solid-arrow-right"),
    CrmEvent.DEAL_CREATED: (ActivityKind.CREATED, "solid-banknotes"),
    CrmEvent.DEAL_WON: (ActivityKind.STAGE, "solid-trophy"),
    CrmEvent.DEAL_LOST: (ActivityKind.STAGE, "solid-hand-thumb-down"),
}


def _happened(event: ConversionEvent) -> Step:
    kind, icon = _FACTS[event.event]
    if event.is_test:
        return Step(
            "solid-beaker", _("A test of the rule: a made-up person, never counted"), event.happened_at
        )
    activity = _activity(event, kind)
    who = _author(activity)
    return Step(icon, _what(event, activity), event.happened_at, who=who)


def _activity(event: ConversionEvent, kind: str) -> Activity | None:
    """The line of the timeline that this event came from: the one nearest to its time."""
    about = Q(deal_id=event.deal_id) if event.deal_id else Q(lead_id=event.lead_id, deal=None)
    near = Q(
        at__gte=event.happened_at - timedelta(seconds=2), at__lte=event.happened_at + timedelta(seconds=2)
    )
    lines = Activity.objects.filter(about, kind=kind).select_related("actor")
    if kind == ActivityKind.CREATED:
        return lines.order_by("at").first()
    return lines.filter(near).order_by("at").first()


def _author(activity: Activity | None) -> str:
    if activity is None:
        return ""
    return str(activity.actor) if activity.actor else told_again(activity.actor_label)


def _what(event: ConversionEvent, activity: Activity | None) -> str:
    if event.event == CrmEvent.LEAD_CREATED:
        return (
            _("added {lead_name}").format(lead_name=_lead_name(event))
            if _author(activity)
            else _("{lead_name} was added").format(lead_name=_lead_name(event))
        )
    if event.event == CrmEvent.DEAL_CREATED:
        return (
            _("created the deal {deal}").format(deal=event.deal)
            if _author(activity)
            else _("The deal {deal} was created").format(deal=event.deal)
        )
    subject = event.deal or event.lead
    if activity is None:
        return f"{subject}: {inside_a_sentence(event.get_event_display())}"
    return _("moved {subject} from {old} to {new}").format(
        subject=subject, old=activity.old, new=activity.new
    )


def _lead_name(event: ConversionEvent) -> str:
    return str(event.lead or _("a lead that was erased since"))


def _rule(event: ConversionEvent) -> Step:
    value = _(", value {money}").format(money=money(event.value, event.currency)) if event.value else ""
    text = _("Rule “{name}” listens to it, conversion {conversion_id}{value}").format(
        name=event.rule.name, conversion_id=event.conversion_id, value=value
    )
    return Step("solid-bolt", text, event.created_at)


def _consent(person: Lead, event: ConversionEvent) -> Step:
    source = (
        _(" by {consent_source}").format(consent_source=person.consent_source)
        if person.consent_source
        else ""
    )
    version = (
        _(", text {consent_text_version}").format(consent_text_version=person.consent_text_version)
        if person.consent_text_version
        else ""
    )
    text = _("Consent {consent}{source}{version}{on}").format(
        consent=inside_a_sentence(person.get_consent_display()),
        source=source,
        version=version,
        on=_on(person),
    )
    if person.consent == Consent.GRANTED:
        return Step("solid-shield-check", text, tone="good")
    stopped = event.held_by == Holder.LEAD or event.reason == "consent_denied"
    return Step("solid-shield-exclamation", text, tone="warn" if stopped else "")


def _who(person: Lead, event: ConversionEvent) -> list[Step]:
    other = event.told_lead_id and event.told_lead_id != event.lead_id
    instead = (
        _("{lead} has nothing to be recognised by, so LinkedIn is told of {person}. ").format(
            lead=event.lead, person=person
        )
        if other
        else ""
    )
    if not event.identifiers:
        text = (
            _("No identifier")
            if event.reason == "no_identifier"
            else _("Identifiers are looked up when it is sent")
        )
        return [
            Step("solid-finger-print", instead + text, tone="warn" if event.reason == "no_identifier" else "")
        ]
    known = _listed(event.identifiers)
    age = _click_age(person) if "click_id" in event.identifiers else ""
    return [
        Step(
            "solid-finger-print",
            _("{instead}Recognised by {known}{age}").format(instead=instead, known=known, age=age),
            tone="good",
        )
    ]


def _click_age(person: Lead) -> str:
    if person.li_fat_id_captured_at is None:
        return ""
    days = (timezone.now() - person.li_fat_id_captured_at).days
    return _(", the click {days} days old").format(days=days) if days > 1 else ""


_OUTCOMES: dict[str, tuple[str, Tone]] = {
    AttemptOutcome.UNANSWERED: ("solid-paper-airplane", "info"),
    AttemptOutcome.ACCEPTED: ("solid-check", "good"),
    AttemptOutcome.REJECTED: ("solid-x-mark", "bad"),
    AttemptOutcome.EXPIRED: ("solid-x-mark", "bad"),
    AttemptOutcome.HELD: ("solid-pause", "warn"),
}


def _attempt(number: int, delivery: Delivery) -> Step:
    attempt = delivery.attempt
    outcome = delivery.outcome or attempt.outcome
    icon, tone = _OUTCOMES.get(outcome, ("solid-arrow-path", "warn"))
    words = told(delivery.message or attempt.message) or AttemptOutcome(outcome).label
    return Step(
        icon,
        _("Try {number}{figures}: {words}").format(number=number, figures=_figures(attempt), words=words),
        attempt.at,
        tone,
        code=attempt.request_id,
    )


def _figures(attempt: Attempt) -> str:
    answer = str(attempt.status_code) if attempt.status_code else ""
    took = (
        _("{duration_ms} ms").format(duration_ms=attempt.duration_ms)
        if attempt.duration_ms is not None
        else ""
    )
    size = _("with {n} other events").format(n=attempt.size - 1) if attempt.size > 1 else ""
    figures = ", ".join(part for part in (answer, took, size) if part)
    return f" ({figures})" if figures else ""


def _now(event: ConversionEvent) -> list[Step]:
    """What it is waiting for, or why it ended, where no attempt says so."""
    if event.status in (Status.ACCEPTED, Status.SENDING, Status.REJECTED):
        return []
    text = story.sentence(event, timezone.now())
    return [Step(f"solid-{story.icon(event)}", text, event.changed_at, story.tone(event))]


# ── What is sent ───────────────────────────────────────────────────────────────────────────────────────


def _body(event: ConversionEvent, person: Lead | None) -> Body:
    notes = hash_notes(person)
    if event.element:
        return Body(event.element, bool(event.attempts), notes)
    if person is None:
        return Body("", is_sent=False, notes={})
    return preview_body(preview_event(event), notes)


def preview_body(shown: payload.Preview, notes: dict[str, str]) -> Body:
    """What would be sent now, and what it lacks."""
    text = json.dumps(shown.element, separators=(",", ":")) if shown.element else ""
    return Body(text, is_sent=False, notes=notes, missing=tuple(one.sentence for one in shown.missing))


def hash_notes(person: Lead | None) -> dict[str, str]:
    """Each hash with the address it was made of: our remark beside the JSON, never part of it."""
    if person is None:
        return {}
    return {hashing.email(email.address): email.address for email in person.emails.all()}
