"""The walls of PostgreSQL bind the role that runs LeadMachine, and sessions are its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core import checks
from django.db import connection, connections

from crm import walls
from leadmachine import database, doctor
from leadmachine.checks import check_database_role, check_durability


@pytest.fixture
def superuser(db: None) -> Iterator[None]:
    """The default connection belongs to the superuser for a while, as in an installation that was set up so."""
    ours = connections["default"]
    privileged = ours.copy()
    privileged.settings_dict["USER"] = "postgres"
    connections["default"] = privileged
    try:
        yield
    finally:
        privileged.close()
        connections["default"] = ours


class Pooled:
    """Two server processes behind a pooler in transaction mode: whoever is in no transaction may get either."""

    def __init__(self, servers: list[Any]) -> None:
        self.free = servers

    def client(self) -> Any:
        return _Client(self)


class _Client:
    def __init__(self, pool: Pooled) -> None:
        self._pool, self._held, self._cursor = pool, None, None

    def execute(self, statement: str, values: list[str] | None = None) -> None:
        server = self._held or self._pool.free.pop(0)
        self._cursor = server.execute(statement, values)
        if statement == "BEGIN":
            self._held = server
        elif statement == "ROLLBACK" or self._held is None:
            self._held = None
            self._pool.free.insert(0, server)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()  # type: ignore[attr-defined]


def _findings() -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.examine()}


def test_a_role_without_privileges_is_right(db: None) -> None:
    assert database.privileged_role(connection) == ""
    assert check_database_role(databases=["default"]) == []
    assert not any(finding.is_wrong for finding in doctor._walls_can_stand())


@pytest.mark.postgresql
def test_a_superuser_is_refused(superuser: None) -> None:
    assert database.privileged_role(connection) == "postgres"
    (warning,) = check_database_role(databases=["default"])
    assert warning.id == "leadmachine.W003"
    assert warning.level == checks.WARNING
    role = next(doctor._walls_can_stand())
    assert role.is_wrong
    assert "superuser" in str(role)


def test_the_check_asks_no_database_unless_told_to() -> None:
    assert check_database_role(databases=None) == []


def test_a_session_of_its_own_is_right(db: None) -> None:
    assert database.has_own_session(connection)


@pytest.mark.postgresql
def test_a_pooler_that_hands_sessions_on_is_noticed(db: None) -> None:
    where = connections["default"].settings_dict
    servers = [
        psycopg.connect(host=where["HOST"], user=where["USER"], dbname=where["NAME"], autocommit=True)
        for _ in range(2)
    ]
    pool = Pooled([*servers])
    assert not database.keeps_settings(pool.client(), pool.client())
    for server in servers:
        server.close()


def test_the_doctor_misses_a_wall_that_is_gone(db: None) -> None:
    assert not _findings()["walls"].is_wrong
    wall = walls.Wall("crm_deal", "lead_id", "crm_lead")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f'ALTER TABLE "{wall.table}" DROP CONSTRAINT "{wall.name}"')
        else:
            cursor.execute(f'DROP TRIGGER "{wall.name}_insert"')
    finding = _findings()["walls"]
    assert finding.is_wrong
    assert "1 of the walls" in finding.found


@pytest.mark.postgresql
def test_a_database_that_forgets_what_was_saved_is_found(db: None) -> None:
    """The test run's own server is such a one, on purpose: nothing there outlives the run."""
    names = [str(warning.msg).split()[3] for warning in check_durability(databases=["default"])]
    assert names == ["fsync", "full_page_writes", "synchronous_commit"]


def test_the_durability_of_no_database_is_asked_for_unless_told_to() -> None:
    assert check_durability(databases=None) == []
