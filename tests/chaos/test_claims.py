"""Many workers at once: every event is claimed by one of them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection as database
from django.utils import timezone

from capi import delivery
from capi.models import Attempt, ConversionEvent
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from crm.tenancy import company_scope
from tests.chaos import dying
from tests.factories import CompanyFactory, LeadFactory, RuleFactory, connect

COMPANIES, LEADS, WORKERS = 4, 60, 16

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql, pytest.mark.chaos]


def company_with_leads() -> Company:
    company = CompanyFactory()
    with company_scope(company):
        connect(company)
        RuleFactory(company=company)
        for _ in range(LEADS):
            LeadFactory(company=company)
    return company


def test_sixteen_claimers_send_every_event_once(sandbox: RunningSandbox) -> None:
    companies = [company_with_leads() for _ in range(COMPANIES)]
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                for company in companies:
                    delivery.deliver_turn(company.pk)
        except BaseException as error:  # noqa: BLE001  reported by the main thread
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stats = sandbox.control.stats()
    assert (stats.unique, stats.duplicates) == (COMPANIES * LEADS, 0)
    for company in companies:
        with company_scope(company):
            assert ConversionEvent.objects.filter(status="accepted", attempts=1).count() == LEADS
            assert sum(Attempt.objects.values_list("size", flat=True)) == LEADS


def test_a_claim_does_not_read_all_that_is_due(db: None) -> None:
    """It asks first for a test event, which there hardly ever is, and then for the oldest hundred."""
    company = CompanyFactory()
    with company_scope(company):
        connect(company)
        RuleFactory(company=company)
        LeadFactory(company=company)
        dying.multiply(company, 5_000)
        with database.cursor() as cursor:
            cursor.execute("ANALYZE capi_conversionevent")
        due = ConversionEvent.objects.due(timezone.now())
        assert "event_test_due" in due.filter(is_test=True)[:1].explain()
        assert "event_due" in due[:100].explain()
