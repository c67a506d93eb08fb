"""Answers "why was this not sent?" for a lead or a deal: one explanation for every rule that could apply.

Each function runs a fixed number of queries, however many rules, deals and events there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db.models import Q, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from capi import recording, story
from capi.models import ConversionEvent, CrmEvent, Rule, Status, ValuePolicy
from capi.readiness import readiness
from capi.story import Cure
from crm.access import Principal
from crm.display import money
from crm.models import Company, Deal, Lead, StageKind, StatusCategory
from crm.texts import gettext_lazy, inside_a_sentence

State = Literal["sent", "waiting", "held", "skipped", "lost", "cancelled", "future", "never"]


@dataclass(frozen=True)
class Explanation:
    """What became, or will become, of one rule for one lead or deal.

    `at` is when it was accepted; `event` is None where nothing was recorded; `sentence` stands on its own.
    """

    rule: Rule
    state: State
    sentence: str
    at: datetime | None = None
    event: ConversionEvent | None = None
    action: Cure | None = None
    can_preview: bool = False
    """Whether what will be sent can be shown already."""

    @property
    def tone(self) -> str:
        return _LOOKS[self.state][0]

    @property
    def icon(self) -> str:
        return _LOOKS[self.state][1]

    @property
    def fuse(self) -> story.Fuse | None:
        return story.fuse(self.event, timezone.now()) if self.event and self.state == "held" else None


_LOOKS: dict[State, tuple[str, str]] = {
    "sent": ("good", "check-circle"),
    "waiting": ("info", "clock"),
    "held": ("warn", "pause-circle"),
    "skipped": ("faint", "minus-circle"),
    "lost": ("bad", "x-circle"),
    "cancelled": ("faint", "no-symbol"),
    "future": ("faint", "clock"),
    "never": ("faint", "minus-circle"),
}
_STATES: dict[str, State] = {
    Status.PENDING: "waiting",
    Status.SENDING: "waiting",
    Status.ACCEPTED: "sent",
    Status.HELD: "held",
    Status.SKIPPED: "skipped",
    Status.REJECTED: "lost",
    Status.EXPIRED: "lost",
    Status.CANCELLED: "cancelled",
}
# Another event says more: of the new conversion id, or of the other record of the same person.
_SUPERSEDED = ("rule_changed", "merged", "duplicate")
_ORDER = {event: position for position, event in enumerate(CrmEvent.values)}
_OF_LEADS = (CrmEvent.LEAD_CREATED, CrmEvent.LEAD_QUALIFIED)


def for_lead(principal: Principal, lead: Lead) -> list[Explanation]:
    """Every rule for a lead: what was told of them and of their deals, what will be, and what never will.

    Deals that the reader may not see are left out, and what was told of them.
    """
    deals = list(principal.deals().filter(lead=lead).select_related("pipeline").order_by("-created_at"))
    prefetch_related_objects([lead], "emails")
    events = _latest(about_lead(principal, lead) | Q(deal__in=deals))
    rules = _rules(events)
    company = lead.company
    return [
        _of_event(events[rule.pk])
        if rule.pk in events
        else _without_event(rule, lead, deals[0] if deals else None, company)
        for rule in rules
    ]


def about_lead(principal: Principal, lead: Lead) -> Q:
    """The events that tell of a lead, without those of deals that the reader may not see."""
    seen = Q(deal=None) | Q(deal__in=principal.deals_ever())
    return (Q(lead=lead) | Q(told_lead=lead)) & seen


def for_deal(deal: Deal) -> list[Explanation]:
    """Every rule about deals for this one."""
    prefetch_related_objects([deal], "lead__status", "lead__emails")
    events = _latest(Q(deal=deal))
    company = deal.company
    return [
        _of_event(events[rule.pk]) if rule.pk in events else _of_deal(rule, deal, deal.lead, company)
        for rule in _rules(events)
        if rule.event not in _OF_LEADS
    ]


def most_important(explanations: Iterable[Explanation]) -> Explanation | None:
    """The one that a card should open with: what is held, else what was lost or skipped; None if all is well."""
    by_state = {explanation.state: explanation for explanation in reversed(list(explanations))}
    return next((by_state[state] for state in ("held", "lost", "skipped") if state in by_state), None)


def _latest(about: Q) -> dict[UUID, ConversionEvent]:
    """The newest event of each rule; one that another has taken the place of only counts if it is the only one."""
    events = (
        ConversionEvent.objects.real()
        .filter(about)
        .select_related("rule", "deal")
        .order_by("happened_at", "created_at", "id")
    )
    latest: dict[UUID, ConversionEvent] = {}
    for event in events:
        if event.rule_id not in latest or event.reason not in _SUPERSEDED:
            latest[event.rule_id] = event
    return latest


def _rules(events: Mapping[UUID, ConversionEvent]) -> list[Rule]:
    """The rules there are, and those deleted since that have told LinkedIn something."""
    rules = list(Rule.objects.current())
    known = {rule.pk for rule in rules}
    gone = [event.rule for event in events.values() if event.rule_id not in known and event.accepted_at]
    return sorted([*rules, *gone], key=lambda rule: (_ORDER[rule.event], rule.created_at))


def _of_event(event: ConversionEvent) -> Explanation:
    state = _STATES[event.status]
    explanation = Explanation(event.rule, state, "", event=event, action=story.cure(event))
    if state == "sent":
        said = _("Accepted as {name}{value}.").format(name=event.rule.name, value=_with(event))
        return replace(explanation, sentence=said, at=event.accepted_at)
    return replace(explanation, sentence=story.sentence(event, timezone.now()))


def _with(event: ConversionEvent) -> str:
    return _(" with {money}").format(money=money(event.value, event.currency)) if event.value else ""


def _without_event(rule: Rule, lead: Lead, deal: Deal | None, company: Company) -> Explanation:
    if rule.event in _OF_LEADS:
        return _of_lead(rule, lead, company)
    if deal is not None:
        return _of_deal(rule, deal, lead, company)
    if not rule.is_active:
        return _never(rule, _("the rule is off."))
    if lead.status.category in (StatusCategory.WON, StatusCategory.LOST):
        why = _("A lead's status tells LinkedIn nothing of a sale.")
    else:
        why = _("No deal yet.")
    return Explanation(
        rule, "future", _("{why} Create a deal to report {nouns}.").format(why=why, nouns=_NOUNS[rule.event])
    )


_NOUNS: dict[str, str] = {
    CrmEvent.DEAL_CREATED: gettext_lazy("it"),
    CrmEvent.DEAL_WON: gettext_lazy("revenue"),
    CrmEvent.DEAL_LOST: gettext_lazy("its loss"),
}


def _of_lead(rule: Rule, lead: Lead, company: Company) -> Explanation:
    """A rule about the lead itself, of which nothing was recorded."""
    happened = lead.occurred_at if rule.event == CrmEvent.LEAD_CREATED else lead.qualified_at
    if not rule.is_active:
        return _never(rule, _("the rule is off."))
    if happened is None:
        text = _("Will be sent as {name} when they are first qualified.{but}").format(
            name=rule.name, but=_but(lead, company)
        )
        return Explanation(rule, "future", text, can_preview=True)
    if lead.origin == "import":
        return _never(rule, _("they came by an import that did not report to LinkedIn."))
    did = _("were added") if rule.event == CrmEvent.LEAD_CREATED else _("were qualified")
    if happened < rule.created_at:
        return _never(rule, _("they {did} before the rule existed.").format(did=did))
    if lead.is_test:
        return _never(rule, _("this is a test lead."))
    return _never(rule, _("the rule was off when they {did}.").format(did=did))


def _of_deal(rule: Rule, deal: Deal, lead: Lead | None, company: Company) -> Explanation:
    """A rule about a deal, of which nothing was recorded."""
    if not rule.is_active:
        return _never(rule, _("the rule is off."))
    if rule.event != CrmEvent.DEAL_CREATED and not deal.pipeline.counts_as_sales:
        return _never(rule, _("the pipeline {name} does not count as sales.").format(name=deal.pipeline.name))
    happened = _happened(rule, deal)
    if happened is None:
        return _of_open_deal(rule, deal, lead, company)
    if lead is None:
        return Explanation(
            rule, "future", _("LinkedIn is told about a person, and this deal has none. Add a lead.")
        )
    if deal.origin == "import":
        return _never(rule, _("the deal came by an import that did not report to LinkedIn."))
    if happened < rule.created_at:
        return _never(
            rule, _("the deal was {done} before the rule existed.").format(done=_(_DONE[rule.event]))
        )
    return _never(rule, _("the rule was off when the deal was {done}.").format(done=_(_DONE[rule.event])))


_DONE: dict[str, str] = {
    CrmEvent.DEAL_CREATED: gettext_noop("created"),
    CrmEvent.DEAL_WON: gettext_noop("won"),
    CrmEvent.DEAL_LOST: gettext_noop("lost"),
}


def _happened(rule: Rule, deal: Deal) -> datetime | None:
    if rule.event == CrmEvent.DEAL_CREATED:
        return deal.occurred_at
    return deal.won_at if rule.event == CrmEvent.DEAL_WON else deal.lost_at


def _of_open_deal(rule: Rule, deal: Deal, lead: Lead | None, company: Company) -> Explanation:
    word = _(_DONE[rule.event])
    if deal.status != StageKind.OPEN:
        now = inside_a_sentence(deal.get_status_display())
        return _never(
            rule,
            _("the deal is {now}. It would be sent if the deal is reopened and then {word}.").format(
                now=now, word=word
            ),
        )
    wait = company.settle_minutes
    when = (
        _("{wait} min after it is {word}").format(wait=wait, word=word)
        if wait
        else _("as soon as it is {word}").format(word=word)
    )
    if lead is None:
        return Explanation(
            rule, "future", _("LinkedIn is told about a person, and this deal has none. Add a lead.")
        )
    text = _("Will be sent as {name}{value}, {when}.{but}").format(
        name=rule.name, value=_value(rule, deal), when=when, but=_but(lead, company)
    )
    return Explanation(rule, "future", text, can_preview=True)


def _value(rule: Rule, deal: Deal) -> str:
    amount, currency = recording.value_of(rule, deal)
    if amount:
        return _(" with {money}").format(money=money(amount, currency))
    return _(", without a value as the deal has no amount") if rule.value == ValuePolicy.DEAL_AMOUNT else ""


def _but(lead: Lead, company: Company) -> str:
    """What would stop it if it happened now."""
    ready = readiness(lead, company)
    return (
        "" if ready.can_be_sent else _(" But not as things are. {sentence}").format(sentence=ready.sentence)
    )


def _never(rule: Rule, why: str) -> Explanation:
    return Explanation(rule, "never", _("Never: {why}").format(why=why))
