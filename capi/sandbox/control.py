"""A client of the sandbox's control API, for tests and for the page that shows what the sandbox received."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from capi.sandbox.faults import FaultKind


class ControlRefused(Exception):
    """The control API did not do as told; the message is its sentence."""


@dataclass(frozen=True)
class ReceivedEvent:
    """One event of a request. `times_accepted` counts all requests, not only this one."""

    event_id: str | None
    conversion: str | None
    happened_at: int | None
    times_accepted: int


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as the sandbox saw it, its token masked. `status` is None when nothing was answered."""

    id: int
    at_ms: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    events: tuple[ReceivedEvent, ...]
    accepted: int
    status: int | None
    answer: str
    fault: str | None


@dataclass(frozen=True)
class Stats:
    """Counters since the start or a clearing. `duplicates` counts every acceptance after an id's first."""

    accepted: int
    unique: int
    duplicates: int
    without_event_id: int
    by_conversion: Mapping[str, int]
    requests: int
    requests_by_status: Mapping[str, int]


class SandboxControl:
    """Speaks to ``{origin}/_control``; `origin` may also be the base address that ends in /rest.

    Raises ControlRefused for an order that is not understood, requests.RequestException if nobody answers.
    """

    def __init__(self, origin: str, *, key: str = "", timeout: float = 5.0) -> None:
        self._base = origin.rstrip("/").removesuffix("/rest") + "/_control/"
        self._key = key
        self._timeout = timeout

    def stats(self) -> Stats:
        return Stats(**self._look("stats"))

    def received(self, limit: int = 100, *, path: str = "", after: int = 0) -> list[ReceivedRequest]:
        """Return the newest requests first: only those with `path` in theirs, and newer than id `after`."""
        found = self._look("received", {"limit": str(limit), "path": path, "after": str(after)})["requests"]
        return [_received(one) for one in found]

    def accepted(self) -> dict[str, dict[str, int]]:
        """Return how often each event was accepted, by conversion URN and event id."""
        accepted: dict[str, dict[str, int]] = self._look("accepted")["accepted"]
        return accepted

    def world(self) -> dict[str, Any]:
        """Return accounts, rules, versions and the clock as the sandbox has them now."""
        world: dict[str, Any] = self._look("world")
        return world

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self._look("faults")["faults"]
        return faults

    def fault(self, kind: FaultKind, **options: Any) -> int:
        """Order a fault and return its id; the options are the fields of `capi.sandbox.faults.Fault`."""
        ids: list[int] = self._order("faults", {"kind": kind, **options})["ids"]
        return ids[0]

    def remove_fault(self, fault_id: int) -> None:
        self._order("faults/remove", {"id": fault_id})

    def clear_faults(self) -> None:
        """End all faults, the poison and the clock's offset."""
        self._order("faults/clear", {})

    def add_token(self, token: str, accounts: Iterable[int], *, can_read: bool = True) -> None:
        """Make a token valid, also one that was revoked."""
        self._order("tokens", {"token": token, "accounts": list(accounts), "can_read": can_read})

    def revoke_token(self, token: str) -> None:
        self._order("tokens/revoke", {"token": token})

    def forget_token(self, token: str) -> None:
        """Make a token unknown, as one that expired."""
        self._order("tokens/forget", {"token": token})

    def add_account(self, account: int, name: str) -> None:
        self._order("accounts", {"id": account, "name": name})

    def set_rule(self, rule: int, **changes: Any) -> None:
        """Change a rule (name, type, method, enabled, campaigns), or add one with name, account and type."""
        self._order("rules", {"id": rule, **changes})

    def remove_rule(self, rule: int) -> None:
        self._order("rules/remove", {"id": rule})

    def set_clock(self, offset_seconds: float) -> None:
        self._order("clock", {"offset_seconds": offset_seconds})

    def set_version(self, version: str, ends: str | None) -> None:
        """Set the last day of an API version (ISO date); None makes the version unknown."""
        self._order("versions", {"version": version, "ends": ends})

    def poison(self, event_ids: Iterable[str], *, indices: bool = False, status: int = 400) -> None:
        """Refuse every batch with one of these events, with or without naming it; replaces the last call."""
        self._order("poison", {"event_ids": list(event_ids), "indices": indices, "status": status})

    def send_form(self, account: int, answers: Mapping[str, str], **options: Any) -> str:
        """Somebody sends a Lead Gen Form; returns its id. Options: is_test, at_ms, quiet (nobody is notified)."""
        sent = self._order("forms", {"account": account, "answers": dict(answers), **options})
        return str(sent["id"])

    def take_back_form(self, account: int, response: str) -> None:
        """They take it back."""
        self._order("forms/take-back", {"account": account, "id": response})

    def clear_received(self) -> None:
        self._order("received/clear", {})

    def reset(self) -> None:
        """Make the sandbox as it was when it started."""
        self._order("reset", {})

    def _look(self, name: str, parameters: Mapping[str, str] | None = None) -> Any:
        return self._call("GET", name, params=parameters)

    def _order(self, name: str, order: Mapping[str, Any]) -> Any:
        return self._call("POST", name, json=order)

    def _call(self, method: str, name: str, **arguments: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"X-Sandbox-Key": self._key} if self._key else {}
            answer = session.request(
                method,
                self._base + name,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                **arguments,
            )
        if answer.status_code != 200:
            raise ControlRefused(_sentence(answer))
        return answer.json()


def _sentence(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"The sandbox's control API answered {answer.status_code}."


def _received(found: Mapping[str, Any]) -> ReceivedRequest:
    events = tuple(ReceivedEvent(**event) for event in found["events"])
    return ReceivedRequest(**{**found, "events": events})
