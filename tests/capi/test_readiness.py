"""How ready a lead is: one word for each case, and no query that a list would have to repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation
from pytest_django import DjangoAssertNumQueries

from capi.readiness import readiness
from crm.models import Company, Lead, LeadStatus, StatusCategory
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db
CLICK = {"attribution": {"li_fat_id": "3f1c9a52"}}


@pytest.mark.parametrize(
    ("fields", "level", "word", "tone"),
    [
        ({}, 3, "E-mail only", "warn"),
        (CLICK, 4, "Ready", "good"),
        ({"attribution": {"lead_gen_response": "249592fc-6"}}, 4, "Ready", "good"),
        ({"email": "", **CLICK}, 3, "No e-mail", "warn"),
        ({"email": ""}, 1, "No e-mail", "bad"),
        ({"consent": "denied", **CLICK}, 0, "Consent denied", ""),
        ({"is_test": True}, 0, "Test lead", ""),
        ({"email": "bob@acme.test"}, 0, "Internal", ""),
    ],
)
def test_one_word(company: Company, fields: dict[str, Any], level: int, word: str, tone: str) -> None:
    company.internal_domains = ["acme.test"]
    ready = readiness(LeadFactory(company=company, **fields), company)
    assert (ready.level, ready.word, ready.tone) == (level, word, tone)


@pytest.mark.parametrize(
    ("fields", "word", "sentence"),
    [
        ({"consent": "denied"}, "Einwilligung verweigert", "Die Person möchte nicht"),
        ({"is_test": True}, "Test-Lead", "Test-Leads werden nie gemeldet."),
        ({"email": "bob@acme.test"}, "Intern", "Die E-Mail"),
    ],
)
def test_who_is_never_reported_is_so_in_every_language(
    company: Company, fields: dict[str, Any], word: str, sentence: str
) -> None:
    company.internal_domains = ["acme.test"]
    lead = LeadFactory(company=company, **fields)
    with translation.override("de"):
        ready = readiness(lead, company)
    assert (ready.level, ready.word) == (0, word)
    assert ready.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("policy", "country", "word"),
    [
        ("send", "DE", "Ready"),
        ("hold", "US", "Consent unknown"),
        ("hold_eea", "DE", "Consent unknown"),
        ("hold_eea", "", "Consent unknown"),
        ("hold_eea", "US", "Ready"),
    ],
)
def test_unknown_consent_is_a_matter_of_the_policy(
    company: Company, policy: str, country: str, word: str
) -> None:
    company.consent_policy = policy
    lead = LeadFactory(company=company, country_code=country, **CLICK)
    assert readiness(lead, company).word == word


def test_names_help_only_where_they_may_be_sent(company: Company) -> None:
    company.enhanced_matching = True
    assert readiness(LeadFactory(company=company), company).word == "No click id"


def test_spam_is_never_ready(company: Company) -> None:
    status = LeadStatus.objects.create(
        company=company, name="Junk", key="junk", category=StatusCategory.SPAM, position=9
    )
    assert readiness(LeadFactory(company=company, status=status), company).word == "Spam"


def test_checks_say_how_old_the_click_is(company: Company) -> None:
    lead = LeadFactory(company=company, **CLICK)
    lead.li_fat_id_captured_at = timezone.now() - timedelta(days=15, hours=1)
    checks = {check.label: check for check in readiness(lead, company).checks}
    assert checks["Click id"].note == "15 days old"
    assert not checks["Consent"].is_there


def test_a_list_needs_no_further_query(
    company: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        LeadFactory(company=company)
    leads = list(Lead.objects.for_list())
    with django_assert_num_queries(0):
        for lead in leads:
            readiness(lead, company)
