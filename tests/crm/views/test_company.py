"""Changing which company one sees."""

from __future__ import annotations

import pytest

from crm.actions.people import add_member
from crm.models import Company, Lead, User
from tests.crm.views.conftest import Browser


def test_one_sees_the_company_one_changed_to(
    alice: Browser, owner: User, lead: Lead, other_company: Company
) -> None:
    add_member(other_company, owner, "manager")
    assert "Annika" in alice.seen("leads")
    answer = alice.post("switch_company", company=other_company.pk, next="/")
    assert answer["Location"] == "/"
    page = alice.seen("leads", query="?view=all")
    assert "Umbrella-CANARY" in page
    assert "Annika" not in page
    assert alice.get("lead", lead.pk).status_code == 404


@pytest.mark.parametrize("chosen", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_company_that_does_not_exist_is_not_found(alice: Browser, chosen: str) -> None:
    assert alice.post("switch_company", company=chosen).status_code == 404


def test_a_company_one_is_not_in_is_not_found(alice: Browser, other_company: Company) -> None:
    assert alice.post("switch_company", company=other_company.pk).status_code == 404


def test_it_is_a_post(alice: Browser) -> None:
    assert alice.get("switch_company").status_code == 405
