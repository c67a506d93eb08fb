"""What PostgreSQL must be like for its walls to stand: a role that cannot pass by them, and sessions of our own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.db.backends.base.base import BaseDatabaseWrapper

_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_ROLE = "SELECT current_user, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"


def privileged_role(connection: BaseDatabaseWrapper) -> str:
    """The role that is connected, if it is a superuser or passes by row-level security; "" if it is bound."""
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute(_ROLE)
        role, is_privileged = cursor.fetchone()
    return str(role) if is_privileged else ""


def switched_off(connection: BaseDatabaseWrapper) -> list[str]:
    """Which of the settings that keep a commit through a crash are off."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = 'off'", [list(_DURABLE)]
        )
        return sorted(name for (name,) in cursor.fetchall())


def has_own_session(connection: BaseDatabaseWrapper) -> bool:
    """Whether what is set in a session is still there in its next transaction; not so behind a transaction pooler."""
    if connection.vendor != "postgresql":
        return True
    ours, other = connection.copy(), connection.copy()
    try:
        with ours.cursor() as first, other.cursor() as second:
            return keeps_settings(first, second)
    finally:
        ours.close()
        other.close()


def keeps_settings(first: Any, second: Any) -> bool:
    """Set something, and look for it while another client is in a transaction of its own.

    A pooler has given the server process of the first client to the second one by then.
    """
    word = uuid4().hex
    first.execute("SELECT set_config('leadmachine.probe', %s, false)", [word])
    second.execute("BEGIN")
    try:
        second.execute("SELECT pg_backend_pid()")
        first.execute("SELECT current_setting('leadmachine.probe', true)")
        (found,) = first.fetchone()
        return bool(found == word)
    finally:
        second.execute("ROLLBACK")
