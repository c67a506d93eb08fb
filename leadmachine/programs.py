"""What `manage.py up` runs: the command line of each program and what it is told through its environment."""

import ipaddress
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leadmachine import broker
from leadmachine.env import REPOSITORY
from leadmachine.supervisor import Program

# On the first signal Celery finishes the tasks at hand and leaves. A request to LinkedIn takes 30 s at most.
WORKER_GRACE = 45.0


@dataclass(frozen=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return self._ip.is_loopback if self._ip else self.host == "localhost"

    @property
    def reachable(self) -> Self:
        """The same server as this machine calls it: a wildcard is no address to connect to."""
        host = self.host
        if self._ip and self._ip.is_unspecified:
            host = "127.0.0.1" if self._ip.version == 4 else "::1"
        return type(self)(host, self.port)

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def programs(address: Address, scratch: Path, redis_url: str | None) -> list[Program]:
    """Everything that runs, in the order of starting; the broker only if there is none yet."""
    sandbox_port = _free_port()
    shared = {
        "PYTHONUNBUFFERED": "1",
        "HOST": address.host,
        "PORT": str(address.port),
        "REDIS_URL": redis_url or broker.url(scratch),
        "SANDBOX_URL": f"http://127.0.0.1:{sandbox_port}/rest",
        "SANDBOX_CONTROL_KEY": secrets.token_urlsafe(32),
    }
    heartbeats = scratch / "heartbeats"
    heartbeats.mkdir(exist_ok=True)
    brokers = [] if redis_url else [_broker(scratch, shared)]
    return [
        *brokers,
        _sandbox(sandbox_port, shared),
        _web(address, shared),
        _worker(shared, heartbeats),
        _schedule(shared, heartbeats),
    ]


def _broker(scratch: Path, environment: Mapping[str, str]) -> Program:
    server = broker.find_server()
    return Program(
        name="broker",
        command=broker.command(server, scratch),
        label=Path(server).name,
        environment=environment,
        serves_others=True,
        is_chatty=True,
    )


def _sandbox(port: int, environment: Mapping[str, str]) -> Program:
    return Program(
        name="sandbox",
        command=[sys.executable, str(REPOSITORY / "manage.py"), "sandbox", "--port", str(port)],
        label=f"LinkedIn sandbox on 127.0.0.1:{port}",
        environment=environment,
        serves_others=True,
        is_chatty=True,
    )


def _web(address: Address, environment: Mapping[str, str]) -> Program:
    return Program(
        name="web",
        command=[
            *(sys.executable, "-m", "gunicorn", "leadmachine.wsgi", "--chdir", str(REPOSITORY)),
            *("--bind", str(address), "--worker-class", "gthread", "--workers", "2", "--threads", "4"),
            *("--graceful-timeout", "8", "--log-level", "warning", "--no-control-socket"),
        ],
        label=f"gunicorn on {address}",
        environment=environment,
    )


def _worker(environment: Mapping[str, str], heartbeats: Path) -> Program:
    return Program(
        name="worker",
        command=[
            *(
                *_celery(),
                "worker",
                "--loglevel",
                "WARNING",
                "--concurrency",
                "2",
                "--prefetch-multiplier",
                "1",
            ),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        label="celery worker",
        environment={
            **environment,
            "HEARTBEATS": str(heartbeats),
            # Messages are JSON here, so root, whom this warns, risks nothing by them.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
        },
        grace=WORKER_GRACE,
        is_chatty=True,
        heartbeat=heartbeats,
    )


def _schedule(environment: Mapping[str, str], heartbeats: Path) -> Program:
    """Beat by itself, not inside the worker: a worker does not notice when the beat within it dies.

    It has the worker's heartbeat, for it may be the schedule that is silent, and not the worker that is deaf.
    """
    return Program(
        name="schedule",
        # Kept in memory: the sweeps are harmless to repeat, so no file needs to outlive a start.
        command=[*_celery(), "beat", "--loglevel", "WARNING", "--scheduler", "celery.beat:Scheduler"],
        label="celery beat",
        environment=environment,
        is_chatty=True,
        heartbeat=heartbeats,
    )


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "--app", "leadmachine", "--workdir", str(REPOSITORY)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
