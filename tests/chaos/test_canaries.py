"""A token and an address in a running installation, then everything that could have kept a copy of them."""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from capi.sandbox.running import RunningSandbox, running_sandbox
from tests.chaos.running import Installation, installation, wait_for, with_company

pytestmark = pytest.mark.chaos

SECRET = secrets.token_hex(12)
TOKEN = f"AQXc4n4ry{SECRET}token"
PERSON = f"c4n4ry{secrets.token_hex(6)}"
ADDRESS = f"{PERSON}@customer.test"


@pytest.fixture(scope="module")
def linkedin() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, linkedin: RunningSandbox) -> Iterator[Installation]:
    """An installation in which the token was used and refused, and the person was told of."""
    linkedin.control.add_token(TOKEN, [507404993])
    data = tmp_path_factory.mktemp("canaries")
    with installation(data, linkedin.url, LOG_LEVEL="DEBUG") as running:
        with_company(running)
        running.call("PUT", "capi/connection/", token=TOKEN)
        running.call("POST", "capi/rules/", name="New", event="lead_created", conversion_id="23948811")
        running.call("POST", "leads/", last_name=PERSON, email=ADDRESS)
        wait_for(lambda: _states(running) == ["accepted"], 60, "the first event")
        linkedin.control.revoke_token(TOKEN)
        running.call("POST", "leads/", last_name=PERSON, email=f"x{ADDRESS}")
        wait_for(lambda: "held" in _states(running), 60, "the refusal")
        yield running


def _states(running: Installation) -> list[str]:
    return [event["status"] for event in running.call("GET", "capi/events/")["results"]]


def test_the_database_holds_no_token_and_no_usable_key(used: Installation) -> None:
    connection = sqlite3.connect(Path(used.environment["DATA_DIR"]) / "leadmachine.sqlite3")
    dump = "\n".join(connection.iterdump())
    connection.close()
    assert PERSON in dump, "The dump is of this installation."
    for word in (SECRET, used.key, used.key[12:]):
        assert word not in dump


def test_the_log_says_neither(used: Installation) -> None:
    said = "".join(used.output)
    assert said
    for word in (SECRET, PERSON, used.key[12:]):
        assert word not in said


def test_the_broker_holds_neither(used: Installation) -> None:
    environment = (Path("/proc") / str(used.pids["worker"]) / "environ").read_text().split("\0")
    url = next(line.partition("=")[2] for line in environment if line.startswith("REDIS_URL="))
    broker = redis.Redis.from_url(url)
    until, seen = time.monotonic() + 3, b""
    while time.monotonic() < until:  # messages come and go
        for key in broker.scan_iter():
            seen += key + (broker.dump(key) or b"")
        time.sleep(0.05)
    assert seen, "The broker is in use."
    for word in (SECRET, PERSON, used.key[12:]):
        assert word.encode() not in seen


def test_no_process_has_either_in_its_command_line_or_environment(used: Installation) -> None:
    mine = os.getpid()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == mine:
            continue
        for name in ("cmdline", "environ"):
            try:
                text = (folder / name).read_bytes()
            except OSError:
                continue  # it has ended, or is not ours to read
            for word in (SECRET, PERSON, used.key[12:]):
                assert word.encode() not in text, f"{name} of {folder.name}"


def test_no_file_but_the_database_holds_either(used: Installation) -> None:
    data = Path(used.environment["DATA_DIR"])
    ours = re.compile(r"leadmachine\.sqlite3(-wal|-shm)?$")
    looked = 0
    for root in (data, Path("/tmp")):
        for path in _recent(root):
            holds_people = path.parent == data and ours.search(path.name)
            content = path.read_bytes() if path.stat().st_size < 50_000_000 else b""
            looked += 1
            assert SECRET.encode() not in content, path
            assert used.key[12:].encode() not in content, path
            assert holds_people or PERSON.encode() not in content, path
    assert looked > 3


def _recent(root: Path) -> Iterator[Path]:
    """Files below it that were written in the last ten minutes and can be read."""
    since = time.time() - 600
    for folder, _, names in os.walk(root, onerror=lambda error: None):
        for name in names:
            path = Path(folder) / name
            try:
                if path.is_file() and not path.is_symlink() and path.stat().st_mtime > since:
                    with path.open("rb"):
                        yield path
            except OSError:
                continue  # gone since, a socket, or somebody else's
