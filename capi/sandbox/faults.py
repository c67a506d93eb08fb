"""Faults on demand: a queue of what shall go wrong with the next requests, each a few times or for ever."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from http.client import responses
from typing import Any, Final, Literal, get_args

from capi.sandbox.wire import Reply, Request, Wire

FaultKind = Literal[
    "status",  # answer with `status`, `body` and `headers`; the body is LinkedIn's usual one if none is given
    "element_status",  # a batch answer with one of `statuses` per element, in turn; 201s are stored
    "garbage",  # 200 with a body that is not JSON
    "raw",  # bytes that are not HTTP at all
    "huge",  # 200 with `size` bytes of body
    "slow",  # the right answer, `seconds` late
    "drip",  # the right answer, one byte per `seconds`
    "stall",  # head of the right answer, then nothing for `seconds`
    "cut",  # head and half of the body of the right answer, then the end
    "timeout",  # nothing for `seconds`, then the end
    "reset",  # TCP reset after the whole request was read
    "close",  # hung up without an answer
]
_KINDS: Final = frozenset(get_args(FaultKind))
_SPOILS_RIGHT_ANSWER: Final = frozenset({"slow", "drip", "stall", "cut"})
_DEFAULT_SECONDS: Final = {"slow": 1.0, "drip": 1.0, "stall": 60.0, "timeout": 60.0}
_BODIES: Final[dict[int, dict[str, Any]]] = {
    401: {"serviceErrorCode": 65600, "code": "INVALID_ACCESS_TOKEN", "message": "Invalid access token"},
    403: {"message": "No ad accounts found"},
    404: {"code": "RESOURCE_NOT_FOUND", "message": "No virtual resource found"},
    426: {"code": "NONEXISTENT_VERSION", "message": "Requested version is not active"},
    429: {
        "serviceErrorCode": 101,
        "message": "Resource level throttle limit for calls to this resource is reached.",
    },
}


@dataclass(frozen=True)
class Match:
    """Which requests a fault is for: all of these must hold; None matches anything.

    By default only posts of events; ``path=""`` is every path. `rule` and `event_id` are sought in the body.
    """

    path: str = "/rest/conversionEvents"
    rule: str | None = None
    event_id: str | None = None

    def fits(self, request: Request) -> bool:
        if not request.path.startswith(self.path):
            return False
        if self.rule is not None and f'llaPartnerConversion:{self.rule}"'.encode() not in request.body:
            return False
        return self.event_id is None or json.dumps(self.event_id).encode() in request.body


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, `count` times (None is for ever), each time with `probability`.

    `after_accept` stores the events first and spoils the answer then: to the sender the outcome is unknown.
    """

    kind: FaultKind
    status: int = 500
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    size: int = 2 * 1024 * 1024
    statuses: tuple[int, ...] = ()
    drop_last: int = 0
    after_accept: bool = False
    count: int | None = 1
    probability: float = 1.0
    seed: int = 0
    match: Match = Match()

    @property
    def needs_right_answer(self) -> bool:
        return self.kind in _SPOILS_RIGHT_ANSWER

    def reply(self, right: Reply | None = None) -> Reply:
        """Return what is answered; `right` is the undisturbed answer, which some kinds only spoil."""
        base = right if right is not None and self.needs_right_answer else Reply(200, b"{}")
        if self.kind == "status":
            return Reply(self.status, self._status_body(), dict(self.headers))
        if self.kind == "garbage":
            body = self.body if self.body is not None else "<html><body>It works!</body></html>"
            return Reply(200, body.encode(), dict(self.headers))
        if self.kind == "huge":
            return Reply(200, b"x" * self.size, dict(self.headers))
        return Reply(self._raw_status(base), self._raw_body(base), base.headers, self._wire())

    def statuses_for(self, number: int) -> list[int]:
        """Return the status of each of `number` elements: those given, and 201 after they end."""
        return [*self.statuses[:number], *([201] * (number - len(self.statuses)))]

    def _raw_status(self, base: Reply) -> int:
        return base.status if self.kind != "raw" else 200

    def _raw_body(self, base: Reply) -> bytes:
        if self.kind != "raw":
            return base.body
        return (
            self.body.encode("latin-1", "replace")
            if self.body is not None
            else b"\x00\x16\x03 not http\r\n\r\n"
        )

    def _wire(self) -> Wire:
        seconds = self.seconds if self.seconds is not None else _DEFAULT_SECONDS.get(self.kind, 0.0)
        match self.kind:
            case "timeout":
                return Wire("hold", seconds)
            case "slow" | "drip" | "stall" | "cut" | "raw" | "reset" | "close":
                return Wire(self.kind, seconds)
            case _:
                raise AssertionError(f"a fault of kind {self.kind} is not one of delivery")

    def _status_body(self) -> bytes:
        if self.body is not None:
            return self.body.encode()
        if self.status in (204, 304):
            return b""
        phrase = responses.get(self.status, "Error")
        return json.dumps({"status": self.status, **_BODIES.get(self.status, {"message": phrase})}).encode()


class BadFault(ValueError):
    """A fault that cannot be ordered, in a sentence."""


def fault_from(order: Any) -> Fault:
    """Read a fault from the control API's JSON; raises BadFault."""
    if not isinstance(order, dict):
        raise BadFault("A fault is a JSON object.")
    known = {one.name for one in fields(Fault)}
    unknown = sorted(order.keys() - known)
    if unknown:
        raise BadFault(f"Unknown in a fault: {', '.join(unknown)}. Known are {', '.join(sorted(known))}.")
    if order.get("kind") not in _KINDS:
        raise BadFault(f"The kind of a fault is one of {', '.join(sorted(_KINDS))}.")
    try:
        match = Match(**order.get("match", {}))
        statuses = tuple(int(status) for status in order.get("statuses", ()))
        return Fault(**{**order, "match": match, "statuses": statuses})
    except (TypeError, ValueError) as error:
        raise BadFault(f"Not a fault: {error}.") from error


class FaultQueue:
    """The faults ordered and not yet used up, in their order. The caller guards it with a lock."""

    def __init__(self) -> None:
        self._queue: list[_Waiting] = []
        self._last_id = 0

    def add(self, fault: Fault) -> int:
        self._last_id += 1
        # Reproducible on purpose: the seed is part of the order.
        chance = random.Random(fault.seed)  # noqa: S311  # nosec B311
        self._queue.append(_Waiting(self._last_id, fault, fault.count, chance))
        return self._last_id

    def take(self, request: Request) -> Fault | None:
        """Return the first fault that befalls this request, and count it off."""
        for waiting in self._queue:
            if waiting.fault.match.fits(request) and waiting.strikes():
                if waiting.left is not None:
                    waiting.left -= 1
                    if waiting.left <= 0:
                        self._queue.remove(waiting)
                return waiting.fault
        return None

    def remove(self, fault_id: int) -> bool:
        before = len(self._queue)
        self._queue = [waiting for waiting in self._queue if waiting.id != fault_id]
        return len(self._queue) < before

    def clear(self) -> None:
        self._queue.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [{"id": one.id, "left": one.left, **asdict(one.fault)} for one in self._queue]


@dataclass
class _Waiting:
    id: int
    fault: Fault
    left: int | None
    chance: random.Random

    def strikes(self) -> bool:
        return self.fault.probability >= 1.0 or self.chance.random() < self.fault.probability
