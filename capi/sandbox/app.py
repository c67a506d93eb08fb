"""The sandbox as a WSGI application: /rest answers as LinkedIn, /_control is for whoever tests with it."""

import base64
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http.client import responses
from typing import Final
from wsgiref.types import StartResponse, WSGIEnvironment

from capi.sandbox import console, events, leads, reading
from capi.sandbox.faults import Fault, FaultQueue
from capi.sandbox.gateway import grant_of, version_of
from capi.sandbox.ledger import Ledger, Received
from capi.sandbox.wire import Refusal, Reply, Request, json_reply, refuse
from capi.sandbox.world import Grant, World, seeded_world

MAX_BODY: Final = 16 * 1024 * 1024
MASK: Final = "Bearer ***"
# The environ key under which a server passes a list to which the way of delivery (`Wire`) is appended.
WIRE_SLOT: Final = "sandbox.wire"

_EVENTS_PATH = "/rest/conversionEvents"
_COLLECTIONS: Final[dict[tuple[str, str], Callable[[World, Grant, Request], Reply]]] = {
    ("GET", "/rest/conversions"): reading.list_rules,
    ("POST", "/rest/conversions"): reading.create_rule,
    ("GET", "/rest/adAccounts"): reading.list_accounts,
    ("GET", "/rest/adAccountUsers"): reading.list_account_users,
    ("GET", "/rest/leadFormResponses"): leads.list_responses,
    ("POST", "/rest/leadNotifications"): leads.subscribe,
}
_PATHS: Final = frozenset({_EVENTS_PATH, *(path for _, path in _COLLECTIONS)})
_ONE_RULE = re.compile(r"/rest/conversions/([0-9]{1,19})")
_ENTITIES: Final[dict[tuple[str, re.Pattern[str]], Callable[[World, Grant, Request, int], Reply]]] = {
    ("GET", _ONE_RULE): reading.get_rule,
    ("POST", _ONE_RULE): reading.update_rule,
    ("GET", re.compile(r"/rest/adAccounts/([0-9]{1,19})/adCampaigns")): reading.list_campaigns,
}
_NAMED: Final[dict[tuple[str, re.Pattern[str]], Callable[[World, Grant, Request, str], Reply]]] = {
    ("GET", re.compile(r"/rest/leadFormResponses/([A-Za-z0-9_.-]{1,80})")): leads.get_response,
    ("DELETE", re.compile(r"/rest/leadNotifications/([0-9]{1,19})")): leads.unsubscribe,
}


class Sandbox:
    """All state of one pretend LinkedIn. Any number of threads may call it.

    `control_key`, if not empty, is asked for by the control API in the header ``X-Sandbox-Key``.
    """

    def __init__(self, control_key: str = "") -> None:
        self.control_key = control_key
        self.lock = threading.RLock()
        self.world: World = seeded_world()
        self.faults = FaultQueue()
        self.ledger = Ledger()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reply = self._reply_to(environ)
        if reply.wire is not None:
            reply = _deposit(reply, environ)
        headers = {**reply.headers, "Content-Length": str(len(reply.body)), "Server": "LeadMachine-Sandbox"}
        phrase = responses.get(reply.status, "Unknown")
        start_response(f"{reply.status} {phrase}", list(headers.items()))
        return [reply.body]

    def answer(self, request: Request) -> Reply:
        """Answer one request: the road for a test that needs no socket."""
        if request.path.startswith("/_control"):
            return console.answer(self, request)
        with self.lock:
            fault = self.faults.take(request)
        outcome = self._outcome(request, fault)
        reply = _with_linkedin_headers(outcome.reply)
        self._note(request, replace(outcome, reply=reply), fault)
        return reply

    def reset(self) -> None:
        """Forget everything that was received or ordered, and seed the world anew."""
        with self.lock:
            self.world = seeded_world()
            self.faults.clear()
            self.ledger.clear()

    def _reply_to(self, environ: WSGIEnvironment) -> Reply:
        try:
            return self.answer(_request_of(environ))
        except Refusal as refusal:
            return _with_linkedin_headers(refusal.reply)

    def _outcome(self, request: Request, fault: Fault | None) -> "_Outcome":
        if fault is None:
            return self._undisturbed(request)
        if fault.kind == "element_status":
            return self._undisturbed(request, fault)
        if fault.after_accept or fault.needs_right_answer:
            right = self._undisturbed(request)
            return replace(right, reply=fault.reply(right.reply))
        return _Outcome(fault.reply(), _events_in(request))

    def _undisturbed(self, request: Request, fault: Fault | None = None) -> "_Outcome":
        try:
            with self.lock:
                version = version_of(self.world, request)
                grant = grant_of(self.world, request)
            if _is_post_of_events(request):
                return self._store(events.read(request, version), grant, fault)
            with self.lock:
                return _Outcome(_routed(self.world, grant, request))
        except Refusal as refusal:
            return _Outcome(refusal.reply, _events_in(request))

    def _store(self, batch: events.Batch, grant: Grant, fault: Fault | None) -> "_Outcome":
        with self.lock:
            events.check(batch, self.world, grant)
            if fault is None:
                self.ledger.accept(batch.elements)
                return _Outcome(events.accepted(batch, _uuid()), len(batch.elements), len(batch.elements))
            statuses = fault.statuses_for(len(batch.elements))
            stored = [one for one, status in zip(batch.elements, statuses, strict=True) if status < 300]
            self.ledger.accept(stored)
        told = statuses[: max(0, len(statuses) - fault.drop_last)]
        reply = json_reply(200, {"elements": [_element_status(status) for status in told]})
        return _Outcome(reply, len(batch.elements), len(stored))

    def _note(self, request: Request, outcome: "_Outcome", fault: Fault | None) -> None:
        reply = outcome.reply
        written = reply.wire is None or reply.wire.kind in ("slow", "drip", "stall", "cut")
        with self.lock:
            self.ledger.note(
                Received(
                    id=self.ledger.next_id(),
                    at_ms=int(time.time() * 1000),
                    method=request.method,
                    path=request.path + (f"?{request.query}" if request.query else ""),
                    headers=_masked(request.headers),
                    body=request.body,
                    events=outcome.events,
                    accepted=outcome.accepted,
                    status=reply.status if written else None,
                    answer=reply.body[:4096],
                    fault=fault.kind if fault else None,
                )
            )


