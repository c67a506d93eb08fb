"""A whole installation as `manage.py up` starts it, to be used over HTTP and hurt."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
_CHILD = re.compile(r"^(\w+)\s+pid (\d+)")
# What the test run itself is configured with must not leak into the installation.
_OWN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_KEYS", "DATA_DIR", "DJANGO_SETTINGS_MODULE")


@dataclass
class Installation:
    """`up` as a process, and what it printed. `pids` has the latest process id of each child by name."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    url: str
    output: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    key: str = ""

    def manage(self, *arguments: str) -> dict[str, Any]:
        """Run a management command beside it; returns the JSON of its last line."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Call the REST API with the company's key; raises for anything but 2xx."""
        answer = requests.request(
            method,
            f"{self.url}/api/v1/{path}",
            json=body or None,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=30,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def accounts_add_up(self) -> bool:
        """Whether every event that was recorded there is accounted for."""
        return bool(self.call("GET", "capi/health/")["accounts"]["adds_up"])

    def kill(self, child: str) -> None:
        """kill -9 a child."""
        os.kill(self.pids[child], signal.SIGKILL)

    def is_serving(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False


@contextmanager
def installation(
    data: Path, linkedin: str, port: int | None = None, *, demo: bool = False, **variables: str
) -> Iterator[Installation]:
    """Start `up` on SQLite in `data`, speaking to `linkedin`; stops it at the end."""
    port = port or free_port()
    environment = {name: value for name, value in os.environ.items() if name not in _OWN}
    environment |= {"DATA_DIR": str(data), "LINKEDIN_API_URL": linkedin, "DELIVERY_POLL_SECONDS": "1"}
    environment |= variables
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(port), *([] if demo else ["--no-demo"])],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Installation(process, environment, f"http://127.0.0.1:{port}")
    threading.Thread(target=_read, args=(running,), daemon=True).start()
    try:
        wait_for(running.is_serving, 180, "the web server", lambda: "".join(running.output))
        yield running
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def with_company(running: Installation) -> None:
    """Make a company and take its key."""
    made = running.manage(
        "createcompany",
        "Acme",
        "--email",
        "a@acme.test",
        "--password",
        "a-long-enough-password",
        "--api-key",
        "t",
    )
    running.key = made["api_key"]


def wait_for(
    condition: Callable[[], bool], seconds: float, what: str, why: Callable[[], str] = lambda: ""
) -> float:
    """Wait until it holds; returns the seconds that took. AssertionError with `why` if it does not."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"Waited {seconds} s for {what}. {why()}")
        time.sleep(0.2)
    return time.monotonic() - started


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _read(running: Installation) -> None:
    assert running.process.stdout is not None
    for line in running.process.stdout:
        running.output.append(line)
        if found := _CHILD.match(line):
            running.pids[found[1]] = int(found[2])
