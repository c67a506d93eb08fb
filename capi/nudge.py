"""Tells the workers that something is due. A hint only: the rows are the queue, and the sweep finds them anyway.

The hint leaves from a thread of its own, so that no request ever waits for the broker, whatever state it is in.
Companies that are nudged again before the hint has left are nudged once.
"""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

_waiting: set[UUID] = set()
_changed = threading.Condition()
_thread: threading.Thread | None = None


def on_commit(company: UUID) -> None:
    """Nudge once the transaction is committed; never if it is rolled back."""
    transaction.on_commit(lambda: now(company), robust=True)


def now(company: UUID) -> None:
    """Nudge without waiting for it."""
    if not settings.NUDGE:
        return
    with _changed:
        _waiting.add(company)
        _ensure_thread()
        _changed.notify()


def _ensure_thread() -> None:
    # Started at first use, not at import: threads do not survive the fork of a web worker.
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_publish_for_ever, name="nudge", daemon=True)
        _thread.start()


def _publish_for_ever() -> None:
    while True:
        with _changed:
            _changed.wait_for(lambda: bool(_waiting))
            companies = list(_waiting)
            _waiting.clear()
        for company in companies:
            _publish(company)


def _publish(company: UUID) -> None:
    from capi.tasks import deliver

    try:
        deliver.apply_async(args=[str(company)], retry=False)
    except (OperationalError, KombuError, RedisError, OSError) as error:
        logger.warning("The broker is away (%s); the sweep will deliver.", type(error).__name__)
