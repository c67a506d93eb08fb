"""Who LinkedIn is told about, and whether they may be: looked up once for a whole batch, at the moment of sending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db.models import Prefetch

from capi import payload
from capi.models import Connection, ConnectionKind, ConversionEvent, Rule
from crm import tombstones
from crm.countries import CONSENT_COUNTRIES
from crm.models import (
    Company,
    Consent,
    ConsentPolicy,
    Deal,
    DealPerson,
    Lead,
    LeadEmail,
    LeadQuerySet,
    StatusCategory,
)


@dataclass(frozen=True)
class Subject:
    """The person an event is about, and the deal if it is about one. No lead: nobody is left to tell of."""

    lead: Lead | None
    deal: Deal | None
    is_erased: bool = False
    """Whether they were erased under this address, and have not agreed since."""


@dataclass(frozen=True)
class Obstacle:
    """Why an event is not sent now. `held` waits until that changes, else it is skipped. `code` names the sentence."""

    code: str
    held: bool = False


def subjects_of(events: Sequence[ConversionEvent]) -> dict[UUID, Subject]:
    """The subject of each event by event id: the deal's primary lead, or the first linked one with an identifier.

    Seven queries at most, however many events.
    """
    asks_tags = any(event.rule.conditions.get("tags") for event in events)
    deals = _deals({event.deal_id for event in events if event.deal_id})
    wanted = {deal.lead_id for deal in deals.values()} | {event.lead_id for event in events}
    leads = _leads({lead for lead in wanted if lead}, asks_tags)
    primaries = {deal.pk: leads.get(deal.lead_id) if deal.lead_id else None for deal in deals.values()}
    lacking = [pk for pk, lead in primaries.items() if lead is None or not is_known(lead)]
    others = _linked_people(lacking, asks_tags)
    subjects = {}
    linked = [lead for people in others.values() for lead in people]
    erased = tombstones.erased_without_new_consent([*leads.values(), *linked])
    for event in events:
        deal = deals.get(event.deal_id) if event.deal_id else None
        if deal is None:
            lead = leads.get(event.lead_id) if event.lead_id else None
            subjects[event.pk] = _subject(lead, None, erased)
            continue
        primary = primaries[deal.pk]
        known = next((lead for lead in others.get(deal.pk, []) if is_known(lead)), None)
        subjects[event.pk] = _subject(
            primary if primary and is_known(primary) else known or primary, deal, erased
        )
    return subjects


def subject_of(lead: Lead | None, deal: Deal | None) -> Subject:
    """The subject of something that did not happen yet."""
    return _subject(lead, deal, tombstones.erased_without_new_consent([lead] if lead else []))


def _subject(lead: Lead | None, deal: Deal | None, erased: set[UUID]) -> Subject:
    return Subject(lead, deal, is_erased=lead is not None and lead.pk in erased)


def is_known(lead: Lead) -> bool:
    """Whether LinkedIn can tell who the lead is."""
    return bool(lead.li_fat_id or lead.lead_gen_response or lead.email)


def person_of(lead: Lead) -> payload.Person:
    """The lead in the words of the payload."""
    return payload.Person(
        email=lead.email,
        li_fat_id=lead.li_fat_id,
        lead_gen_response=lead.lead_gen_response,
        first_name=lead.first_name,
        last_name=lead.last_name,
        title=lead.title,
        organization=lead.organization.name if lead.organization else "",
        country_code=lead.country_code,
    )


def obstacle(subject: Subject, rule: Rule, connection: Connection, company: Company) -> Obstacle | None:
    """What keeps an event from being sent now, the gravest first; None if nothing does."""
    lead = subject.lead
    if lead is None:
        return Obstacle("no_identifier")
    if code := _unreportable(lead, connection, company):
        return Obstacle(code)
    if subject.is_erased:
        return Obstacle("erased")
    if consent := consent_obstacle(lead, company):
        return consent
    if not meets(rule.conditions, subject):
        return Obstacle("excluded_by_condition")
    if not is_known(lead):
        return Obstacle("no_identifier")
    return None


def consent_obstacle(lead: Lead, company: Company) -> Obstacle | None:
    """Denied is final; unknown is a matter of the company's policy, an unknown country counting as European."""
    if lead.consent == Consent.DENIED:
        return Obstacle("consent_denied")
    if lead.consent == Consent.GRANTED or company.consent_policy == ConsentPolicy.SEND:
        return None
    is_outside = bool(lead.country_code) and lead.country_code not in CONSENT_COUNTRIES
    if company.consent_policy == ConsentPolicy.HOLD_EUROPE and is_outside:
        return None
    return Obstacle("consent_unknown", held=True)


def meets(conditions: dict[str, object], subject: Subject) -> bool:
    """Whether lead and deal fulfil every condition of a rule; an empty list of words asks for nothing."""
    lead, deal = subject.lead, subject.deal
    found: dict[str, set[str]] = {
        "sources": {lead.source.lower()} if lead else set(),
        "types": {lead.lead_type.key} if lead and lead.lead_type else set(),
        "countries": {lead.country_code} if lead else set(),
        "pipelines": {deal.pipeline.key} if deal else set(),
    }
    for name, wanted in conditions.items():
        if name == "tags" and isinstance(wanted, list):
            tags = {tag.name_key for tag in lead.tags.all()} if lead else set()
            found["tags"] = tags
        if isinstance(wanted, list) and wanted:
            words = {str(word).lower() if name in ("sources", "tags") else str(word) for word in wanted}
            if not words & found.get(name, set()):
                return False
    return _is_enough(conditions.get("min_amount"), deal)


def _is_enough(least: object, deal: Deal | None) -> bool:
    if least in (None, ""):
        return True
    try:
        return deal is not None and deal.amount is not None and deal.amount >= Decimal(str(least))
    except InvalidOperation:
        return False


def _unreportable(lead: Lead, connection: Connection, company: Company) -> str:
    if lead.is_test:
        return "test_lead"
    if lead.is_archived:
        return "archived_lead"
    if lead.is_sample and connection.kind != ConnectionKind.SANDBOX:
        return "sample_lead"
    if lead.status.category == StatusCategory.SPAM:
        return "spam_lead"
    if lead.email.rpartition("@")[2].lower() in company.internal_domains:
        return "internal_lead" if lead.email else ""
    return ""


def _leads(ids: set[UUID], asks_tags: bool) -> dict[UUID, Lead]:
    return {lead.pk: lead for lead in _complete_leads(asks_tags).filter(pk__in=ids)} if ids else {}


def _deals(ids: set[UUID]) -> dict[UUID, Deal]:
    return Deal.objects.select_related("pipeline").in_bulk(list(ids)) if ids else {}


def _linked_people(deals: Sequence[UUID], asks_tags: bool) -> dict[UUID, list[Lead]]:
    if not deals:
        return {}
    linked: dict[UUID, list[Lead]] = {}
    people = DealPerson.objects.filter(deal__in=deals).order_by("deal", "position", "id")
    for person in people.prefetch_related(Prefetch("lead", _complete_leads(asks_tags))):
        linked.setdefault(person.deal_id, []).append(person.lead)
    return linked


def _complete_leads(asks_tags: bool) -> LeadQuerySet:
    leads = Lead.objects.order_by().select_related("status", "lead_type", "organization")
    leads = leads.prefetch_related(Prefetch("emails", LeadEmail.objects.filter(is_primary=True).order_by()))
    return leads.prefetch_related("tags") if asks_tags else leads
