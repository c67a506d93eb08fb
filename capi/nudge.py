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
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def on_commit(company: UUID) -> None:
    """Nudge once the transaction is committed; never if it is rolled back."""
    transaction.on_commit(lambda: now(company), robust=True)


def now(company: UUID) -> None:
    """Nudge without waiting for it."""
    if settings.NUDGE:
        _nudger.nudge(company)


class _Nudger:
    """A set of companies to nudge, and the thread that empties it."""

    def __init__(self) -> None:
        self._companies: set[UUID] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def nudge(self, company: UUID) -> None:
        with self._changed:
            self._companies.add(company)
            # Started at first use, not at import: threads do not survive the fork of a web worker.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._publish_for_ever, name="nudge", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _publish_for_ever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._companies))
                companies = list(self._companies)
                self._companies.clear()
            for company in companies:
                _publish(company)


def _publish(company: UUID) -> None:
    from capi.tasks import deliver

    try:
        deliver.apply_async(args=(str(company),), retry=False)
    except (KombuError, RedisError, OSError) as error:
        logger.warning("The broker is away (%s); the sweep will deliver.", type(error).__name__)


_nudger = _Nudger()
