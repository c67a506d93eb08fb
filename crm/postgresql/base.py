"""Django's PostgreSQL backend, which also tells the database whose rows it may show.

The settings belong to the session, and a rollback takes them back with everything else. So they are not set when a
scope opens but before the next statement, whenever they may differ from what the session has: after another scope,
a rollback, or a new connection. Inside one scope that is once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from crm import sight

_TELL = (
    "SELECT set_config('leadmachine.company', %s, false), set_config('leadmachine.every_company', %s, false)"
)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that shows the rows of the company whose scope is open."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What the session was told last; None where that is not known.
        self._told: sight.Sight | None = None
        self.execute_wrappers.append(self._tell_and_execute)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._told = None
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        # COPY goes past the wrappers of execute().
        self._tell()
        return super().create_cursor(name)

    def _rollback(self) -> None:
        self._told = None
        super()._rollback()  # type: ignore[misc]  # the stubs leave it out

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]  # the stubs leave it out
        self._told = None

    def _tell_and_execute(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        self._tell()
        return execute(sql, params, many, context)

    def _tell(self) -> None:
        wanted = sight.current()
        # In a transaction that has failed nothing is shown, and nothing but a rollback is understood.
        if wanted == self._told or self._has_failed():
            return
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(_TELL, wanted.settings)
        self._told = wanted

    def _has_failed(self) -> bool:
        return bool(self.connection.info.transaction_status == TransactionStatus.INERROR)