@dataclass(frozen=True)
class _Outcome:
    """A reply, with how many events the request held and how many of them were stored."""

    reply: Reply
    events: int = 0
    accepted: int = 0


def _is_post_of_events(request: Request) -> bool:
    return request.method == "POST" and request.path.rstrip("/") == _EVENTS_PATH


def _events_in(request: Request) -> int:
    """How many events a refused request held; an accepted one has been counted already."""
    return len(events.elements_of(request.body)) if _is_post_of_events(request) else 0


def _routed(world: World, grant: Grant, request: Request) -> Reply:
    """Answer what is not a post of events."""
    path = request.path.rstrip("/")
    if path.startswith("/rest/lead"):
        leads.expect_lead_sync(grant, request.method, path.removeprefix("/rest/").partition("/")[0])
    if request.method == "GET":
        _expect_readable(grant, path)
    known = _COLLECTIONS.get((request.method, path))
    if known is not None:
        return known(world, grant, request)
    for (method, pattern), by_name in _NAMED.items():
        named = pattern.fullmatch(path)
        if named and method == request.method:
            return by_name(world, grant, request, named[1])
    exists = path in _PATHS
    for (method, pattern), one in _ENTITIES.items():
        found = pattern.fullmatch(path)
        if found and method == request.method:
            return one(world, grant, request, int(found[1]))
        exists = exists or found is not None
    if exists:
        raise refuse(405, f"HTTP method {request.method} is not supported by this resource")
    raise refuse(404, "No virtual resource found", code="RESOURCE_NOT_FOUND")


def _expect_readable(grant: Grant, path: str) -> None:
    if grant.can_read:
        return
    resource = path.removeprefix("/rest/").partition("/")[0]
    message = f"Not enough permissions to access: {resource}.GET"
    raise refuse(403, message, serviceErrorCode=100, code="ACCESS_DENIED")


def _request_of(environ: WSGIEnvironment) -> Request:
    method = environ["REQUEST_METHOD"]
    return Request(
        method=method,
        path=environ.get("PATH_INFO", ""),
        query=environ.get("QUERY_STRING", ""),
        headers=_headers_of(environ),
        body=_body_of(environ, method),
    )


def _headers_of(environ: WSGIEnvironment) -> dict[str, str]:
    headers = {
        key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    return headers


def _body_of(environ: WSGIEnvironment, method: str) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length:
        if method in ("POST", "PUT", "PATCH"):
            raise refuse(411, "Length Required", {"Connection": "close"})
        return b""
    if not (length.isascii() and length.isdigit()):
        raise refuse(400, "Bad Content-Length", {"Connection": "close"})
    if int(length) > MAX_BODY:
        raise refuse(413, "Request Entity Too Large", {"Connection": "close"})
    return bytes(environ["wsgi.input"].read(int(length)))


def _deposit(reply: Reply, environ: WSGIEnvironment) -> Reply:
    """Hand the spoiling of the connection to the server; under one that offers no slot, own up with a 502."""
    slot = environ.get(WIRE_SLOT)
    if slot is None or reply.wire is None:
        return json_reply(502, {"status": 502, "message": "This server cannot spoil connections"})
    slot.append(reply.wire)
    return reply


def _masked(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: MASK if name == "authorization" else value for name, value in headers.items()}


def _element_status(status: int) -> dict[str, object]:
    if status < 300:
        return {"status": status}
    return {"status": status, "error": {"status": status, "message": responses.get(status, "Error")}}


def _with_linkedin_headers(reply: Reply) -> Reply:
    """The headers that LinkedIn puts on every answer; its support asks for X-LI-UUID."""
    if reply.wire is not None and reply.wire.kind == "raw":
        return reply
    headers: dict[str, str] = {
        "X-LI-UUID": _uuid(),
        "X-Li-Fabric": "prod-sandbox",
        "X-Li-Pop": "sandbox",
        "X-LI-Proto": "http/1.1",
        "X-RestLi-Protocol-Version": "2.0.0",
    }
    return replace(reply, headers={**headers, **reply.headers})


def _uuid() -> str:
    return base64.b64encode(os.urandom(16)).decode()
