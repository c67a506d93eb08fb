"""Two companies, two ad accounts, one delivery: a token never goes with an event of the other company."""

from __future__ import annotations

from typing import Any

import pytest
from uuid_utils.compat import uuid7

from capi import delivery
from capi.models import Connection, ConversionEvent, Rule
from capi.sandbox.running import RunningSandbox
from capi.sandbox.world import OTHER_TOKEN, SANDBOX_TOKEN
from crm.models import Company
from crm.tenancy import company_scope
from tests.factories import CompanyFactory, LeadFactory, RuleFactory, connect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chaos]

EACH = 5_000
RULES = {SANDBOX_TOKEN: "23948811", OTHER_TOKEN: "31550201"}


def company_with_events(token: str) -> Company:
    """A company whose rule belongs to the ad account of its token, with many events due."""
    company = CompanyFactory()
    with company_scope(company):
        connect(company, token)
        RuleFactory(company=company, conversion_id=RULES[token])
        LeadFactory(company=company)
        _multiply(ConversionEvent.objects.get())
    return company


def _multiply(event: ConversionEvent) -> None:
    """The same fact many times over, with ids of their own."""
    values: dict[str, Any] = {
        field.attname: getattr(event, field.attname) for field in event._meta.concrete_fields
    }
    ConversionEvent.objects.bulk_create(
        ConversionEvent(**{**values, "id": uuid7(), "event_id": f"lm_{number}", "occurrence": number})
        for number in range(2, EACH + 1)
    )


def test_ten_thousand_mixed_events_each_go_with_their_companys_token(sandbox: RunningSandbox) -> None:
    companies = [company_with_events(token) for token in RULES]
    turns = 0
    while any([delivery.deliver_turn(company.pk) for company in companies]) and turns < 1_000:  # noqa: C419  each takes its turn
        Connection._base_manager.update(bucket=20)  # not about LinkedIn's rate
        turns += 1
    for company in companies:
        with company_scope(company):
            assert set(ConversionEvent.objects.values_list("status", flat=True)) == {"accepted"}
            assert ConversionEvent.objects.count() == EACH
    stats = sandbox.control.stats()
    assert stats.duplicates == 0


def test_the_sandbox_would_see_the_wrong_token(sandbox: RunningSandbox) -> None:
    company = CompanyFactory()
    with company_scope(company):
        connect(company, OTHER_TOKEN)
        RuleFactory(company=company, conversion_id=RULES[SANDBOX_TOKEN])
        LeadFactory(company=company)
        delivery.deliver_turn(company.pk)
        assert ConversionEvent.objects.get().status == "held"
        assert Rule.objects.get().is_held
