"""The database itself keeps the audit log: nothing in it changes or goes, but with its company or its age."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from crm import audit
from crm.actor import SYSTEM
from crm.audit_walls import KEPT_FOR_DAYS, _triggers, triggers
from crm.models import AuditEntry, Company
from crm.tenancy import company_scope, every_company


@pytest.fixture
def entry(company: Company) -> AuditEntry:
    return audit.record(SYSTEM, "settings_changed", company, company=company)


def refused(statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="audit_append_only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE crm_auditentry SET address = '203.0.113.7'",
        "UPDATE crm_auditentry SET action = action",
        "DELETE FROM crm_auditentry",
    ],
)
def test_rows_are_neither_changed_nor_removed(entry: AuditEntry, statement: str) -> None:
    refused(statement)
    assert AuditEntry.objects.get() == entry


def test_django_is_refused_as_well(entry: AuditEntry) -> None:
    for write in (entry.save, entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            write()
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.update(action="sign_out")
    assert AuditEntry.objects.get().action == "settings_changed"


@pytest.mark.postgresql
def test_the_table_is_not_emptied(entry: AuditEntry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or PostgreSQL refuses for another reason
    refused("TRUNCATE crm_auditentry")
    refused("TRUNCATE crm_company CASCADE")
    assert AuditEntry.objects.count() == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own way around a DELETE trigger")
def test_a_row_is_not_replaced_by_one_with_its_id(entry: AuditEntry) -> None:
    refused("INSERT OR REPLACE INTO crm_auditentry SELECT * FROM crm_auditentry")
    assert AuditEntry.objects.count() == 1


def test_a_row_past_the_least_time_may_be_removed(company: Company, entry: AuditEntry) -> None:
    now = timezone.now()
    for days in (KEPT_FOR_DAYS - 1, KEPT_FOR_DAYS + 1):
        AuditEntry.objects.create(
            company=company, channel="shell", action="sign_in", at=now - timedelta(days=days)
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.filter(at__lt=now - timedelta(days=KEPT_FOR_DAYS - 2)).delete()
    assert AuditEntry.objects.filter(at__lt=now - timedelta(days=KEPT_FOR_DAYS)).delete()[0] == 1
    assert AuditEntry.objects.count() == 2


def test_rows_end_with_their_company_and_no_other(company: Company, entry: AuditEntry) -> None:
    other = Company.objects.create(name="Umbrella")
    with company_scope(other):
        audit.record(SYSTEM, "settings_changed", other, company=other)
    Company.objects.filter(pk=other.pk)._raw_delete("default")  # as clear_demo does it
    with every_company():
        assert [row.company_id for row in AuditEntry.objects.all()] == [company.pk]


def test_every_trigger_is_up_after_migrate_and_after_flush(transactional_db: None) -> None:
    """After `flush` too: an earlier test of this kind ended with one."""
    for _ in range(2):
        with connection.cursor() as cursor:
            assert set(_triggers(connection, cursor)) == set(triggers(connection))
        call_command("migrate", verbosity=0)
