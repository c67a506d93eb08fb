"""Counts every conversion event that is recorded, apart from the rows: a trigger of the database, for whoever writes.

A row that is lost takes nothing off the count, so `capi.accounting` notices. On PostgreSQL each inserting statement
adds a row of its own to the count, for two of them would queue behind one; `accounting.fold` adds them up at night.
SQLite lets one write at a time, so one row a company is enough there. Put up after each migration and each flush.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

EVENTS: Final = "capi_conversionevent"
COUNTS: Final = "capi_recorded"
TRIGGER: Final = "recorded_counts"

_FUNCTION: Final = f"""
CREATE OR REPLACE FUNCTION capi_count_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {COUNTS} (id, company_id, count, at)
    SELECT gen_random_uuid(), company_id, count(*), now() FROM added GROUP BY company_id;
    RETURN NULL;
END $$
"""  # noqa: S608  names of our own
_ON_POSTGRESQL: Final = (
    f"CREATE TRIGGER {TRIGGER} AFTER INSERT ON {EVENTS} "
    "REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION capi_count_recorded()"
)
_ON_SQLITE: Final = f"""
CREATE TRIGGER {TRIGGER} AFTER INSERT ON {EVENTS} BEGIN
    INSERT INTO {COUNTS} (id, company_id, count, at)
    SELECT lower(hex(randomblob(16))), NEW.company_id, 0, datetime('now')
    WHERE NOT EXISTS (SELECT 1 FROM {COUNTS} WHERE company_id = NEW.company_id);
    UPDATE {COUNTS} SET count = count + 1
    WHERE id = (SELECT id FROM {COUNTS} WHERE company_id = NEW.company_id LIMIT 1);
END
"""  # noqa: S608  names of our own
_DROP: Final = f"DROP TRIGGER IF EXISTS {TRIGGER}"


def raise_counter(connection: BaseDatabaseWrapper) -> None:
    """Put the trigger up if it is missing and its tables are there."""
    with connection.cursor() as cursor:
        if not {EVENTS, COUNTS} <= set(connection.introspection.table_names(cursor)):
            return
        if connection.vendor == "postgresql":
            cursor.execute(_FUNCTION)
        if not _is_up(connection, cursor):
            cursor.execute(_ON_POSTGRESQL if connection.vendor == "postgresql" else _ON_SQLITE)


def lower_counter(connection: BaseDatabaseWrapper) -> None:
    """Take the trigger of SQLite away, so that migrations can rebuild the tables that it mentions."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(_DROP)


def is_up(connection: BaseDatabaseWrapper) -> bool:
    """Whether what is recorded is counted."""
    with connection.cursor() as cursor:
        return _is_up(connection, cursor)


def _is_up(connection: BaseDatabaseWrapper, cursor: Any) -> bool:
    if connection.vendor == "postgresql":
        cursor.execute(
            "SELECT 1 FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgname = %s "
            "AND tgrelid = %s::regclass",
            [TRIGGER, EVENTS],
        )
    else:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = %s", [TRIGGER])
    return cursor.fetchone() is not None
