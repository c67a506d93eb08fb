"""PostgreSQL itself shows and takes the rows of one company only, whatever the code above it forgets.

The tests run as a role without privileges that owns the tables, like an installation.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.db.models.signals import pre_migrate
from django.test import Client
from django.utils import timezone
from django_scopes import scopes_disabled

from capi import delivery
from capi.models import Rule
from crm import sight, walls
from crm.models import Company, Lead, Tag, User
from crm.tenancy import company_scope, every_company
from leadmachine import doctor
from tests.factories import LeadFactory

pytestmark = pytest.mark.postgresql
NOTHING = sight.Sight()


@pytest.fixture
def leads(company: Company, other_company: Company) -> dict[str, Lead]:
    """One of Acme's and one of the other company's; Acme's scope is open."""
    with company_scope(other_company):
        theirs = LeadFactory(company=other_company)
    return {"ours": LeadFactory(company=company), "theirs": theirs}


def seen() -> set[Any]:
    """The leads that plain SQL finds: no manager and no filter stands in between."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM crm_lead")
        return {pk for (pk,) in cursor.fetchall()}


def tables_with_a_company() -> set[str]:
    """As the database has them, whatever the models say."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = current_schema AND column_name = 'company_id'"
        )
        return {name for (name,) in cursor.fetchall()}


def test_every_table_of_companies_rows_has_its_policy_and_binds_its_owner(db: None) -> None:
    """A table that is new and has none fails here; `migrate` puts them up."""
    with connection.cursor() as cursor:
        secured = walls._secured(cursor)
    assert secured == tables_with_a_company()
    assert secured == set(walls.tenant_tables(apps))


@pytest.mark.parametrize(
    "weakened",
    [
        "ALTER TABLE crm_lead NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE crm_lead DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_rows ON crm_lead",
        "COMMENT ON POLICY tenant_rows ON crm_lead IS 'of an older version'",
    ],
)
def test_a_policy_that_is_gone_is_missed_and_put_up_again(leads: dict[str, Lead], weakened: str) -> None:
    connection.check_constraints()  # a table with checks to come cannot be altered
    with connection.cursor() as cursor:
        cursor.execute(weakened)
    assert doctor._walls().is_wrong
    walls.raise_walls(connection, apps)
    assert not doctor._walls().is_wrong
    assert seen() == {leads["ours"].pk}


def test_without_a_company_nothing_is_shown(leads: dict[str, Lead]) -> None:
    with sight.seeing(NOTHING):
        assert seen() == set()


def test_switching_scopes_off_shows_nothing_more(leads: dict[str, Lead]) -> None:
    """The database alone: Django's scopes are off."""
    with scopes_disabled():
        assert set(Lead.objects.values_list("pk", flat=True)) == {leads["ours"].pk}
        with sight.seeing(NOTHING):
            assert not Lead.objects.exists()


def test_scopes_hold_where_the_database_shows_everything(leads: dict[str, Lead]) -> None:
    """Django's scopes alone: the database is told to show every company's rows."""
    with sight.seeing(sight.Sight(everything=True)):
        assert seen() == {lead.pk for lead in leads.values()}
        assert set(Lead.objects.values_list("pk", flat=True)) == {leads["ours"].pk}


def test_a_scope_shows_its_company_and_gives_back_the_one_before(
    leads: dict[str, Lead], other_company: Company
) -> None:
    assert seen() == {leads["ours"].pk}
    with company_scope(other_company):
        assert seen() == {leads["theirs"].pk}
        with every_company():
            assert len(seen()) == 2
        assert seen() == {leads["theirs"].pk}
    assert seen() == {leads["ours"].pk}


