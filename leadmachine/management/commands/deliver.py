"""`manage.py deliver`: the delivery loop without Celery. The rows are the queue, so it may run beside workers."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from capi import delivery, heartbeat, tasks
from crm import webhook_delivery

# The database, which may come back, or may be written to again.
_AWAY = (DatabaseError, InterfaceError)
WATCH_EVERY = 60.0


class Command(BaseCommand):
    """A request under way is finished before it stops; what is left waits in its row."""

    help = "Sends what is due, again and again, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until-empty", action="store_true", help="stop when nothing is due any more")

    def handle(self, *, until_empty: bool, **options: Any) -> None:
        stopped, watched = _stop_on_signal(), 0.0
        while not stopped.is_set():
            more = self._round(stopped, may_fail=not until_empty)
            if not until_empty and time.monotonic() - watched > WATCH_EVERY:
                watched = time.monotonic()
                self._watch()
            if until_empty and not more:
                return
            if not more:
                stopped.wait(settings.DELIVERY_POLL_SECONDS)
            close_old_connections()

    def _round(self, stopped: threading.Event, *, may_fail: bool) -> bool:
        """A turn for every company with work, unless told to stop; whether more is due at once."""
        failures: list[Exception] = []
        turns: list[tuple[Callable[[UUID], bool], UUID]] = []
        try:
            heartbeat.asked()
            turns += [(delivery.deliver_turn, company) for company in delivery.companies_with_work()]
            turns += [
                (webhook_delivery.deliver_turn, company) for company in webhook_delivery.companies_with_work()
            ]
        except _AWAY as error:
            self._failed(error, failures)
        more = False
        for turn, company in turns:
            if stopped.is_set():
                break
            try:
                more = turn(company) or more
            except (*_AWAY, *delivery.FAULTS_OF_OURS) as error:
                # The others have their turns; the lease sees to what was under way.
                self._failed(error, failures, f"Company {company}: ")
        if failures and not may_fail:
            raise failures[0]
        return more

    def _watch(self) -> None:
        """Where there is no worker, nobody else raises an alarm. Beside one, an alarm is raised once all the same."""
        try:
            tasks.watch()
        except _AWAY as error:
            self._failed(error, [])

    def _failed(self, error: Exception, failures: list[Exception], whose: str = "") -> None:
        failures.append(error)
        if isinstance(error, _AWAY):
            self.stderr.write(f"{whose}The database does not answer ({type(error).__name__}). Trying again.")
            connection.close()
        else:
            self.stderr.write(f"{whose}A turn failed ({type(error).__name__}). Trying again.")


def _stop_on_signal() -> threading.Event:
    """An event that is set by Ctrl-C or SIGTERM; a second Ctrl-C ends the process at once."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
    return stopped
