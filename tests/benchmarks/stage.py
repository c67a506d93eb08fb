"""A throw-away installation, started with the command lines of `manage.py up`; leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from leadmachine import broker, env
from leadmachine.programs import Address, programs
from leadmachine.supervisor import Program, die_with_parent
from tests.plugins import postgres

# Everything else a shell may have set (addresses, keys, rates) would change what is measured.
KEPT_VARIABLES = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
# As in production: a commit is on the disk before it is reported.
DURABLE = {"max_wal_size": "1GB"}
READY_SECONDS = 60.0
STOP_SECONDS = 5.0  # nothing here needs a gentle end


class DidNotStart(Exception):
    """A program ended, or was not ready in time; the message carries the end of what it printed."""


@dataclass
class Stage:
    """Use as a context: leaving it, also by Ctrl-C, stops everything that was started and removes the folder."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="lmb-", dir="/tmp")))
    web: Address = field(default_factory=lambda: Address("127.0.0.1", free_port()))
    bare_web: Address = field(default_factory=lambda: Address("127.0.0.1", free_port()))
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _postgres: postgres.Postgres | None = None
    _broker: broker.Broker | None = None

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:  # Ctrl-C too must find what has been started so far
            self._tear_down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tear_down()

    @property
    def sandbox_url(self) -> str:
        return os.environ["LINKEDIN_API_URL"]

    def say(self, line: str) -> None:
        """Tell whoever waits how far it is."""
        print(f"{self.seconds:4.0f} s  {line}", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def start_sandbox(self) -> None:
        """Start LinkedIn's stand-in, in a process of its own."""
        self.start(self._programs["sandbox"])
        host, _, port = self.sandbox_url.removeprefix("http://").partition("/")[0].partition(":")
        wait_for_answer(Address(host, int(port)), self)

    def start_web(self) -> None:
        """Start the product's web server."""
        self.start(self._programs["web"])
        wait_for_answer(self.web, self)

    def start_bare_web(self) -> None:
        """Start the bare project under the same server with the same settings of it."""
        web = {program.name: program for program in self._listed(self.bare_web)}["web"]
        self.start(web, name="bare web", DJANGO_SETTINGS_MODULE="tests.benchmarks.bare.settings")
        wait_for_answer(self.bare_web, self)

    def start_worker(self) -> int:
        """Start the product's worker; returns the id of its parent process."""
        return self.start(self._programs["worker"]).pid

    def start_naive_worker(self) -> None:
        """Start the same worker for the tasks of `tests.benchmarks.naive`, on a queue of their own."""
        words = ["tests.benchmarks.naive" if word == "leadmachine" else word for word in self._worker_words]
        self._spawn("naive worker", [*words, "--queues", "naive"], self._programs["worker"].environment)

    def start(self, program: Program, name: str = "", **variables: str) -> subprocess.Popen[bytes]:
        """Start one of the programs of `up`; what it prints goes to a file in the folder."""
        return self._spawn(name or program.name, program.command, {**program.environment, **variables})

    def stop(self, name: str) -> None:
        """Stop what was started under this name."""
        chosen = [(label, process) for label, process in self._running if label == name]
        self._running = [(label, process) for label, process in self._running if label != name]
        _stop(chosen)

    def check(self) -> None:
        """Raise DidNotStart if a program has ended."""
        for name, process in self._running:
            if process.poll() is not None:
                raise DidNotStart(f"The {name} ended with code {process.returncode}:\n{self._printed(name)}")

    # --- parts

    def _set_up(self) -> None:
        self.folder.chmod(0o755)  # PostgreSQL runs as somebody else where this is root
        _forget_variables()
        for name in ("pg", "broker", "up"):
            (self.folder / name).mkdir()
        self._postgres = postgres.start(self.folder / "pg", DURABLE)
        self._broker = broker.start(self.folder / "broker")
        os.environ.update(
            DJANGO_SETTINGS_MODULE="leadmachine.settings",
            DATA_DIR=str(self.folder / "data"),
            DATABASE_URL=self._postgres.url,
            REDIS_URL=self._broker.url,
            SECRET_KEY=env.new_secret_key(),
            FIELD_KEYS=env.new_field_key(),
            # The limit is asked for at every request, as always, but nobody runs into it.
            API_RATE="10000000",
            API_BURST="10000000",
        )
        self._programs = {program.name: program for program in self._listed(self.web)}
        self._worker_words = list(self._programs["worker"].command)
        shared = dict(self._programs["web"].environment)
        os.environ["SANDBOX_URL"] = os.environ["LINKEDIN_API_URL"] = shared["SANDBOX_URL"]

    def _listed(self, address: Address) -> Sequence[Program]:
        return programs(address, self.folder / "up", os.environ["REDIS_URL"])

    def _spawn(
        self, name: str, command: Sequence[str], variables: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **variables}
        # Another list of programs names another port; all speak to the one sandbox that runs.
        environment["SANDBOX_URL"] = os.environ["SANDBOX_URL"]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=env.REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        self._running.append((name, process))
        return process

    def _printed(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def _tear_down(self) -> None:
        # It takes a few seconds, and a second Ctrl-C would leave processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _stop(self._running)
        if self._broker:
            self._broker.stop()
        if self._postgres:
            self._postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_answer(address: Address, stage: Stage) -> None:
    """Wait until a web server answers there, whatever it answers.

    A mere connection proves nothing: to a free port of this machine, a client may be connected with itself.
    """
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        stage.check()
        if _answers(address):
            return
        time.sleep(0.05)
    raise DidNotStart(f"Nobody answers on {address} after {READY_SECONDS:.0f} s.")


def _answers(address: Address) -> bool:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _forget_variables() -> None:
    for name in [name for name in os.environ if name not in KEPT_VARIABLES]:
        del os.environ[name]


def _stop(running: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    for _, process in running:
        process.terminate()
    until = time.monotonic() + STOP_SECONDS
    for _, process in running:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its session: what it may have left behind
        except ProcessLookupError:
            continue
