"""What a company has kept long enough goes by itself, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from capi.models import Attempt, ConversionEvent, Delivery, Rule
from crm.actions import leads, retention
from crm.actions.retention import Outlived
from crm.models import AuditEntry, Company, Erasure, IdempotencyRecord, Lead, Retention
from tests.factories import SHELL, LeadFactory


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def archived(company: Company, days: int) -> Lead:
    lead = LeadFactory(company=company)
    leads.archive_lead(lead, SHELL)
    Lead.objects.filter(pk=lead.pk).update(archived_at=timezone.now() - timedelta(days=days))
    return lead


def keep(company: Company, archived_lead_days: int | None = None, conversion_days: int = 180) -> None:
    retention.update_retention(
        company, archived_lead_days=archived_lead_days, conversion_days=conversion_days, actor=SHELL
    )


def test_archived_leads_are_kept_unless_the_company_says_so(company: Company) -> None:
    archived(company, 4000)
    assert retention.apply_retention(company) == Outlived()
    assert Lead.objects.count() == 1


def test_archived_leads_past_their_time_are_erased(company: Company) -> None:
    old, recent, current = archived(company, 31), archived(company, 29), LeadFactory(company=company)
    keep(company, archived_lead_days=30)
    assert retention.apply_retention(company, dry_run=True) == Outlived(leads=1)
    assert Lead.objects.count() == 3, "counting removes nothing"
    assert retention.apply_retention(company) == Outlived(leads=1)
    assert set(Lead.objects.all()) == {recent, current}
    assert Erasure.objects.get().lead_id == old.pk
    assert retention.apply_retention(company) == Outlived(), "the second run finds nothing"
    assert AuditEntry.objects.filter(action="retention_run").count() == 1


def test_old_conversions_lose_the_person_and_stay_counted(
    company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
) -> None:
    LeadFactory(company=company)
    LeadFactory(company=company)
    deliver()
    old = ConversionEvent.objects.first()
    assert old
    ConversionEvent.objects.filter(pk=old.pk).update(changed_at=timezone.now() - timedelta(days=181))
    assert retention.apply_retention(company, dry_run=True) == Outlived(conversions=1)
    assert retention.apply_retention(company) == Outlived(conversions=1)
    old.refresh_from_db()
    assert (old.status, old.element, old.identifiers) == ("accepted", "", [])
    assert ConversionEvent.objects.exclude(element="").count() == 1
    assert retention.apply_retention(company) == Outlived()


def test_what_still_waits_keeps_its_bytes(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.update(element="{}", changed_at=timezone.now() - timedelta(days=181))
    assert retention.apply_retention(company) == Outlived()


def test_kept_answers_live_a_day(company: Company) -> None:
    for key in ("old", "new"):
        IdempotencyRecord.objects.create(company=company, caller="key", key=key, fingerprint="0" * 64)
    IdempotencyRecord.objects.filter(key="old").update(created_at=timezone.now() - timedelta(hours=25))
    assert retention.apply_retention(company) == Outlived(answers=1)
    assert IdempotencyRecord.objects.get().key == "new"


def test_old_requests_go_and_how_often_was_tried_stays(
    company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
) -> None:
    for _ in range(2):
        LeadFactory(company=company)
        deliver()
    old = Attempt.objects.order_by("at").first()
    Attempt.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=181))
    retention.apply_retention(company, dry_run=True)
    assert Attempt.objects.count() == 2, "counting removes nothing"
    retention.apply_retention(company)
    assert not Attempt.objects.filter(pk=old.pk).exists()
    assert (Attempt.objects.count(), Delivery.objects.count()) == (1, 1)
    assert set(ConversionEvent.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.parametrize(
    ("days", "conversions", "field"),
    [(0, 180, "archived_lead_days"), (-1, 180, "archived_lead_days"), (None, 89, "conversion_days")],
)
def test_too_short_is_refused(company: Company, days: int | None, conversions: int, field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        keep(company, days, conversions)
    assert list(refusal.value.message_dict) == [field]
    assert not Retention.objects.exists()


def test_the_command_counts_or_removes_everywhere(company: Company) -> None:
    archived(company, 31)
    keep(company, archived_lead_days=30)
    said = StringIO()
    call_command("retention", "--dry-run", stdout=said)
    assert "1 archived leads would be erased" in said.getvalue()
    call_command("retention", stdout=said)
    assert "1 archived leads were erased" in said.getvalue()
    assert not Lead.objects.exists()
