"""Bodies that trickle, never end or are too large, against the web server as it runs; others are served meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.chaos.running import Installation, installation, with_company

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("bodies"), "http://127.0.0.1:9/rest") as running:
        with_company(running)
        yield running


def _open(running: Installation, *headers: str) -> socket.socket:
    """A POST of a lead whose head is sent, and nothing of its body."""
    where = urlsplit(running.url)
    connection = socket.create_connection((where.hostname or "", where.port or 0), timeout=60)
    lines = ["POST /api/v1/leads/ HTTP/1.1", f"Host: {where.netloc}", f"Authorization: Bearer {running.key}"]
    connection.sendall("\r\n".join([*lines, "Content-Type: application/json", *headers, "", ""]).encode())
    return connection


def _status(connection: socket.socket) -> int:
    answer = connection.recv(65536)
    return int(answer.split(b" ", 2)[1]) if answer else 0


def _resident(running: Installation) -> int:
    """Memory of the web server's processes in MB."""
    total = 0
    parent = running.pids["web"]
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "status").read_text()
            except OSError:
                continue  # it has ended since
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if int(fields["Pid"]) == parent or int(fields["PPid"]) == parent:
                total += int(fields.get("VmRSS", "0 kB").split()[0]) // 1024
    return total


def test_a_body_that_trickles_is_cut_off_and_others_are_served(running: Installation) -> None:
    slow = [_open(running, "Content-Length: 500000") for _ in range(4)]
    started = time.monotonic()
    ended: dict[int, float] = {}
    while len(ended) < len(slow) and time.monotonic() - started < 40:
        for number, connection in enumerate(slow):
            if number in ended:
                continue
            connection.settimeout(0.05)
            try:
                connection.sendall(b" ")
                if _status(connection) in (0, 400, 408):
                    ended[number] = time.monotonic() - started
            except TimeoutError:
                continue
            except OSError:
                ended[number] = time.monotonic() - started
        asked = time.monotonic()
        assert requests.get(f"{running.url}/healthz", timeout=10).ok
        assert time.monotonic() - asked < 5
        time.sleep(0.8)
    assert len(ended) == len(slow)
    assert max(ended.values()) <= 30, ended


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: 1048577", 413),
        ("Content-Length: 1000000000", 413),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: -1", 400),
        ("Content-Length: nonsense", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
    ],
)
def test_a_body_is_refused_by_what_it_says_of_itself(running: Installation, header: str, status: int) -> None:
    before, started = _resident(running), time.monotonic()
    with _open(running, header) as connection:
        assert _status(connection) in (status, 400, 411)
    assert time.monotonic() - started < 3
    assert _resident(running) - before < 20


def test_a_gigabyte_is_not_taken_in(running: Installation) -> None:
    before = _resident(running)
    sent = 0
    with _open(running, "Content-Length: 1000000000") as connection:
        connection.settimeout(10)
        try:
            while sent < 1_000_000_000:
                sent += connection.send(b"x" * 65536)
        except OSError:
            pass  # it hung up on us, as it should
    assert sent < 100_000_000
    assert _resident(running) - before < 20
    assert requests.get(f"{running.url}/healthz", timeout=10).ok
