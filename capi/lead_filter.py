"""The list of leads narrowed to those whom LinkedIn could, or could not, be told about: `readiness`, in SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db.models import Exists, OuterRef, Q

from crm import panels
from crm.countries import CONSENT_COUNTRIES
from crm.models import Company, Consent, ConsentPolicy, LeadEmail, LeadQuerySet, StatusCategory
from crm.texts import gettext_lazy

_NOBODY = Q(pk__in=())


def narrow(leads: LeadQuerySet, company: Company, value: str) -> LeadQuerySet:
    """The leads of which `value`, one of CHOICES, is true."""
    return leads.filter(_CONDITIONS[value](company))


def _no_identifier(company: Company) -> Q:
    has_email = Exists(LeadEmail.objects.filter(lead=OuterRef("pk")))
    return Q(~has_email, li_fat_id="", lead_gen_response="")


def _denied(company: Company) -> Q:
    return Q(consent=Consent.DENIED)


def _unknown(company: Company) -> Q:
    """Held for consent by the company's policy; a country that is not known counts as European."""
    if company.consent_policy == ConsentPolicy.SEND:
        return _NOBODY
    unknown = Q(consent=Consent.UNKNOWN)
    if company.consent_policy == ConsentPolicy.HOLD_EUROPE:
        return unknown & (Q(country_code="") | Q(country_code__in=CONSENT_COUNTRIES))
    return unknown


def _never(company: Company) -> Q:
    """Test leads, spam, and addresses of the company's own domains."""
    never = Q(is_test=True) | Q(status__category=StatusCategory.SPAM)
    internal = Q()
    for domain in company.internal_domains:
        internal |= Q(address_key__endswith=f"@{domain}")
    if not internal:
        return never
    own = LeadEmail.objects.filter(internal, lead=OuterRef("pk"), is_primary=True)
    return never | Q(Exists(own))


def _not_sendable(company: Company) -> Q:
    return _no_identifier(company) | _denied(company) | _unknown(company) | _never(company)


_CONDITIONS: dict[str, Callable[[Company], Q]] = {
    "not": _not_sendable,
    "ready": lambda company: ~_not_sendable(company),
    "no-identifier": _no_identifier,
    "denied": _denied,
    "unknown": _unknown,
    "never": _never,
}
CHOICES: Final = {
    "not": gettext_lazy("not sendable"),
    "ready": "sendable",
    "no-identifier": gettext_lazy("not sendable: no e-mail or click id"),
    "denied": gettext_lazy("not sendable: consent denied"),
    "unknown": gettext_lazy("not sendable: waits for consent"),
    "never": gettext_lazy("not sendable: test, spam or internal"),
}

panels.lead_filters.append(panels.LeadFilter("linkedin", "LinkedIn", CHOICES, narrow))
