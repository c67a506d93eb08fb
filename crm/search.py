"""Finds leads and deals by the words people type: names, addresses, firms, digits of a phone number."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from crm.cleaning import phone_digits
from crm.models import DealQuerySet, LeadEmail, LeadPhone, LeadQuerySet, OrganizationQuerySet

MOST_WORDS = 6
FEWEST_DIGITS = 3


def search_leads(leads: LeadQuerySet, text: str) -> LeadQuerySet:
    """The leads in which every word is found: in the name, the firm, an e-mail address or a phone number."""
    for word in words_of(text):
        leads = leads.filter(_lead_has(word))
    return leads


def search_deals(deals: DealQuerySet, text: str) -> DealQuerySet:
    """The deals in which every word is found: in the title, the firm or the name of the primary lead."""
    for word in words_of(text):
        deals = deals.filter(
            Q(title__icontains=word)
            | Q(organization__name__icontains=word)
            | Q(lead__first_name__icontains=word)
            | Q(lead__last_name__icontains=word)
        )
    return deals


def search_organizations(firms: OrganizationQuerySet, text: str) -> OrganizationQuerySet:
    """The firms in which every word is found: in the name or the domain."""
    for word in words_of(text):
        firms = firms.filter(Q(name_key__contains=word.lower()) | Q(domain__contains=word.lower()))
    return firms


def words_of(text: str) -> list[str]:
    """The words to look for. NUL cannot be in a text of the database, so it is never looked for."""
    return text.replace("\x00", " ").split()[:MOST_WORDS]


def _lead_has(word: str) -> Q:
    addresses = LeadEmail.objects.filter(lead=OuterRef("pk"), address_key__contains=word.lower())
    found = (
        Q(first_name__icontains=word)
        | Q(last_name__icontains=word)
        | Q(organization__name__icontains=word)
        | Q(Exists(addresses))
    )
    digits = phone_digits(word)
    if len(digits) < FEWEST_DIGITS:
        return found
    return found | Q(Exists(LeadPhone.objects.filter(lead=OuterRef("pk"), digits__contains=digits)))
