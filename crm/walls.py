"""The walls between companies that the database itself holds, derived from the models.

A row and what it points to belong to the same company: for each foreign key between tenant tables PostgreSQL has a
second one, of two columns, and SQLite triggers that do the same. They are raised after each migration and after each
flush, from the models as they are then, so that a new foreign key cannot be forgotten; what is there already stays.
Django knows nothing of them: deletion and SET NULL are its own, and the keys are checked when the transaction ends.

On PostgreSQL each table also shows and takes the rows of one company only: the one that the session was told (see
crm.sight). FORCE binds the owner of the tables, too; superusers and roles with BYPASSRLS see everything all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.base import BaseDatabaseWrapper

COMPANY = "crm_company"
POLICY = "tenant_rows"
_PREFIX = "tenant_"
_NAME_LENGTH = 63  # PostgreSQL cuts longer names off


@dataclass(frozen=True, order=True)
class Wall:
    """`table.column` may only point to a row of `target` that has the same company; `company` is whose row it is."""

    table: str
    column: str
    target: str
    company: str = "company_id"

    @property
    def name(self) -> str:
        return _name(self.table, self.column)


def tenant_tables(registry: Apps) -> list[str]:
    """Every table whose rows belong to a company."""
    return sorted(
        model._meta.db_table for model in _models(registry) if _company_column(model) == "company_id"
    )


def walls(registry: Apps) -> list[Wall]:
    """A wall for each foreign key between tables whose rows belong to a company; the company's own count, too."""
    return sorted(
        Wall(model._meta.db_table, str(field.column), field.related_model._meta.db_table, company)
        for model in _models(registry)
        if (company := _company_column(model))
        for field in _tenant_keys(model)
    )


def without_company(registry: Apps) -> list[str]:
    """Tables that point to rows of companies and do not say whose row they are; there must be none."""
    return sorted(
        model._meta.db_table
        for model in _models(registry)
        if not _company_column(model) and any(_tenant_keys(model))
    )


def raise_walls(connection: BaseDatabaseWrapper, registry: Apps) -> None:
    """Put up what is missing, for the tables that are there."""
    with connection.cursor() as cursor:
        for statement in missing(connection, registry):
            cursor.execute(statement)


def missing(connection: BaseDatabaseWrapper, registry: Apps) -> list[str]:
    """What would have to be executed for all of them to stand; nothing if they do."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        return list(_MISSING[connection.vendor](cursor, registry, present))


def lower_walls(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers of SQLite away, so that migrations can rebuild tables which they mention."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        for name in _triggers(cursor):
            cursor.execute(f'DROP TRIGGER "{name}"')


# --- what the models say


def _models(registry: Apps) -> Iterator[type[models.Model]]:
    for model in registry.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model


def _company_column(model: type[models.Model]) -> str:
    """Which column says whose row it is; "" if none does."""
    if model._meta.db_table == COMPANY:
        return "id"
    for field in model._meta.local_concrete_fields:
        if field.name == "company" and _target(field) == COMPANY:
            return str(field.column)
    return ""


def _tenant_keys(model: type[models.Model]) -> Iterator[Any]:
    """The foreign keys of a model to rows that belong to a company."""
    for field in model._meta.local_concrete_fields:
        related = field.related_model if isinstance(field, models.ForeignKey) else None
        if isinstance(related, type) and _company_column(related) == "company_id":
            yield field


def _target(field: models.Field[Any, Any]) -> str:
    related = field.related_model if isinstance(field, models.ForeignKey) else None
    return related._meta.db_table if isinstance(related, type) else ""


def _name(*parts: str) -> str:
    name = _PREFIX + "_".join(parts)
    if len(name) > _NAME_LENGTH:
        raise ValueError(f"{name} is too long for a name in the database.")
    return name


# --- PostgreSQL: foreign keys of two columns


def unique_name(target: str) -> str:
    """The name of the constraint that lets others point to company and id."""
    return _name("key", target)


def unique_sql(target: str) -> str:
    return f'ALTER TABLE "{target}" ADD CONSTRAINT "{unique_name(target)}" UNIQUE (company_id, id)'


def foreign_key_sql(wall: Wall) -> str:
    """Checked at the end of the transaction, as Django's own: it deletes in whichever order suits it."""
    return (
        f'ALTER TABLE "{wall.table}" ADD CONSTRAINT "{wall.name}" '
        f'FOREIGN KEY ("{wall.company}", "{wall.column}") REFERENCES "{wall.target}" (company_id, id) '
        "DEFERRABLE INITIALLY DEFERRED"
    )