def test_no_row_of_another_company_is_taken(leads: dict[str, Lead], other_company: Company) -> None:
    for statement in (
        "INSERT INTO crm_tag (id, company_id, name, name_key) VALUES (gen_random_uuid(), %s, 'A', 'a')",
        "UPDATE crm_lead SET company_id = %s",
    ):
        with (
            pytest.raises(ProgrammingError, match="row-level security"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, [other_company.pk])


def test_no_row_of_another_company_is_changed_or_removed(
    leads: dict[str, Lead], other_company: Company
) -> None:
    """The database alone: scopes are off, and the company is asked for by name."""
    with scopes_disabled():
        theirs = Lead.objects.filter(company=other_company)
        assert theirs.update(last_name="Mallory") == 0
        assert theirs._raw_delete("default") == 0
    with company_scope(other_company):
        assert Lead.objects.get().last_name == leads["theirs"].last_name


def test_nothing_is_written_without_a_company(leads: dict[str, Lead], company: Company) -> None:
    with (
        scopes_disabled(),
        sight.seeing(NOTHING),
        pytest.raises(ProgrammingError, match="row-level security"),
        transaction.atomic(),
    ):
        Tag.objects.create(company=company, name="VIP 2", name_key="vip 2")


def test_a_migration_may_change_the_rows_of_every_company(transactional_db: None) -> None:
    found: list[sight.Sight] = []

    def look(**kwargs: object) -> None:
        found.append(sight.current())

    pre_migrate.connect(look)
    try:
        call_command("migrate", verbosity=0)
    finally:
        pre_migrate.disconnect(look)
    assert set(found) == {sight.Sight(everything=True)}
    assert sight.current() == NOTHING


def test_a_request_opens_its_company_and_closes_it(
    leads: dict[str, Lead], owner: User, stranger: User, client_of: Callable[[User], Client]
) -> None:
    ours, theirs = client_of(owner), client_of(stranger)
    with sight.seeing(NOTHING):
        for client, mine, other in ((ours, "ours", "theirs"), (theirs, "theirs", "ours")):
            assert client.get(f"/leads/{leads[mine].pk}/").status_code == 200
            assert client.get(f"/leads/{leads[other].pk}/").status_code == 404
            assert sight.current() == NOTHING
            assert seen() == set()


def test_a_rollback_leaves_nobody_else_s_rows_behind(leads: dict[str, Lead], other_company: Company) -> None:
    """What a session was told inside a transaction is taken back with it."""
    with company_scope(other_company):
        with transaction.atomic():
            assert seen() == {leads["theirs"].pk}
            transaction.set_rollback(True)
        assert seen() == {leads["theirs"].pk}
    point = transaction.savepoint()
    with company_scope(other_company):
        assert seen() == {leads["theirs"].pk}
    transaction.savepoint_rollback(point)
    assert seen() == {leads["ours"].pk}


def test_a_failed_statement_is_rolled_back_in_another_scope(
    leads: dict[str, Lead], other_company: Company
) -> None:
    with (
        pytest.raises(ProgrammingError),
        transaction.atomic(),
        connection.cursor() as cursor,
        company_scope(other_company),
    ):
        cursor.execute("SELECT nothing FROM nowhere")
    assert seen() == {leads["ours"].pk}


@pytest.mark.django_db(transaction=True)
def test_another_thread_and_a_new_connection_start_with_nothing(leads: dict[str, Lead]) -> None:
    found: list[set[Any]] = []

    def look() -> None:
        found.append(seen())
        connection.close()

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert found == [set()]
    connection.close()
    assert seen() == {leads["ours"].pk}
    connection.close()
    with sight.seeing(NOTHING):
        assert seen() == set()


def test_the_worker_learns_ids_and_sees_no_rows(rules: dict[str, Rule], company: Company) -> None:
    LeadFactory(company=company)
    with sight.seeing(NOTHING), scopes_disabled():
        assert delivery.companies_with_work() == [company.pk]
        assert seen() == set()
    assert delivery.rows_with_work(timezone.now()) == {company.pk}


def test_a_session_is_told_once_a_scope(leads: dict[str, Lead], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[sight.Sight] = []
    monkeypatch.setattr(sight.Sight, "settings", property(lambda self: told.append(self) or ("", "on")))
    with every_company():
        Lead.objects.first()
        Lead.objects.count()
        Lead.objects.exists()
    assert len(told) == 1
