"""kill -9 of worker, broker and supervisor under a full queue: nothing is lost, and what may be double is counted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from capi.claiming import LEASE_SECONDS, LIVE_BATCH
from capi.sandbox.running import RunningSandbox, running_sandbox
from capi.sandbox.world import SANDBOX_TOKEN
from tests.chaos.running import Installation, free_port, installation, wait_for, with_company

EVENTS = 500
RECOVERY = LEASE_SECONDS + 15

pytestmark = pytest.mark.chaos


def queue_events(running: Installation, sandbox: RunningSandbox) -> None:
    """Fill the queue while there is no token, so that everything becomes due at once with it."""
    with_company(running)
    running.call("POST", "capi/rules/", name="Lead", event="lead_created", conversion_id="23948811")
    for number in range(EVENTS):
        running.call("POST", "leads/", first_name="Jo", email=f"jo{number}@customer.test")
    sandbox.control.fault("slow", seconds=0.7, count=None)
    running.call("PUT", "capi/connection/", token=SANDBOX_TOKEN)


def accepted_in_log(running: Installation) -> int:
    count, path = 0, "capi/events/?status=accepted&limit=100"
    while path:
        page = running.call("GET", path)
        count += len(page["results"])
        path = (page["next"] or "").partition("/api/v1/")[2]
    return count


def possible_duplicates(running: Installation) -> int:
    count, path = 0, "capi/events/?limit=100"
    while path:
        page = running.call("GET", path)
        count += sum(event["possible_duplicate"] for event in page["results"])
        path = (page["next"] or "").partition("/api/v1/")[2]
    return count


def check(running: Installation, sandbox: RunningSandbox, kills: int) -> None:
    stats = sandbox.control.stats()
    assert running.accounts_add_up()
    assert stats.unique == EVENTS
    assert stats.duplicates <= kills * LIVE_BATCH
    assert stats.duplicates <= possible_duplicates(running) <= kills * LIVE_BATCH


def test_worker_and_broker_die_under_load(tmp_path: Path) -> None:
    with running_sandbox() as sandbox, installation(tmp_path, sandbox.url) as running:
        queue_events(running, sandbox)
        wait_for(lambda: sandbox.control.stats().accepted > 0, 30, "the first batch")
        old_worker, old_broker = running.pids["worker"], running.pids["broker"]
        running.kill("worker")
        wait_for(lambda: running.pids["worker"] != old_worker, 5, "a new worker")
        running.kill("broker")
        wait_for(lambda: running.pids["broker"] != old_broker, 5, "a new broker")
        took = wait_for(lambda: accepted_in_log(running) == EVENTS, RECOVERY, "all events")
        print(f"flowing to the end {took:.0f} s after the kills")
        check(running, sandbox, kills=1)


def test_the_supervisor_dies_and_is_started_again(tmp_path: Path) -> None:
    port = free_port()
    with running_sandbox() as sandbox:
        with installation(tmp_path, sandbox.url, port) as running:
            queue_events(running, sandbox)
            key = running.key
            wait_for(lambda: sandbox.control.stats().accepted > 0, 30, "the first batch")
            running.process.send_signal(signal.SIGKILL)
            children = list(running.pids.values())
            wait_for(lambda: not any(is_alive(pid) for pid in children), 20, "the children to end")
        with installation(tmp_path, sandbox.url, port) as running:
            running.key = key
            wait_for(lambda: accepted_in_log(running) == EVENTS, RECOVERY, "all events")
            check(running, sandbox, kills=1)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
