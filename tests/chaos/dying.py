"""Workers that die where they are told to: forks of the test's process, which start in milliseconds."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.utils import timezone
from uuid_utils.compat import uuid7

from capi import failpoints
from capi.models import Connection, ConversionEvent, Status
from crm.mass_insert import Table
from crm.models import Company
from crm.tenancy import company_scope


def seed() -> random.Random:
    """Random, and repeatable: CHAOS_SEED brings the same run back."""
    number = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"CHAOS_SEED={number}")
    return random.Random(number)


def fork(work: Callable[[], object], failpoint: str = "") -> int:
    """Run `work` in a child; returns its process id. It never comes back into the test."""
    connections.close_all()  # a connection cannot be shared between processes
    pid = os.fork()
    if pid:
        return pid
    try:
        os.environ[failpoints.VARIABLE] = failpoint
        failpoints._passed.clear()
        work()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  whatever it is, the child must not go on as a test
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)


def end_of(pid: int) -> int:
    """How it ended: 0, an exit code, or the signal as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(work: Callable[[], object], failpoint: str = "") -> int:
    """`fork` and `end_of` in one."""
    return end_of(fork(work, failpoint))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process, and let it go on at the end."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def leases_end() -> None:
    """As if 90 seconds had passed, and whatever the line waits for."""
    now = timezone.now()
    ConversionEvent.objects.filter(status=Status.SENDING).update(lease_until=now)
    Connection.objects.update(waits_until=None, bucket=20)
    ConversionEvent.objects.filter(status=Status.PENDING).update(next_attempt_at=now)


def multiply(company: Company, count: int, start: int = 2) -> None:
    """The first event of a company again, as number `start` to `count`, with ids of their own; all are due."""
    with company_scope(company):
        event = ConversionEvent.objects.order_by("id")[0]
        values: dict[str, Any] = {
            field.attname: getattr(event, field.attname) for field in event._meta.concrete_fields
        }
        table = Table(ConversionEvent)
        fresh = {
            "status": Status.PENDING,
            "accepted_at": None,
            "attempts": 0,
            "element": "",
            "identifiers": [],
        }
        for number in range(start, count + 1):
            own = {
                "id": uuid7(),
                "event_id": f"lm_{number}",
                "occurrence": number,
                "element": "",
                "identifiers": [],
            }
            table.add(**values | fresh | own)
        table.flush()


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """AssertionError after so many seconds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"{what} not within {seconds} s"
        time.sleep(0.01)
