"""The median as an aggregate of both databases: PostgreSQL has one by another name, SQLite gets ours."""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from django.db.models import Aggregate

_SQLITE_NAME: Final = "CRM_MEDIAN"


class Median(Aggregate):
    """The value in the middle, or half-way between the two there; None of nothing."""

    name = "Median"
    function = _SQLITE_NAME

    def as_postgresql(self, compiler: Any, connection: Any, **options: Any) -> Any:
        theirs = self.copy()
        theirs.function = "PERCENTILE_CONT"
        theirs.template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
        return theirs.as_sql(compiler, connection, **options)


class _SqliteMedian:
    """What SQLite calls row by row."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def step(self, value: float | None) -> None:
        if value is not None:
            self._values.append(value)

    def finalize(self) -> int | None:
        # Durations are whole microseconds there.
        return round(median(self._values)) if self._values else None


def teach_sqlite(sender: object, connection: Any, **_kwargs: object) -> None:
    """Receiver of `connection_created`: each new connection to SQLite learns the aggregate."""
    if connection.vendor == "sqlite":
        connection.connection.create_aggregate(_SQLITE_NAME, 1, _SqliteMedian)
