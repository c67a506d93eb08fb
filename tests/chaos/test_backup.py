"""A backup taken while events are sent, restored elsewhere: the same ids, and nothing twice that it knows as sent."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from capi.sandbox.running import RunningSandbox, running_sandbox
from leadmachine import env
from tests.chaos.running import ROOT, Installation, installation, wait_for
from tests.chaos.test_kills import EVENTS, RECOVERY, accepted_in_log, is_alive, queue_events

pytestmark = [pytest.mark.chaos, pytest.mark.own_installation]


def command(running_in: Path, *words: str, **keys: str) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [sys.executable, "manage.py", *words],
        env={**environment, "DATA_DIR": str(running_in), **keys},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def events(data: Path) -> dict[str, str]:
    """Every event of an installation that does not run, and its status."""
    with closing(sqlite3.connect(data / "leadmachine.sqlite3")) as database:
        return dict(database.execute("SELECT event_id, status FROM capi_conversionevent"))


def leases_end(data: Path) -> None:
    """As if the 90 seconds had passed, of what was on its way when the backup was taken."""
    with closing(sqlite3.connect(data / "leadmachine.sqlite3")) as database, database:
        database.execute(
            "UPDATE capi_conversionevent SET lease_until = '2026-01-01 00:00:00' WHERE status = 'sending'"
        )


def counts(sandbox: RunningSandbox) -> dict[str, int]:
    """How often LinkedIn has accepted each event."""
    return {event: n for rule in sandbox.control.accepted().values() for event, n in rule.items()}


def end(running: Installation) -> None:
    """The machine is gone, with whatever was on its way."""
    children = list(running.pids.values())
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in children), 20, "the children to end")


def test_what_a_backup_knows_as_sent_is_not_sent_again(tmp_path: Path) -> None:
    keys = {"SECRET_KEY": env.new_secret_key(), "FIELD_KEYS": env.new_field_key()}
    first, second, file = tmp_path / "first", tmp_path / "second", tmp_path / "backup.tar.gz"
    second.mkdir()
    with running_sandbox() as sandbox:
        with installation(first, sandbox.url, **keys) as running:
            queue_events(running, sandbox)
            wait_for(lambda: sandbox.control.stats().accepted > 0, 30, "the first batch")
            sandbox.control.clear_faults()
            sandbox.control.fault(
                "slow", seconds=4, count=None
            )  # so that the backup is done before the sending
            command(first, "backup", str(file), **keys)
            key = running.key
            end(running)
        command(second, "restore", str(file), **keys)
        known, before = events(second), counts(sandbox)
        sent = {event for event, status in known.items() if status == "accepted"}
        assert 0 < len(sent) < EVENTS, "The backup was not taken while events were sent."
        assert set(known) == set(events(first))
        sandbox.control.clear_faults()
        leases_end(second)
        with installation(second, sandbox.url, **keys) as running:
            running.key = key
            wait_for(lambda: accepted_in_log(running) == EVENTS, RECOVERY, "all events")
            assert running.accounts_add_up()
        after = counts(sandbox)
    assert set(events(second)) == set(known) == set(after)
    assert {event: after[event] for event in sent} == {event: before[event] for event in sent}
    assert all(before[event] >= 1 for event in sent)
