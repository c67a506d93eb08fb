"""Inserts very many rows: tuples instead of model instances, COPY on PostgreSQL, one prepared statement on SQLite.

Ten times as fast as `bulk_create`, which builds a statement for every thousand values. Only for rows that are known
to be right: no default that differs from row to row, no signal, no validation. The company's scope must be open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction

from crm.tenancy import TenantModel, check_write

Adapter = Callable[[Any], Any]


class Table:
    """Rows of one model that wait to be inserted."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        self._fields = [f for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]
        self._names = [field.attname for field in self._fields]
        self._defaults = {f.attname: f.get_default() for f in self._fields if not _varies(f)}
        self._rows: list[tuple[Any, ...]] = []

    def add(self, **values: Any) -> None:
        """A row, by column: `lead_id`, not `lead`. What is left out gets the field's default."""
        row = self._defaults | values
        self._rows.append(tuple([row[name] for name in self._names]))

    def instance(self, **values: Any) -> Any:
        """An instance with these columns, made some times faster than by name."""
        row = self._defaults | values
        return self._model(*[row[name] for name in self._names])

    def add_instance(self, instance: models.Model) -> None:
        """A row as it is in the instance now."""
        self._rows.append(tuple([getattr(instance, name) for name in self._names]))

    def flush(self) -> None:
        """Insert the waiting rows."""
        if not self._rows:
            return
        if issubclass(self._model, TenantModel):
            place = self._names.index("company_id")
            for company in {row[place] for row in self._rows}:
                check_write(company)
        if "id" in self._names:
            # Ids are in the order of time; a database inserts them fastest in that order.
            self._rows.sort(key=itemgetter(self._names.index("id")))
        copy = _copy if connection.vendor == "postgresql" else _execute_many
        copy(connection.ops.quote_name(self._model._meta.db_table), self._columns(), self._adapted())
        self._rows = []

    def _columns(self) -> list[str]:
        return [connection.ops.quote_name(str(field.column)) for field in self._fields]

    def _adapted(self) -> Iterator[list[Any]]:
        adapters = [(place, _adapter(field)) for place, field in enumerate(self._fields)]
        needed = [(place, adapt) for place, adapt in adapters if adapt]
        for row in self._rows:
            values = list(row)
            for place, adapt in needed:
                if values[place] is not None:
                    values[place] = adapt(values[place])
            yield values


def _varies(field: models.Field[Any, Any]) -> bool:
    """Whether the field's default differs from row to row, such as a new id or the time; an empty object does not."""
    return field.has_default() and callable(field.default) and field.default not in (dict, list)


def _adapter(field: models.Field[Any, Any]) -> Adapter | None:
    """How a value becomes what the database's driver takes; None where it is that already."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    is_sqlite = connection.vendor == "sqlite"
    if isinstance(target, models.UUIDField):
        return _hex if is_sqlite else None
    if isinstance(target, models.DateTimeField):
        return _naive_text if is_sqlite else None
    if isinstance(target, models.CharField | models.TextField | models.IntegerField | models.BooleanField):
        return None
    if isinstance(target, models.JSONField):
        return json.dumps
    return lambda value: target.get_db_prep_save(value, connection)


def _hex(value: UUID) -> str:
    return value.hex


def _naive_text(value: datetime) -> str:
    """As Django keeps a moment (in UTC) on SQLite."""
    return value.replace(tzinfo=None).isoformat(" ")


def _copy(table: str, columns: list[str], rows: Iterator[list[Any]]) -> None:
    """By way of a temporary table: PostgreSQL copies nothing into one that has row-level security."""
    names = ", ".join(columns)
    with transaction.atomic(), connection.cursor() as cursor:
        # Table and columns are ours, from the models.
        cursor.execute(f"CREATE TEMP TABLE bulk ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA")  # noqa: S608
        with cursor.copy("COPY bulk FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM bulk")  # noqa: S608
        cursor.execute("DROP TABLE bulk")


def _execute_many(table: str, columns: list[str], rows: Iterator[list[Any]]) -> None:
    places = ", ".join(["%s"] * len(columns))
    # Table and columns are ours, from the models; the values are parameters.
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)  # type: ignore[arg-type]  # the drivers take iterators
