"""Concurrent clients over HTTP, each on a connection that it keeps, and the figures of what they saw."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from leadmachine.programs import Address

CLIENTS: Final = 4
WARM_UP: Final = 12


class WrongAnswer(Exception):
    """Something other than 2xx: its speed would say nothing."""


@dataclass(frozen=True)
class Ask:
    """One request."""

    path: str
    method: str = "GET"
    body: bytes | None = None


@dataclass(frozen=True)
class Target:
    """What is asked, where, and by whom. `ask` gets the number of the request, counted over all rounds."""

    address: Address
    ask: Callable[[int], Ask]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """What the clients saw of one target: seconds of each answer, and requests a second of each round."""

    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def p50(self) -> float:
        """In milliseconds."""
        return percentile(self.seconds, 50) * 1000

    @property
    def p95(self) -> float:
        return percentile(self.seconds, 95) * 1000


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many per cent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def measure(targets: Mapping[str, Target], *, rounds: int, seconds: float) -> dict[str, Seen]:
    """Load the targets one after the other, round by round, so that a slow minute hits all of them alike."""
    seen = {name: Seen() for name in targets}
    numbers = {name: count() for name in targets}
    for name, target in targets.items():
        _once(target, numbers[name], Seen(), requests=WARM_UP)
    for _ in range(rounds):
        for name, target in targets.items():
            _once(target, numbers[name], seen[name], seconds=seconds)
    return seen


def _once(target: Target, numbers: count[int], seen: Seen, *, seconds: float = 60, requests: int = 0) -> None:
    started = time.monotonic()
    taken: list[float] = []
    errors: list[Exception] = []

    def client() -> None:
        try:
            _ask_until(target, numbers, taken, started + seconds, requests // CLIENTS)
        except (OSError, http.client.HTTPException, WrongAnswer) as error:
            errors.append(error)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    seen.seconds += taken
    seen.rates.append(len(taken) / (time.monotonic() - started))


def _ask_until(target: Target, numbers: count[int], taken: list[float], end: float, most: int) -> None:
    connection = http.client.HTTPConnection(target.address.host, target.address.port, timeout=30)
    mine = 0
    while time.monotonic() < end and (not most or mine < most):
        ask = target.ask(next(numbers))
        started = time.monotonic()
        connection.request(ask.method, ask.path, ask.body, dict(target.headers))
        answer = connection.getresponse()
        text = answer.read()
        taken.append(time.monotonic() - started)
        mine += 1
        if answer.status not in (200, 201):
            raise WrongAnswer(f"{ask.method} {ask.path} answered {answer.status}: {text[:500]!r}")
    connection.close()
