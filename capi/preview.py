"""What a rule would tell LinkedIn about a real lead or deal if it happened now, and what is missing."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.utils import timezone

from capi import identity, payload, recording
from capi.models import Connection, ConversionEvent, CrmEvent, Rule, ValuePolicy
from capi.wording import sentence
from crm.currencies import in_minor_digits
from crm.models import Company, Deal, Lead


def preview(rule: Rule, *, lead: Lead | None = None, deal: Deal | None = None) -> payload.Preview:
    """The exact element for a lead or a deal. Time and occurrence are those of a first time, now."""
    amount, currency = recording.value_of(rule, deal)
    subject = deal or lead
    if subject is None:
        raise ValueError("A preview needs a lead or a deal.")
    event_id = payload.event_id(rule.company_id, rule.conversion_id, rule.event, subject.pk, 1)
    if rule.event == CrmEvent.LEAD_CREATED and lead and lead.browser_event_id:
        event_id = lead.browser_event_id
    facts = payload.Facts(
        rule.conversion_id, event_id, timezone.now(), in_minor_digits(amount, currency), currency
    )
    return _shown(facts, rule, identity.subject_of(lead, deal), rule.company)


def preview_event(event: ConversionEvent) -> payload.Preview:
    """The element of an event that was not built yet, as it would be built now."""
    facts = payload.Facts(
        event.conversion_id,
        event.event_id,
        event.happened_at,
        in_minor_digits(event.value, event.currency),
        event.currency,
    )
    subject = identity.subjects_of([event])[event.pk]
    return _shown(facts, event.rule, subject, event.company)


def _shown(facts: payload.Facts, rule: Rule, subject: identity.Subject, company: Company) -> payload.Preview:
    person = identity.person_of(subject.lead) if subject.lead else payload.Person()
    shown = payload.preview(
        facts,
        person,
        enhanced=company.enhanced_matching,
        version=settings.LINKEDIN_VERSION,
        wants_value=rule.value != ValuePolicy.NONE,
    )
    connection = Connection.objects.first() or Connection(company=company)
    obstacle = identity.obstacle(subject, rule, connection, company)
    if obstacle is None or obstacle.code == "no_identifier":
        return shown
    stopped = payload.Missing(obstacle.code, sentence(obstacle.code), blocks=True)
    return replace(shown, missing=(stopped, *shown.missing))
