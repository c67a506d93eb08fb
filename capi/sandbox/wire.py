"""What goes over the wire of the sandbox: the request, the reply, and how the reply is to be spoilt."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

WireKind = Literal["slow", "hold", "reset", "close", "raw", "drip", "stall", "cut"]


@dataclass(frozen=True)
class Request:
    """One HTTP request, read to its end. Header names are lower case; the query is as sent, not decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """How the server treats the connection instead of just writing the reply.

    ``slow`` waits, then replies · ``hold`` waits, then hangs up without a byte · ``reset`` cuts with an RST ·
    ``close`` hangs up politely without a byte · ``raw`` writes the body alone, without a status line ·
    ``drip`` writes the reply one byte per `seconds` · ``stall`` writes the head, waits, then hangs up ·
    ``cut`` writes the head and half of the body, then hangs up.
    """

    kind: WireKind
    seconds: float = 0.0


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `wire` is None for one that is simply written."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: Wire | None = None


class Refusal(Exception):
    """An answer that ends the work on a request early."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with {reply.status}")
        self.reply = reply


def json_reply(status: int, payload: Any, headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Reply(status, body, {"Content-Type": "application/json", **(headers or {})})


def refuse(status: int, message: str, headers: Mapping[str, str] | None = None, **extra: Any) -> Refusal:
    """Refuse with LinkedIn's own error body: the given extra fields, then `message` and `status`."""
    return Refusal(json_reply(status, {**extra, "message": message, "status": status}, headers))
