"""The short form of the storm: real workers, broker and PostgreSQL, really killed. `make chaos` runs the long one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from leadmachine.env import REPOSITORY

pytestmark = [pytest.mark.chaos, pytest.mark.postgresql]


def storm(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.chaos.storm", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=170)
    print(done.stdout, done.stderr)
    assert done.stdout.strip().startswith("seed"), done.stderr
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_nothing_is_lost_in_a_storm() -> None:
    found = storm("--events", "3000", "--kills", "12", "--lease", "8", "--pause", "0.7", "--give-up", "90")
    assert found["statuses"] == {"accepted": 3000}
    assert (found["lost"], found["false"], found["other_ids"]) == (0, 0, 0)
    assert found["duplicates"] <= min(found["possible_duplicates"], found["bound"])
    assert found["adds_up"]


def test_two_beats_four_messages_and_many_senders_send_nothing_twice() -> None:
    found = storm(
        *("--events", "4000", "--kills", "0", "--faults", "0", "--senders", "5", "--beats", "2"),
        *("--nudges", "4", "--give-up", "90"),
    )
    assert found["statuses"] == {"accepted": 4000}
    assert (found["duplicates"], found["possible_duplicates"], found["unknown_requests"]) == (0, 0, 0)
