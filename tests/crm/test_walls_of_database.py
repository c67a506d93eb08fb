"""The database itself keeps a row and what it points to in one company, whatever the code above it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django_scopes import get_scope

from capi.models import Alarm, Attempt, ConversionEvent, Delivery, LeadFormNotice
from crm import walls
from crm.models import (
    Activity,
    ApiKey,
    AssignmentPerson,
    AssignmentRule,
    Attachment,
    AutomationEntry,
    BulkRow,
    BulkRun,
    Company,
    ConsentText,
    Deal,
    DealPerson,
    Import,
    ImportRow,
    Lead,
    LeadPhone,
    LeadStatus,
    LeadType,
    LeadWebsite,
    Mention,
    Merge,
    Notification,
    Organization,
    Pipeline,
    StageTask,
    Submission,
    SubTask,
    Tag,
    Task,
    TaskAssignee,
    User,
    WebForm,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebsiteTest,
)
from crm.models.erasure import Erasure, Tombstone
from crm.tenancy import company_scope, every_company
from tests.factories import DealFactory, LeadFactory, RuleFactory, UserFactory, connect

WALLS = walls.walls(apps)


@contextmanager
def refused() -> Iterator[None]:
    """PostgreSQL refuses when the transaction ends, SQLite at once."""
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012  the statement is the caller's
        yield
        connection.check_constraints()


@pytest.fixture
def rows(company: Company, other_company: Company) -> dict[str, dict[str, Any]]:
    """A row of every table that is pointed to or points, by company's name and table."""
    return {owner.name: _rows_of(owner) for owner in (company, other_company)}


def _rows_of(company: Company) -> dict[str, Any]:
    with company_scope(company):
        connect(company)
        RuleFactory(company=company)
        lead = LeadFactory(company=company, organization=f"{company.name} Ltd", tags=["VIP"])
        deal = DealFactory(company=company, lead=lead)
        LeadPhone.objects.create(company=company, lead=lead, number="030", digits="030")
        LeadWebsite.objects.create(company=company, lead=lead, url="https://customer.test/")
        DealPerson.objects.create(company=company, deal=deal, lead=lead)
        _add_work(company, lead, deal, UserFactory(company=company))
        _add_web_form(company)
        double = LeadFactory(company=company, email="")  # one address in the first place each
        Merge.objects.create(company=company, survivor=lead, loser=double, at=lead.created_at)
        for record in ({"lead": lead}, {"deal": deal}, {"organization": lead.organization}):
            Attachment.objects.create(company=company, name="plan.pdf", size=1, **record)
        erasure = Erasure.objects.create(company=company, lead_id=uuid4(), requested_at=lead.created_at)
        Tombstone.objects.create(company=company, erasure=erasure, digest="0" * 64)
        LeadFormNotice.objects.create(company=company, action="CREATED", at=lead.created_at, lead=lead)
        attempt = Attempt.objects.create(company=company)
        Delivery.objects.create(company=company, attempt=attempt, event=ConversionEvent.objects.first())
        Alarm.objects.create(company=company, kind="silence", key="silence", text="Nothing was accepted.")
        return {
            model._meta.db_table: model._base_manager.filter(company=company).first()
            for model in apps.get_models()
            if walls._company_column(model) == "company_id"
        } | {walls.COMPANY: company}


def _add_web_form(company: Company) -> None:
    """A key, the form that it is for, and what came by it."""
    key = ApiKey.objects.create(company=company, name="Contact", digest=company.pk.hex, scopes=["capture"])
    lead_type = LeadType.objects.first()
    form = WebForm.objects.create(company=company, key=key, name="Contact", lead_type=lead_type)
    ConsentText.objects.create(company=company, form=form, version=1, text="I agree.")
    Submission.objects.create(company=company, key=key, outcome="created")
    WebsiteTest.objects.create(company=company, form=form, url="https://acme.test/", click_id="test")


def _add_work(company: Company, lead: Lead, deal: Deal, user: User) -> None:
    """What people do with many records, plan, are told of, and what is done for them."""
    run = BulkRun.objects.create(company=company, user=user, noun="lead", verb="archive", said="Archived")
    BulkRow.objects.create(company=company, run=run, lead=lead)
    BulkRow.objects.create(company=company, run=run, deal=deal)
    task = Task.objects.create(company=company, title="Call back")  # about a lead or a deal, never both
    SubTask.objects.create(company=company, task=task, title="Find the number")
    TaskAssignee.objects.create(company=company, task=task, user=user)
    Mention.objects.create(company=company, activity=Activity.objects.filter(lead=lead).first(), user=user)
    Notification.objects.create(
        company=company, user=user, kind="mention", text="See", lead=lead, deal=deal, task=task
    )
    rule = AssignmentRule.objects.create(company=company, lead_type=LeadType.objects.first())
    AssignmentPerson.objects.create(company=company, rule=rule, user=user)
    hook = Webhook.objects.create(company=company, url="https://hooks.customer.test/", secret_sealed="v1:")
    message = WebhookDelivery.objects.create(
        company=company,
        hook=hook,
        event="test",
        lead=lead,
        happened_at=lead.created_at,
        expires_at=lead.created_at,
    )
    WebhookAttempt.objects.create(company=company, delivery=message)
    StageTask.objects.create(company=company, stage=deal.stage, title="Call")
    batch = Import.objects.create(
        company=company, file_name="a.csv", encoding="utf-8", delimiter=",", status=lead.status
    )
    ImportRow.objects.create(company=company, batch=batch, number=1, outcome="created", lead=lead)
    AutomationEntry.objects.create(company=company, kind="spam", text="Cleaned", lead=lead, deal=deal)


