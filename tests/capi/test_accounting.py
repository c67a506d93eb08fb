"""Everything that was recorded is in exactly one status, and what breaks that is noticed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from capi import accounting, counter, operations
from capi.models import Connection, ConversionEvent, Recorded, Rule, Status
from capi.tasks import look_back
from crm.mass_insert import Table
from crm.models import Company, User
from crm.tenancy import company_scope
from leadmachine import doctor
from tests.factories import SHELL, CompanyFactory, LeadFactory, RuleFactory


def _copy(event: ConversionEvent, number: int) -> ConversionEvent:
    values = {field.attname: getattr(event, field.attname) for field in event._meta.concrete_fields}
    del values["id"]
    return ConversionEvent(**values | {"event_id": f"lm_{number}", "occurrence": number})


def test_what_was_recorded_is_the_sum_of_all_statuses(company: Company, rules: dict[str, Rule]) -> None:
    for _ in range(3):
        LeadFactory(company=company)
    first = ConversionEvent.objects.order_by("id")[0]
    operations.cancel(first, SHELL)
    found = accounting.account(company)
    assert found.adds_up
    assert (found.created, found.counted["cancelled"], found.counted["pending"]) == (3, 1, 2)


def test_a_company_without_events_adds_up(company: Company) -> None:
    assert accounting.account(company).adds_up


def test_a_row_that_vanished_is_noticed(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.all().delete()
    found = accounting.account(company)
    assert (found.missing, found.adds_up) == (1, False)


def test_recording_the_same_fact_again_counts_nothing(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    event = ConversionEvent.objects.get()
    again = _copy(event, 1)
    again.event_id = event.event_id
    ConversionEvent.objects.bulk_create([again, _copy(event, 2)], ignore_conflicts=True)
    assert accounting.account(company).created == 2
    assert accounting.account(company).adds_up


def test_rows_that_come_by_copy_are_counted(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    event, table = ConversionEvent.objects.get(), Table(ConversionEvent)
    for number in range(2, 12):
        table.add_instance(_copy(event, number))
    table.flush()
    assert accounting.account(company).created == 11


def test_what_is_rolled_back_is_not_counted(company: Company, rules: dict[str, Rule]) -> None:
    with transaction.atomic():
        LeadFactory(company=company)
        transaction.set_rollback(True)
    assert accounting.account(company).created == 0


def test_another_companys_events_count_for_itself(
    company: Company, rules: dict[str, Rule], other_company: Company
) -> None:
    with company_scope(other_company):
        RuleFactory(company=other_company)
        LeadFactory(company=other_company)
        assert accounting.account(other_company).created == 1
    assert accounting.account(company).created == 0


def test_folding_keeps_the_sum(company: Company, rules: dict[str, Rule]) -> None:
    for _ in range(5):
        LeadFactory(company=company)
    accounting.fold()
    assert Recorded.objects.count() == 1
    LeadFactory(company=company)
    assert accounting.account(company).created == 6
    assert accounting.account(company).adds_up


def test_sample_data_is_taken_out_on_purpose(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    accounting.take_out(company, 1)
    ConversionEvent.objects.all().delete()
    assert accounting.account(company).adds_up


def test_doctor_names_the_company_that_does_not_add_up(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    assert not doctor._accounting().is_wrong
    ConversionEvent.objects.all().delete()
    finding = doctor._accounting()
    assert finding.is_wrong
    assert "Acme (1 created, 0 there" in finding.found


def test_doctor_notices_that_nothing_is_counted(company: Company) -> None:
    with database.cursor() as cursor:
        suffix = f" ON {counter.EVENTS}" if database.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {counter.TRIGGER}{suffix}")
    assert doctor._accounting().is_wrong
    counter.raise_counter(database)
    assert not doctor._accounting().is_wrong


def test_at_night_those_who_manage_are_told_of_accounts_that_do_not_add_up(
    company: Company, owner: User, agent: User, rules: dict[str, Rule]
) -> None:
    from crm.models import Notification

    LeadFactory(company=company)
    look_back()
    alarms = Notification.objects.filter(kind="alarm")
    assert not alarms.exists()
    ConversionEvent.objects.all().delete()
    look_back()
    look_back()
    told = alarms.get()
    assert told.user == owner
    assert "1 were recorded and 0 are there" in told.text


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_counting_makes_nobody_queue_behind_another() -> None:
    """One transaction has recorded an event and is still open; another one records and is through at once."""
    company = CompanyFactory()
    with company_scope(company):
        RuleFactory(company=company)
    through = threading.Event()

    def record() -> None:
        try:
            with company_scope(company):
                LeadFactory(company=company)
            through.set()
        finally:
            database.close()

    with company_scope(company), transaction.atomic():
        LeadFactory(company=company)
        other = threading.Thread(target=record)
        other.start()
        is_through = through.wait(2.5)  # the other would wait three seconds for a lock
    other.join()
    assert is_through
    with company_scope(company):
        assert accounting.account(company).created == 2
        assert accounting.account(company).adds_up


def test_what_is_on_its_way_is_part_of_the_sum(
    company: Company, rules: dict[str, Rule], connection: Connection
) -> None:
    from uuid import uuid4

    LeadFactory(company=company)
    until = timezone.now() + timedelta(seconds=90)
    ConversionEvent.objects.update(status=Status.SENDING, lease=uuid4(), lease_until=until)
    found = accounting.account(company)
    assert (found.adds_up, found.counted["sending"]) == (True, 1)
