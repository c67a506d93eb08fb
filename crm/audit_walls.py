"""What keeps the audit log append-only: triggers of the database, for whoever writes to it.

No row changes, and none is removed, with two doors that no flag and no setting opens. When a company itself is gone,
its rows go along. And a row older than the least time to keep (`KEPT_FOR_DAYS`) may be removed, for it holds
addresses, and those may not be kept for ever. The triggers are put up after each migration and each flush.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

KEPT_FOR_DAYS: Final = 365
TABLE: Final = "crm_auditentry"
COMPANY: Final = "crm_company"
REFUSAL: Final = "audit_append_only: the audit log is added to, never changed"
_PREFIX: Final = "audit_"


def raise_audit_walls(connection: BaseDatabaseWrapper) -> None:
    """Put up the triggers that are missing, where their tables are there."""
    with connection.cursor() as cursor:
        if not {TABLE, COMPANY} <= set(connection.introspection.table_names(cursor)):
            return
        known = _triggers(connection, cursor)
        for statement in _functions(connection):
            cursor.execute(statement)
        for name, statement in triggers(connection).items():
            if name not in known:
                cursor.execute(statement)


def lower_audit_walls(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: for SQLite before migrations, which rebuild tables, and for tests that flush."""
    with connection.cursor() as cursor:
        for name, table in _triggers(connection, cursor).items():
            suffix = f' ON "{table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f'DROP TRIGGER "{name}"{suffix}')


def triggers(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Every trigger of this kind of database, by name."""
    return _ON_POSTGRESQL if connection.vendor == "postgresql" else _ON_SQLITE


def _triggers(connection: BaseDatabaseWrapper, cursor: Any) -> dict[str, str]:
    """Those that are up, with the table each is on."""
    if connection.vendor == "postgresql":
        cursor.execute(
            "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND relnamespace = current_schema::regnamespace"
        )
    else:
        cursor.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
    return {name: table for name, table in cursor.fetchall() if name.startswith(_PREFIX)}


def _functions(connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    return _POSTGRESQL_FUNCTIONS if connection.vendor == "postgresql" else ()


# --- PostgreSQL

_POSTGRESQL_FUNCTIONS: Final = (
    f"""
    CREATE OR REPLACE FUNCTION crm_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.at < now() - interval '{KEPT_FOR_DAYS} days'
                OR NOT EXISTS (SELECT 1 FROM {COMPANY} WHERE id = OLD.company_id) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation';
    END $$
    """,  # noqa: S608  names of our own
    # Row-level security binds triggers, too: for as long as it runs, this one sees the company that is gone.
    f"""
    CREATE OR REPLACE FUNCTION crm_audit_ends_with_company() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before text := coalesce(current_setting('leadmachine.company', true), '');
    BEGIN
        PERFORM set_config('leadmachine.company', OLD.id::text, true);
        DELETE FROM {TABLE} WHERE company_id = OLD.id;
        PERFORM set_config('leadmachine.company', before, true);
        RETURN NULL;
    END $$
    """,  # noqa: S608  names of our own
)
_ON_POSTGRESQL: Final = {
    "audit_rows_stay": (
        f"CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION crm_audit_append_only()"
    ),
    "audit_table_stays": (
        f"CREATE TRIGGER audit_table_stays BEFORE TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION crm_audit_append_only()"
    ),
    "audit_ends_with_company": (
        f"CREATE TRIGGER audit_ends_with_company AFTER DELETE ON {COMPANY} "
        "FOR EACH ROW EXECUTE FUNCTION crm_audit_ends_with_company()"
    ),
}

# --- SQLite

_REFUSE: Final = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
_ON_SQLITE: Final = {
    "audit_rows_stay_as_written": f"CREATE TRIGGER audit_rows_stay_as_written BEFORE UPDATE ON {TABLE} {_REFUSE}",
    "audit_rows_stay": (
        f"CREATE TRIGGER audit_rows_stay BEFORE DELETE ON {TABLE} "  # noqa: S608  names of our own
        f"WHEN OLD.at >= datetime('now', '-{KEPT_FOR_DAYS} days') "
        f"AND EXISTS (SELECT 1 FROM {COMPANY} WHERE id = OLD.company_id) {_REFUSE}"
    ),
    # INSERT OR REPLACE takes the old row away without asking the trigger above.
    "audit_rows_come_once": (
        f"CREATE TRIGGER audit_rows_come_once BEFORE INSERT ON {TABLE} "  # noqa: S608  names of our own
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id) {_REFUSE}"
    ),
    "audit_ends_with_company": (
        f"CREATE TRIGGER audit_ends_with_company AFTER DELETE ON {COMPANY} "  # noqa: S608  names of our own
        f"BEGIN DELETE FROM {TABLE} WHERE company_id = OLD.id; END"
    ),
}