def _pointing(wall: walls.Wall) -> Any:
    """A row of the open scope that points somewhere already: some may point to one thing or another, never both."""
    model = next(model for model in apps.get_models() if model._meta.db_table == wall.table)
    own = "pk" if wall.table == walls.COMPANY else "company"
    rows = model._base_manager.filter(**{own: get_scope()["company"].pk})
    return rows.exclude(**{wall.column: None}).first()


def test_every_table_that_points_to_a_company_s_rows_says_whose_it_is() -> None:
    assert walls.without_company(apps) == []


def test_every_foreign_key_between_companies_rows_has_its_wall(db: None) -> None:
    """Read from the live database: a foreign key that is new and has no wall fails here."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT conrelid::regclass::text, confrelid::regclass::text, "
                "(SELECT array_agg(attname::text ORDER BY place) FROM unnest(conkey) WITH ORDINALITY k(n, place) "
                "JOIN pg_attribute ON attrelid = conrelid AND attnum = n) "
                "FROM pg_constraint WHERE contype = 'f' AND cardinality(conkey) = 2 AND convalidated"
            )
            found = {(table, target, *columns) for table, target, columns in cursor.fetchall()}
            assert found == {(wall.table, wall.target, wall.company, wall.column) for wall in WALLS}
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            present = set(connection.introspection.table_names(cursor))
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            assert set(walls.triggers(apps, present)) <= {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: f"{wall.table}.{wall.column}")
def test_no_row_can_point_into_another_company(rows: dict[str, dict[str, Any]], wall: walls.Wall) -> None:
    """The keys alone: the row is ours, and it is written past Django's models."""
    ours, theirs = _pointing(wall) or rows["Acme"][wall.table], rows["Umbrella-CANARY"][wall.target]
    if ours is None or theirs is None:
        pytest.fail(f"The test makes no row of {wall.table} or {wall.target}.")
    with refused():
        _set(wall.table, wall.column, theirs.pk, ours.pk)
    _set(wall.table, wall.column, rows["Acme"][wall.target].pk, ours.pk)
    connection.check_constraints()


@pytest.mark.parametrize("table", sorted({wall.target for wall in WALLS}))
def test_no_row_that_is_pointed_to_can_move(rows: dict[str, dict[str, Any]], table: str) -> None:
    """The keys alone: row-level security, which would refuse it first, is told to show every company."""
    ours, other = rows["Acme"][table], Company.objects.get(name="Umbrella-CANARY")
    with every_company(), refused():
        _set(table, "company_id", other.pk, ours.pk)


def test_a_new_row_cannot_point_into_another_company(company: Company, other_company: Company) -> None:
    with company_scope(other_company):
        theirs = LeadFactory(company=other_company)
    with refused():
        Activity.objects.create(company=company, lead=theirs, kind="note", at=theirs.created_at)
    with refused():
        Activity.objects.bulk_create(
            [Activity(company=company, lead=theirs, kind="note", at=theirs.created_at)]
        )


def test_deleting_is_still_django_s(company: Company) -> None:
    """Cascades and SET NULL work as before, and nothing is left that points nowhere."""
    lead = LeadFactory(company=company, organization="Acme Ltd", tags=["VIP"])
    deal = DealFactory(company=company, lead=lead)
    Organization.objects.get().delete()
    lead.refresh_from_db()
    assert lead.organization is None
    lead.delete()
    deal.refresh_from_db()
    assert deal.lead is None
    assert not Tag.objects.get(name="VIP").lead_tags.exists()
    connection.check_constraints()


def test_a_company_ends_with_all_its_rows(company: Company) -> None:
    DealFactory(company=company, lead=LeadFactory(company=company))
    with every_company():
        Deal.objects.all().delete()
        Lead.objects.all().delete()
        company.delete()
    connection.check_constraints()
    with every_company():
        assert not LeadStatus.objects.filter(company=company.pk).exists()
        assert not Pipeline.objects.filter(company=company.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_the_walls_stand_again_after_each_migration() -> None:
    """SQLite rebuilds tables to change them, and drops their triggers with the old ones."""
    before = _standing()
    call_command("migrate", "capi", "0001", verbosity=0)
    call_command("migrate", verbosity=0)
    assert _standing() == before
    assert before


def test_names_fit_into_the_database() -> None:
    for wall in WALLS:
        assert len(wall.name) <= 63
    with pytest.raises(ValueError, match="too long"):
        _ = walls.Wall("crm_" + "x" * 60, "lead_id", "crm_lead").name


def _set(table: str, column: str, value: Any, pk: Any) -> None:
    values = [value, pk]
    if connection.vendor == "sqlite":
        values = [item.hex if hasattr(item, "hex") else item for item in values]
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{table}" SET "{column}" = %s WHERE id = %s', values)


def _standing() -> set[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            return {name for name in walls._constraints(cursor) if name.startswith("tenant_")}
        return set(walls._triggers(cursor))
