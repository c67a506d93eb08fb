"""`manage.py up`: where it listens, what it runs, and what it says when it cannot."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.core.management.base import CommandError

from leadmachine import broker
from leadmachine.env import REPOSITORY
from leadmachine.management.commands.up import only_one, require_free
from leadmachine.programs import Address, programs


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("crm.example.com", False),
    ],
)
def test_an_address_knows_whether_only_this_machine_reaches_it(host: str, is_loopback: bool) -> None:
    assert Address(host, 8000).is_loopback is is_loopback


def test_an_address_is_written_as_in_a_url() -> None:
    assert str(Address("::1", 8000)) == "[::1]:8000"
    assert str(Address("0.0.0.0", 8000).reachable) == "127.0.0.1:8000"


def test_a_taken_port_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            CommandError, match=rf"Cannot listen on 127\.0\.0\.1:{port}: Address already in use\."
        ):
            require_free(Address("127.0.0.1", port))


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("127.0.0.1", 70000, r"The port must be from 1 to 65535\."),
        ("127.0.0.1", -1, r"The port must be from 1 to 65535\."),
        ("192.0.2.1", 8000, r"Cannot listen on 192\.0\.2\.1:8000: Cannot assign requested address\."),
        ("no such host", 8000, "Cannot listen on no such host:8000: "),
    ],
)
def test_an_impossible_address_is_told_in_one_sentence(host: str, port: int, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        require_free(Address(host, port))


def test_a_second_run_on_the_same_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with (
        only_one(),
        pytest.raises(CommandError, match=rf"already running on {tmp_path} \(process {os.getpid()}\)"),
    ):
        only_one()
    only_one().close()


def test_a_run_waits_until_its_killed_predecessor_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with only_one() as lock:
        gone = subprocess.Popen(["true"])
        gone.wait()
        lock.truncate(0)
        lock.write(str(gone.pid))
        lock.flush()
        holder = subprocess.Popen(["sleep", "0.5"], pass_fds=[lock.fileno()])
    began = time.monotonic()
    only_one().close()
    assert time.monotonic() - began > 0.3
    holder.wait()


def test_a_broker_is_run_only_if_there_is_none(tmp_path: Path) -> None:
    alone = programs(Address("127.0.0.1", 8000), tmp_path, None)
    assert [program.name for program in alone] == ["broker", "sandbox", "web", "worker", "schedule"]
    assert {program.environment["REDIS_URL"] for program in alone} == {broker.url(tmp_path)}
    provided = programs(Address("127.0.0.1", 8000), tmp_path, "redis://there")
    assert [program.name for program in provided] == ["sandbox", "web", "worker", "schedule"]
    assert {program.environment["REDIS_URL"] for program in provided} == {"redis://there"}


def test_no_secret_is_on_a_command_line(tmp_path: Path) -> None:
    listed = programs(Address("127.0.0.1", 8000), tmp_path, None)
    lines = " ".join(word for program in listed for word in program.command)
    assert listed[0].environment["SANDBOX_CONTROL_KEY"] not in lines


def test_the_broker_evicts_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    import redis

    folder = tmp_path if len(str(tmp_path)) < 80 else Path("/tmp")
    started = broker.start(folder)
    try:
        client = redis.Redis.from_url(started.url)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        assert broker.celery_url(started.url) == f"redis+socket://{folder}/broker.sock"
    finally:
        started.stop()
    assert not broker.answers(folder)


class Up:
    """`manage.py up` in a process of its own, on SQLite, and what it says."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._log = folder / "log"
        keep = {name: word for name, word in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--no-demo", "--port", str(self.port)],
                cwd=REPOSITORY,
                env={**keep, "DATA_DIR": str(folder / "data"), "TMPDIR": "/tmp"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"^{name} +pid (\d+)", self.said, re.MULTILINE)]

    def wait(self, sentence: str, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while sentence not in self.said:
            assert time.monotonic() < until, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    started = Up(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.own_installation
def test_up_serves_survives_a_kill_and_leaves_nothing_behind(up: Up) -> None:
    up.wait("Open it to create your company and its owner.")
    assert up.answers()
    killed = up.pids("web")[0]
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    while len(up.pids("web")) == 1:
        assert time.monotonic() - began < 2
        time.sleep(0.02)
    until = time.monotonic() + 60
    while not up.answers():
        assert time.monotonic() < until, up.said
        time.sleep(0.1)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    assert up.said.rstrip().endswith("Stopped.")
    left = [pid for name in ("broker", "sandbox", "web", "worker", "schedule") for pid in up.pids(name)]
    assert len(left) == 6
    assert [pid for pid in left if psutil.pid_exists(pid)] == []
