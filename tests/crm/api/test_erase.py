"""`leads/{id}/erase/`: the person is gone, a tombstone stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from crm.actions import leads
from crm.models import Company, Lead
from tests.factories import SHELL, LeadFactory


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def erase(api: Client, lead: Lead) -> Any:
    return api.post(f"/api/v1/leads/{lead.pk}/erase/", {}, content_type="application/json")


def test_the_person_is_gone(
    company: Company, api_of: Callable[..., Client], django_capture_on_commit_callbacks: Any
) -> None:
    api, lead = api_of(company), LeadFactory(company=company)
    with django_capture_on_commit_callbacks(execute=True):
        answer = erase(api, lead)
    assert answer.status_code in (200, 202)
    assert answer.json()["lead"] == str(lead.pk)
    path = f"/api/v1/leads/{lead.pk}/"
    assert api.get(path).status_code == 404
    assert api.patch(path, {"title": "x"}, content_type="application/json").status_code == 404
    assert api.get(f"{path}conversions/").status_code == 404
    assert erase(api, lead).status_code == 404
    assert api.get("/api/v1/leads/").json()["results"] == []


def test_archived_people_are_erased_too(company: Company, api_of: Callable[..., Client]) -> None:
    lead = LeadFactory(company=company)
    leads.archive_lead(lead, SHELL)
    assert erase(api_of(company), lead).status_code == 202
    assert not Lead.objects.exists()


def test_it_needs_the_scope_admin(company: Company, api_of: Callable[..., Client]) -> None:
    lead = LeadFactory(company=company)
    assert erase(api_of(company, "read", "write"), lead).status_code == 403
    assert Lead.objects.exists()


def test_a_repeat_with_the_same_key_gives_the_same_answer(
    company: Company, api_of: Callable[..., Client]
) -> None:
    api, lead = api_of(company), LeadFactory(company=company)
    answers = [
        api.post(
            f"/api/v1/leads/{lead.pk}/erase/",
            {},
            content_type="application/json",
            headers={"Idempotency-Key": "forget"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