# The settings are read once a query, not once a row; without them no row is shown.
_VISIBLE = (
    "company_id = (SELECT NULLIF(current_setting('leadmachine.company', true), '')::uuid) "
    "OR (SELECT current_setting('leadmachine.every_company', true)) = 'on'"
)


def row_security_sql(table: str) -> tuple[str, ...]:
    """Show and take the rows of the company that the session was told, and no others."""
    return (
        f'DROP POLICY IF EXISTS "{POLICY}" ON "{table}"',
        f'CREATE POLICY "{POLICY}" ON "{table}" USING ({_VISIBLE}) WITH CHECK ({_VISIBLE})',
        f'COMMENT ON POLICY "{POLICY}" ON "{table}" IS {_quoted(_VISIBLE)}',
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _missing_on_postgresql(cursor: Any, registry: Apps, present: set[str]) -> Iterator[str]:
    secured = _secured(cursor)
    for table in tenant_tables(registry):
        if table in present and table not in secured:
            yield from row_security_sql(table)
    known = _constraints(cursor)
    wanted = [wall for wall in walls(registry) if {wall.table, wall.target} <= present]
    for target in sorted({wall.target for wall in wanted}):
        if unique_name(target) not in known:
            yield unique_sql(target)
    for wall in wanted:
        if wall.name not in known:
            yield foreign_key_sql(wall)


def _secured(cursor: Any) -> set[str]:
    """The tables whose policy stands as it is written here now, and binds their owner, too.

    PostgreSQL rewrites what a policy says, so that the words are kept beside it.
    """
    cursor.execute(
        "SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid "
        "WHERE relnamespace = current_schema::regnamespace AND polname = %s "
        "AND relrowsecurity AND relforcerowsecurity AND obj_description(pg_policy.oid, 'pg_policy') = %s",
        [POLICY, _VISIBLE],
    )
    return {name for (name,) in cursor.fetchall()}


def _constraints(cursor: Any) -> set[str]:
    cursor.execute("SELECT conname FROM pg_constraint WHERE connamespace = current_schema::regnamespace")
    return {name for (name,) in cursor.fetchall()}


# --- SQLite: triggers


def trigger_sql(wall: Wall) -> dict[str, str]:
    """By name: on insert and on update, what is pointed to must be there and of the same company."""
    # Names of tables and columns are ours, from the models.
    refusal = f"{wall.name}: this row and the one it points to belong to different companies"
    return {
        f"{wall.name}_{event}": (
            f'CREATE TRIGGER "{wall.name}_{event}" BEFORE {moment} ON "{wall.table}" '  # noqa: S608  # nosec B608
            f'WHEN NEW."{wall.column}" IS NOT NULL AND NEW."{wall.company}" IS NOT NULL AND NOT EXISTS ('
            f'SELECT 1 FROM "{wall.target}" WHERE id = NEW."{wall.column}" AND company_id = NEW."{wall.company}") '
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        for event, moment in (
            ("insert", "INSERT"),
            ("update", f'UPDATE OF "{wall.column}", "{wall.company}"'),
        )
    }


def keep_company_sql(table: str) -> dict[str, str]:
    """By name: a row never moves to another company, so that nothing which points to it ends up outside."""
    name = _name(table, "stays")
    return {
        name: (
            f'CREATE TRIGGER "{name}" BEFORE UPDATE OF company_id ON "{table}" '
            "WHEN NEW.company_id IS NOT OLD.company_id "
            f"BEGIN SELECT RAISE(ABORT, '{name}: a row never moves to another company'); END"
        )
    }


def triggers(registry: Apps, present: set[str]) -> dict[str, str]:
    """Every trigger by name, for the tables that are there."""
    found: dict[str, str] = {}
    for wall in walls(registry):
        if {wall.table, wall.target} <= present:
            found |= trigger_sql(wall)
    for table in tenant_tables(registry):
        if table in present:
            found |= keep_company_sql(table)
    return found


def _missing_on_sqlite(cursor: Any, registry: Apps, present: set[str]) -> Iterator[str]:
    known = set(_triggers(cursor))
    for name, statement in triggers(registry, present).items():
        if name not in known:
            yield statement


def _triggers(cursor: Any) -> list[str]:
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    return [name for (name,) in cursor.fetchall() if name.startswith(_PREFIX)]


_MISSING = {"postgresql": _missing_on_postgresql, "sqlite": _missing_on_sqlite}
