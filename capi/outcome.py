"""What LinkedIn's answers mean: each answer, or its absence, becomes a verdict for every event of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """LinkedIn answered, well or badly. Header names are in lower case."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    duration_ms: int = 0


class NotSent(Exception):
    """The request never left whole (DNS, TLS, connect): LinkedIn stored nothing, so resending is safe."""

    def __init__(self, message: str, duration_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.duration_ms = duration_ms


class NoAnswer(Exception):
    """The request left and no answer came back: LinkedIn may have stored it, so resending may count twice."""

    def __init__(self, message: str, duration_ms: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.duration_ms = duration_ms
