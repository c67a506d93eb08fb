"""Erasing and exporting a person on their page, and the company's privacy settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crm.actions import leads
from crm.models import AuditEntry, Company, Erasure, Lead, Retention, User
from tests.crm.views.conftest import Browser, url
from tests.factories import SHELL, LeadFactory


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def test_the_page_asks_by_name_and_says_what_follows(alice: Browser, lead: Lead) -> None:
    said = alice.seen("lead_erase", lead.pk)
    assert "Erase Annika Sorensen?" in said
    assert "What waits for LinkedIn is cancelled" in said
    assert Lead.objects.filter(pk=lead.pk).exists(), "asking does nothing"


def test_others_with_the_same_address_are_named(alice: Browser, company: Company, lead: Lead) -> None:
    LeadFactory(company=company, first_name="Twin", last_name="Sorensen", email=lead.email.upper())
    assert "1 other lead with the same address" in alice.seen("lead_erase", lead.pk)


def test_erased_is_gone_everywhere_and_not_named_again(alice: Browser, lead: Lead) -> None:
    answer = alice.post("lead_erase", lead.pk)
    assert answer.url == url("leads")
    assert "The person was erased." in alice.said()
    for name in ("lead", "lead_edit", "lead_erase", "lead_archive"):
        assert alice.get(name, lead.pk).status_code == 404
    assert alice.post("lead_erase", lead.pk).status_code == 404
    assert "Annika" not in alice.seen("leads")


def test_an_archived_person_can_be_erased(alice: Browser, lead: Lead) -> None:
    leads.archive_lead(lead, SHELL)
    assert alice.post("lead_erase", lead.pk).status_code == 302
    assert not Lead.objects.exists()


@pytest.mark.parametrize("name", ["lead_erase", "lead_export"])
def test_only_those_who_manage_may(
    company: Company, manager: User, browser_of: Any, bob: Browser, agent: User, lead: Lead, name: str
) -> None:
    mia = browser_of(manager)
    assert mia.post(name, lead.pk).status_code == 403
    assert bob.post(name, lead.pk).status_code == 404
    own = LeadFactory(company=company, owner=agent)
    assert bob.post(name, own.pk).status_code == 403
    assert "Erase…" not in mia.seen("lead", lead.pk)
    assert Lead.objects.count() == 2


def test_the_export_is_a_file_and_is_written_down(alice: Browser, lead: Lead) -> None:
    answer = alice.post("lead_export", lead.pk)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="lead-{lead.pk}.json"'
    tables = answer.json()["tables"]
    assert tables["crm.Lead"]["rows"][0]["first_name"] == "Annika"
    assert AuditEntry.objects.get(action="lead_exported").subject_id == lead.pk
    assert alice.get("lead_export", lead.pk).status_code == 405


# --- settings


def test_consent_and_matching_are_set(alice: Browser, company: Company) -> None:
    answer = alice.post(
        "settings_privacy",
        consent_policy="hold",
        enhanced_matching="on",
        internal_domains="Acme.test\n@acme.example",
    )
    assert answer.url == url("settings_privacy")
    company.refresh_from_db()
    assert (company.consent_policy, company.enhanced_matching) == ("hold", True)
    assert company.internal_domains == ["acme.test", "acme.example"]
    assert "acme.example" in alice.seen("settings_privacy")


def test_a_domain_that_is_none_is_refused_beside_its_field(alice: Browser, company: Company) -> None:
    answer = alice.post("settings_privacy", consent_policy="send", internal_domains="nonsense")
    assert answer.status_code == 422
    assert "Enter domains such as example.com." in answer.content.decode()


def test_retention_is_set(alice: Browser, company: Company) -> None:
    alice.post("settings_privacy_retention", archived_lead_days="30", conversion_days="120")
    rules = Retention.objects.get()
    assert (rules.archived_lead_days, rules.conversion_days) == (30, 120)
    alice.post("settings_privacy_retention", archived_lead_days="", conversion_days="120")
    assert Retention.objects.get().archived_lead_days is None


def test_too_short_a_time_is_refused_in_words(alice: Browser, company: Company) -> None:
    answer = alice.post("settings_privacy_retention", archived_lead_days="", conversion_days="30")
    assert answer.status_code == 422
    assert "LinkedIn takes events for 90 days" in answer.content.decode()


def test_erasures_are_listed_with_their_state(alice: Browser, lead: Lead) -> None:
    assert "Nobody yet" in alice.seen("settings_privacy")
    alice.post("lead_erase", lead.pk)
    said = alice.seen("settings_privacy")
    assert str(lead.pk) in said
    assert "Requested" in said
    Erasure.objects.update(completed_at="2026-01-01T00:00:00Z")
    assert "Completed" in alice.seen("settings_privacy")


def test_the_privacy_page_is_for_those_who_manage(bob: Browser) -> None:
    assert bob.get("settings_privacy").status_code == 403
    assert bob.post("settings_privacy_retention", conversion_days="120").status_code == 403
