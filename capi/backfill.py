"""Tells LinkedIn what happened before a rule listened: up to 89 days back, oldest first, in a slow lane of its own.

A fact is recorded as it would have been then, with its own time and its own event id, so that what LinkedIn knows is
not told twice. How far it has come stands on the rule, and each chunk moves it on in one transaction: stopped, killed
or begun again, nothing is left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from capi import lead_filter, payload, recording
from capi.models import Connection, ConnectionKind, ConversionEvent, CrmEvent, Repeat, Rule, Status
from capi.recording import Occasion
from crm import audit
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import Company, Deal, DealStageChange, Lead, LeadTag, StageKind
from crm.tenancy import company_scope, every_company

CHUNK: Final = 500
REPORTABLE_FOR: Final = timedelta(days=payload.SENDABLE_DAYS) - payload.RECORDING_MARGIN
_OUTCOMES: Final = {CrmEvent.DEAL_WON: StageKind.WON, CrmEvent.DEAL_LOST: StageKind.LOST}
_NONE: Final = Q(pk__in=())
# Leads or deals, with `fact_at` and `fact_occurrence`.
Facts = QuerySet[Any]


@dataclass(frozen=True)
class Preview:
    """What would become of all that happened so far: each fact is counted once, where it first applies.

    `excluded` are test and spam leads, addresses of one's own, and what the rule's conditions leave out.
    """

    already_sent: int
    too_old: int
    excluded: int
    no_consent: int
    no_identifier: int
    eligible: int


def preview(rule: Rule, now: datetime) -> Preview:
    """Count, and change nothing."""
    return Preview(**{name: facts.count() for name, facts in _sifted(rule, now)})


@transaction.atomic
def start(rule: Rule, actor: Actor) -> Rule:
    """Begin with what is eligible up to now. Runs already: nothing happens. Raises Conflict for a rule that is off."""
    rule = _locked(rule)
    if not rule.is_active:
        raise Conflict(_("This rule is off. Switch it on first."), code="rule_off")
    if rule.backfill_until is None:
        audit.record(actor, "backfill_started", rule, company=rule.company)
        _move(rule, timezone.now(), None)
    return rule


@transaction.atomic
def stop(rule: Rule, actor: Actor) -> None:
    """Record nothing more. What is recorded is sent; begun again, it goes on with the rest."""
    rule = _locked(rule)
    if rule.backfill_until is not None:
        audit.record(actor, "backfill_stopped", rule, company=rule.company)
        _move(rule, None, None)


def running() -> list[tuple[UUID, UUID]]:
    """The companies and rules with a backfill to go on with."""
    with every_company():
        rules = Rule.objects.current().filter(is_active=True).exclude(backfill_until=None)
        return sorted(rules.values_list("company", "pk"))


def work(company_id: UUID, rule_id: UUID, seconds: float) -> bool:
    """Record for so long, or to the end; whether there is more to do. Somebody else at it: False."""
    company = Company.objects.filter(pk=company_id).first()
    if company is None:
        return False
    end = time.monotonic() + seconds
    with company_scope(company):
        while _chunk(rule_id):
            if time.monotonic() >= end:
                return True
    return False


@transaction.atomic
def _chunk(rule_id: UUID) -> bool:
    """Record the next facts; False if these were the last, or others are at it."""
    rules = Rule.objects.current().filter(pk=rule_id, is_active=True).exclude(backfill_until=None)
    locked = rules.select_for_update(of=("self",), no_key=True, skip_locked=True)
    rule = locked.select_related("company").first()
    if rule is None:
        return False
    facts = list(_next(rule, timezone.now())[:CHUNK])
    recording.record_old(rule, [_occasion(rule, fact) for fact in facts])
    is_more = len(facts) == CHUNK
    _move(rule, rule.backfill_until if is_more else None, facts[-1] if is_more else None)
    return is_more


def _move(rule: Rule, until: datetime | None, last: Any) -> None:
    rule.backfill_until = until
    rule.backfill_after_at, rule.backfill_after_id = (last.fact_at, last.pk) if last else (None, None)
    rule.save(update_fields=["backfill_until", "backfill_after_at", "backfill_after_id"])


def _next(rule: Rule, now: datetime) -> Facts:
    facts = dict(_sifted(rule, now))["eligible"].filter(fact_at__lte=rule.backfill_until)
    if rule.backfill_after_at is not None:
        beyond = Q(fact_at__gt=rule.backfill_after_at) | Q(pk__gt=rule.backfill_after_id)
        facts = facts.filter(beyond, fact_at__gte=rule.backfill_after_at)
    if rule.event in _OUTCOMES or rule.event == CrmEvent.DEAL_CREATED:
        facts = facts.select_related("lead")
    return facts.order_by("fact_at", "pk")


def _occasion(rule: Rule, fact: Any) -> Occasion:
    lead, deal = (fact, None) if isinstance(fact, Lead) else (fact.lead, fact)
    event = CrmEvent(rule.event)
    return Occasion(event, rule.company, fact.fact_at, fact.fact_occurrence, lead, deal, is_old_news=True)


def _locked(rule: Rule) -> Rule:
    # Without the key, so that events of the rule can be recorded meanwhile.
    return Rule.objects.select_for_update(of=("self",), no_key=True).select_related("company").get(pk=rule.pk)


# ── What happened, and what is to be told of it ────────────────────────────────────────────────────────


def _sifted(rule: Rule, now: datetime) -> Iterator[tuple[str, Facts]]:
    """Every fact, by what becomes of it; what is eligible last."""
    left, company = _facts(rule), rule.company
    sieve: dict[str, Q | Exists] = {
        "already_sent": Exists(_recorded(rule)),
        "too_old": Q(fact_at__lte=now - REPORTABLE_FOR),
        "excluded": _about(left, company, "never") | _samples(left) | _unmet(left, rule),
        "no_consent": _about(left, company, "denied") | _about(left, company, "unknown"),
        "no_identifier": _about(left, company, "no-identifier"),
    }
    for name, caught in sieve.items():
        yield name, left.filter(caught)
        left = left.filter(~caught)
    yield "eligible", left


def _facts(rule: Rule) -> Facts:
    """All that ever happened of the rule's kind, as it stands today: a deal that was reopened is not won."""
    once = Value(1, output_field=IntegerField())
    if rule.event == CrmEvent.LEAD_CREATED:
        return Lead.objects.current().order_by().annotate(fact_at=F("occurred_at"), fact_occurrence=once)
    if rule.event == CrmEvent.LEAD_QUALIFIED:
        qualified = Lead.objects.current().order_by().exclude(qualified_at=None)
        return qualified.annotate(fact_at=F("qualified_at"), fact_occurrence=once)
    deals = Deal.objects.current().order_by().exclude(lead=None)
    if rule.event == CrmEvent.DEAL_CREATED:
        return deals.annotate(fact_at=F("occurred_at"), fact_occurrence=once)
    kind = _OUTCOMES[CrmEvent(rule.event)]
    closed = deals.filter(status=kind, pipeline__counts_as_sales=True)
    return closed.annotate(fact_at=F(f"{kind.value}_at"), fact_occurrence=Coalesce(_times(kind), once))


