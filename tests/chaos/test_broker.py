"""The broker is a convenience: without it saving is as quick, and what was saved is delivered later."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import requests

from capi.sandbox.running import running_sandbox
from capi.sandbox.world import SANDBOX_TOKEN
from tests.chaos.running import Installation, installation, wait_for, with_company

pytestmark = pytest.mark.chaos


def add_lead(running: Installation, email: str) -> None:
    """Save a lead; an answer that takes longer than a second is an error."""
    answer = requests.post(
        f"{running.url}/api/v1/leads/",
        json={"email": email},
        headers={"Authorization": f"Bearer {running.key}"},
        timeout=1,
    )
    answer.raise_for_status()


def accepted(running: Installation) -> int:
    return len(running.call("GET", "capi/events/?status=accepted")["results"])


def test_saving_does_not_wait_for_a_broker_that_hangs(tmp_path: Path) -> None:
    with running_sandbox() as sandbox, installation(tmp_path, sandbox.url) as running:
        with_company(running)
        running.call("PUT", "capi/connection/", token=SANDBOX_TOKEN)
        running.call("POST", "capi/rules/", name="Lead", event="lead_created", conversion_id="23948811")
        add_lead(running, "before@customer.test")
        wait_for(lambda: accepted(running) == 1, 15, "the first event")
        os.kill(running.pids["broker"], signal.SIGSTOP)
        try:
            for number in range(5):
                add_lead(running, f"during{number}@customer.test")
        finally:
            os.kill(running.pids["broker"], signal.SIGCONT)
        wait_for(lambda: accepted(running) == 6, 60, "all events after the broker came back")
        assert sandbox.control.stats().duplicates == 0
        assert running.accounts_add_up()
