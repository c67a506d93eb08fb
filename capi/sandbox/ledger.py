"""What the sandbox received: counters and every accepted event id for ever, whole requests for a while."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capi.sandbox.events import Element, elements_of

MAX_EVENTS_KEPT: Final = 5_000
MAX_BYTES_KEPT: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Received:
    """One request and its answer. `at_ms` is real time, `status` None when no status line was written."""

    id: int
    at_ms: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    events: int
    accepted: int
    status: int | None
    answer: bytes
    fault: str | None


class Ledger:
    """The caller guards it with a lock."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._requests: deque[Received] = deque()
        self._events_kept = 0
        self._bytes_kept = 0
        self._accepted: dict[str, dict[str, int]] = {}
        self._without_id = 0
        self._total = 0
        self._last_id = 0
        self._statuses: Counter[str] = Counter()

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def accept(self, elements: Sequence[Element]) -> None:
        """Count each event by its conversion and event id: LinkedIn's own key is not finer."""
        for element in elements:
            event_id = element.get("eventId")
            if not event_id:
                self._without_id += 1
                continue
            counts = self._accepted.setdefault(element["conversion"], {})
            counts[event_id] = counts.get(event_id, 0) + 1
        self._total += len(elements)

    def note(self, received: Received) -> None:
        self._requests.append(received)
        self._statuses[str(received.status or "none")] += 1
        self._events_kept += max(1, received.events)
        self._bytes_kept += len(received.body)
        while len(self._requests) > 1 and self._is_too_much():
            dropped = self._requests.popleft()
            self._events_kept -= max(1, dropped.events)
            self._bytes_kept -= len(dropped.body)

    def times_accepted(self, conversion: object, event_id: object) -> int:
        if not isinstance(conversion, str) or not isinstance(event_id, str):
            return 0
        return self._accepted.get(conversion, {}).get(event_id, 0)

    def accepted_ids(self) -> dict[str, dict[str, int]]:
        """Return, by conversion and event id, how often it was accepted."""
        return {conversion: dict(counts) for conversion, counts in self._accepted.items()}

    def newest(self) -> Iterator[Received]:
        return reversed(self._requests)

    def stats(self) -> dict[str, Any]:
        unique = sum(len(counts) for counts in self._accepted.values())
        return {
            "accepted": self._total,
            "unique": unique,
            "duplicates": self._total - self._without_id - unique,
            "without_event_id": self._without_id,
            "by_conversion": {
                conversion: sum(counts.values()) for conversion, counts in self._accepted.items()
            },
            "requests": sum(self._statuses.values()),
            "requests_by_status": dict(self._statuses),
        }

    def shown(self, received: Received) -> dict[str, Any]:
        """Return a request as the control API shows it: exact text, and each event with its count."""
        events = [
            {
                "event_id": element.get("eventId"),
                "conversion": element.get("conversion"),
                "happened_at": element.get("conversionHappenedAt"),
                "times_accepted": self.times_accepted(element.get("conversion"), element.get("eventId")),
            }
            for element in elements_of(received.body)
            if isinstance(element, dict)
        ]
        return {
            "id": received.id,
            "at_ms": received.at_ms,
            "method": received.method,
            "path": received.path,
            "headers": dict(received.headers),
            "body": received.body.decode("utf-8", "replace"),
            "events": events if received.events else [],
            "accepted": received.accepted,
            "status": received.status,
            "answer": received.answer.decode("utf-8", "replace"),
            "fault": received.fault,
        }

    def _is_too_much(self) -> bool:
        return self._events_kept > MAX_EVENTS_KEPT or self._bytes_kept > MAX_BYTES_KEPT
