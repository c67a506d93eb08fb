"""Lets one transaction at a time pass where there is no row yet that could be locked."""

from __future__ import annotations

from hashlib import blake2b

from django.db import connection

_PATIENCE = "20s"


def hold(*words: object) -> None:
    """Wait until nobody else holds what these words name, and hold it until this transaction ends.

    On SQLite nothing is left to do: it has one writer at a time. The wait may be longer than for a row, because
    those before us each write something small.
    """
    if connection.vendor != "postgresql":
        return
    name = "\x1f".join(str(word) for word in words).encode()
    number = int.from_bytes(blake2b(name, digest_size=8).digest(), signed=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)", [_PATIENCE]
        )
        (usual, _) = cursor.fetchone()
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [usual])
