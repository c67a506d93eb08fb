"""`manage.py up`: migrates, then runs broker, web server, worker, schedule and sandbox until told to stop."""

import fcntl
import http.client
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections

from leadmachine import assets, demo, env
from leadmachine.programs import Address, programs
from leadmachine.supervisor import Supervisor

# The watcher of a run that was killed needs a few seconds to end what is left of it.
PREDECESSOR_GRACE = 15.0
SILENT_FOR = 60.0
HIGHEST_PORT = 65535


class Command(BaseCommand):
    """Prepares the database, then hands over to the supervisor."""

    help = "Starts LeadMachine: migrates, then runs broker, web server, worker and schedule until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=None, help="default: PORT, else 8000")
        parser.add_argument("--host", default=None, help="default: HOST, else 127.0.0.1")
        parser.add_argument("--no-demo", action="store_true", help="do not load the demo company")

    def handle(self, *, port: int | None, host: str | None, no_demo: bool, **options: Any) -> None:
        chosen = env.number("PORT", 8000) if port is None else port
        address = Address(host or env.text("HOST", "127.0.0.1"), chosen)
        with only_one() as lock:
            require_free(address)
            self._say("Preparing …")
            login = self._prepare(address, demo_wanted=not no_demo)
            scratch = Path(tempfile.mkdtemp(prefix="lm-"))
            listed = programs(address, scratch, settings.REDIS_URL)
            with Supervisor(
                listed, scratch=scratch, say=self._say, watcher_fds=[lock.fileno()]
            ) as supervisor:
                supervisor.run(
                    ready=_Readiness(address.reachable, self._say),
                    on_ready=lambda: self._greet(address, login),
                )
                self._say("Stopping …")
        self._say("Stopped.")

    def _prepare(self, address: Address, *, demo_wanted: bool) -> demo.Login | None:
        """Database, static files, demo company, as they should be. Returns the demo's login, if any."""
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {str(error).strip()}") from error
        assets.collect()
        login = demo.load_once() if demo_wanted else demo.login()
        if _is_first_run() and not address.is_loopback:
            # The programs inherit it, and the first-run page asks for it.
            os.environ.setdefault("SETUP_CODE", secrets.token_hex(4))
        # The programs open their own; one kept here would only hold a place on the server.
        connections.close_all()
        return login

    def _greet(self, address: Address, login: demo.Login | None) -> None:
        self._say(f"\nLeadMachine is at http://{address.reachable}")
        if login:
            self._say(f"Sign in as {login.email} with the password {login.password}")
        elif _is_first_run():
            self._say("Open it to create your company and its owner.")
            if not address.is_loopback:
                self._say(f"It asks for this setup code: {env.text('SETUP_CODE')}")
        self._say("Ctrl-C stops it.\n")
        connections.close_all()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _Readiness:
    """Asks the web server whether it is there; says once if that takes unusually long."""

    def __init__(self, address: Address, say: Callable[[str], object]) -> None:
        self._address = address
        self._say = say
        self._complain_at = time.monotonic() + SILENT_FOR

    def __call__(self) -> bool:
        if time.monotonic() > self._complain_at:
            self._complain_at = float("inf")
            self._say("The web server has not answered for a minute. What it printed above says why.")
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def only_one() -> TextIO:
    """Keeps a second `up` off the same DATA_DIR. The watcher holds it too, until all programs are gone."""
    path = env.data_dir() / "up.lock"
    lock = path.open("a+", encoding="ascii")
    until = time.monotonic() + PREDECESSOR_GRACE
    while not _take(lock):
        lock.seek(0)
        owner = lock.read().strip()
        if not owner or _runs(int(owner)):
            raise CommandError(
                f"LeadMachine is already running on {path.parent}"
                f"{f' (process {owner})' if owner else ''}. Stop it first."
            )
        if time.monotonic() > until:
            raise CommandError(f"{path} is still held. Wait for the previous run to end, then try again.")
        time.sleep(0.1)
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def require_free(address: Address) -> None:
    """Raises CommandError, with what to do, unless the web server can listen there."""
    if not 0 < address.port <= HIGHEST_PORT:
        raise CommandError(f"The port must be from 1 to {HIGHEST_PORT}.")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As gunicorn does: the remains of closed connections do not count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"Cannot listen on {address}: {reason}. Stop what uses it, or choose another port, "
            "for example with `make run PORT=8001`."
        ) from error


def _take(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_first_run() -> bool:
    from crm.models import Company

    return not Company.objects.exists()