def _times(kind: StageKind) -> Subquery:
    """How often the deal came into such a stage, as live events count it."""
    entered = DealStageChange.objects.filter(deal=OuterRef("pk"), to_kind=kind).exclude(from_kind=kind)
    counted = entered.order_by().values("deal").annotate(times=Count("pk")).values("times")
    return Subquery(counted, output_field=IntegerField())


def _recorded(rule: Rule) -> QuerySet[ConversionEvent]:
    """What the rule has told of the fact, or is about to; what was undone does not count."""
    told = ConversionEvent.objects.real().filter(rule=rule, event=rule.event).exclude(status=Status.CANCELLED)
    if rule.event in (CrmEvent.LEAD_CREATED, CrmEvent.LEAD_QUALIFIED):
        return told.filter(lead=OuterRef("pk"), deal=None)
    theirs = told.filter(deal=OuterRef("pk"))
    is_each = rule.event in _OUTCOMES and rule.repeat == Repeat.EACH_CYCLE
    return theirs.filter(occurrence=OuterRef("fact_occurrence")) if is_each else theirs


def _about(facts: Facts, company: Company, what: str) -> Q:
    """The facts about people of whom that is true: see `capi.lead_filter`."""
    return _of(facts, lead_filter.narrow(Lead.objects.order_by(), company, what))


def _of(facts: Facts, people: QuerySet[Lead]) -> Q:
    """The facts about these people; of a deal, its primary lead counts."""
    return Q(pk__in=people.values("pk")) if facts.model is Lead else Q(lead__in=people.values("pk"))


def _samples(facts: Facts) -> Q:
    """Sample people are told to the sandbox, and to nobody else."""
    if Connection.objects.filter(kind=ConnectionKind.SANDBOX).exists():
        return _NONE
    return _of(facts, Lead.objects.order_by().filter(is_sample=True))


def _unmet(facts: Facts, rule: Rule) -> Q:
    """The facts that do not meet the rule's conditions; `identity.meets` looks again when they are sent."""
    wanted: dict[str, Any] = {name: value for name, value in rule.conditions.items() if value}
    if not wanted:
        return _NONE
    people = Lead.objects.order_by()
    if "sources" in wanted:
        words = [str(word).lower() for word in wanted["sources"]]
        people = people.annotate(word=Lower("source")).filter(word__in=words)
    if "types" in wanted:
        people = people.filter(lead_type__key__in=wanted["types"])
    if "countries" in wanted:
        people = people.filter(country_code__in=wanted["countries"])
    if "tags" in wanted:
        keys = [str(name).lower() for name in wanted["tags"]]
        people = people.filter(Exists(LeadTag.objects.filter(lead=OuterRef("pk"), tag__name_key__in=keys)))
    met = _of(facts, people)
    about_deals = {"pipelines": "pipeline__key__in", "min_amount": "amount__gte"}
    for name in about_deals.keys() & wanted.keys():
        met &= _NONE if facts.model is Lead else Q(**{about_deals[name]: wanted[name]})
    return ~met
