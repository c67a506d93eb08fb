"""Finds people, firms and deals by the words people type: names, addresses, domains, digits of a phone number.

On PostgreSQL by an index (crm.models.search): each word of three letters or more is found anywhere in a text, shorter
ones where a word begins, accents aside. SQLite looks at every row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from math import ceil
from operator import or_
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connection, models
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django_scopes import get_scope

from crm.cleaning import phone_digits
from crm.models import (
    Deal,
    DealQuerySet,
    Found,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadQuerySet,
    Organization,
    OrganizationQuerySet,
    SearchEntry,
)

MOST_WORDS: Final = 6
FEWEST_DIGITS: Final = 3
FEWEST_DIGITS_ALONE: Final = 6
# Up to so many records are named one by one, which makes everything asked of them afterwards quick.
MOST_NAMED: Final = 1000
# What somebody meant shares so much of its letters with what they typed; shorter words are too like each other.
ALIKE: Final = 0.6
SHORTEST_SLIP: Final = 4
LONGEST_SLIP: Final = 16
MOST_ALIKE: Final = 200
_NUMBER = re.compile(r"[\d\s()+./-]+")

Rows = TypeVar("Rows", bound="models.QuerySet[Any]")
Ids = models.QuerySet[Any, Any]


def search_leads(leads: LeadQuerySet, text: str) -> LeadQuerySet:
    """The leads in which every word is found: in the name, the firm, an e-mail address or a phone number."""
    return _searched(leads, text, _leads_by_index, _lead_has)


def search_deals(deals: DealQuerySet, text: str) -> DealQuerySet:
    """The deals in which every word is found: in the title, the firm or what the primary lead is found by."""
    return _searched(deals, text, _deals_by_index, _deal_has)


def search_organizations(firms: OrganizationQuerySet, text: str) -> OrganizationQuerySet:
    """The firms in which every word is found: in the name or the domain."""
    return _searched(firms, text, _organizations_by_index, _organization_has)


def words_of(text: str) -> list[str]:
    """The words to look for: those with a letter or a digit. A phone number is one word, however it is grouped.

    What cannot be in a text of the database, NUL and halves of characters, is never looked for.
    """
    text = text.replace("\x00", " ").encode(errors="ignore").decode()
    if _NUMBER.fullmatch(text) and len(phone_digits(text)) >= FEWEST_DIGITS_ALONE:
        return [phone_digits(text)]
    return [word for word in text.split() if any(letter.isalnum() for letter in word)][:MOST_WORDS]


def nearly(kind: Found, text: str) -> list[UUID]:
    """The ids of what is nearly called so, the most alike first, for a slip of the fingers. None on SQLite."""
    word = max(words_of(text), key=len, default="")[:LONGEST_SLIP]
    company = _indexed_company()
    if company is None or len(word) < SHORTEST_SLIP:
        return []
    places = range(2, len(word) + 1)
    is_near = reduce(or_, (Q(_Holds(F("grams"), _pair(company, kind, word, place))) for place in places))
    meant = Func(Value(company), Value(int(kind)), Value(word), function="crm_search_grams")
    shared = Func(F("grams"), meant, function="crm_search_shared", output_field=models.IntegerField())
    entries = SearchEntry.objects.filter(is_near).annotate(shared=shared)
    alike = entries.filter(shared__gte=ceil(ALIKE * len(word))).order_by("-shared", "-record")
    return list(dict.fromkeys(alike.values_list("record", flat=True)[:MOST_ALIKE]))


def _searched(
    rows: Rows,
    text: str,
    by_index: Callable[[UUID, str], Ids],
    has: Callable[[str], Q],
) -> Rows:
    words = words_of(text)
    if not words:
        # Only signs were typed: that is no wish to see everything.
        return rows.none() if text.strip() else rows
    company = _indexed_company()
    if company is None:
        return reduce(lambda found, word: found.filter(has(word)), words, rows)
    # Ids may come twice: to find that out would take all of them, where the first are enough.
    found = reduce(lambda one, other: one.intersection(other), (by_index(company, word) for word in words))
    named = list(found[: MOST_NAMED + 1])
    if len(named) <= MOST_NAMED:
        return rows.filter(pk__in=named)
    return rows.filter(pk__in=found)


def _indexed_company() -> UUID | None:
    """The company whose entries can be searched; None where there is no index, or no company in particular."""
    company = get_scope().get("company") if connection.vendor == "postgresql" else None
    return company.pk if company else None


# --- PostgreSQL: ids, by the index


class _Holds(Func):
    """Whether an entry has all of some groups of letters."""

    template = "%(expressions)s"
    arg_joiner = " @> "
    output_field = models.BooleanField()


def _wanted(company: UUID, kind: Found, word: str) -> Func:
    return Func(Value(company), Value(int(kind)), Value(word), function="crm_search_wanted")


def _pair(company: UUID, kind: Found, word: str, place: int) -> Func:
    return Func(Value(company), Value(int(kind)), Value(word), Value(place), function="crm_search_pair")


def _entries(company: UUID, kind: Found, word: str) -> Ids:
    """The ids of what has the word in a text of its own; digits are looked for without what separates them."""
    holds = Q(_Holds(F("grams"), _wanted(company, kind, word)))
    digits = phone_digits(word)
    if kind == Found.LEAD and digits != word and len(digits) >= FEWEST_DIGITS and _NUMBER.fullmatch(word):
        holds |= Q(_Holds(F("grams"), _wanted(company, kind, digits)))
    return SearchEntry.objects.filter(holds).values_list("record", flat=True)


def _leads_by_index(company: UUID, word: str) -> Ids:
    firms = _entries(company, Found.ORGANIZATION, word)
    of_firms = Lead.objects.filter(organization__in=firms).order_by().values_list("pk", flat=True)
    return _entries(company, Found.LEAD, word).union(of_firms, all=True)


def _deals_by_index(company: UUID, word: str) -> Ids:
    deals = Deal.objects.order_by().values_list("pk", flat=True)
    return _entries(company, Found.DEAL, word).union(
        deals.filter(organization__in=_entries(company, Found.ORGANIZATION, word)),
        deals.filter(lead__in=_entries(company, Found.LEAD, word)),
        all=True,
    )


def _organizations_by_index(company: UUID, word: str) -> Ids:
    return _entries(company, Found.ORGANIZATION, word)


# --- SQLite: every row


def _lead_has(word: str) -> Q:
    firms = Organization.objects.filter(_organization_has(word)).values("pk")
    has = _has("first_name", word) | _has("last_name", word) | Q(organization__in=firms)
    addresses = LeadEmail.objects.filter(lead=OuterRef("pk"), address_key__contains=word.lower())
    has |= Q(Exists(addresses))
    digits = phone_digits(word)
    if len(digits) < FEWEST_DIGITS:
        return has
    return has | Q(Exists(LeadPhone.objects.filter(lead=OuterRef("pk"), digits__contains=digits)))


def _deal_has(word: str) -> Q:
    firms = Organization.objects.filter(_organization_has(word)).values("pk")
    leads = Lead.objects.filter(_lead_has(word)).order_by().values("pk")
    return _has("title", word) | Q(organization__in=firms) | Q(lead__in=leads)


def _organization_has(word: str) -> Q:
    return _has("name", word) | Q(domain__icontains=word)


def _has(field: str, word: str) -> Q:
    """SQLite knows upper and lower case of ASCII only, so a word with other letters is looked for in each."""
    cases = {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
    return reduce(or_, (Q((f"{field}__icontains", case)) for case in sorted(cases)))
