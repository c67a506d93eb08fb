"""Speaks HTTP with LinkedIn: sends batches of events, reads rules and ad accounts, judges no answer.

Three ends of a request are kept apart, because they cost differently (`capi.outcome` defines them):
an `Answer` of whatever status; `NotSent`, when provably no byte of the request left; `NoAnswer`, when some
did and no whole answer came back.

The token appears in no exception, no repr and no log line of this module.
"""

import io
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError
from urllib3.exceptions import SSLError as TLSError

from capi.outcome import Answer, NoAnswer, NotSent

USER_AGENT: Final = "LeadMachine/0.1"
MAX_BODY: Final = 1024 * 1024
PAGE_SIZE: Final = 100
MAX_PAGES: Final = 100
# An idle connection that LinkedIn may be about to close is not used again: a request that meets such a
# closing has an unknown outcome, and every unknown outcome is a possible duplicate.
REUSE_WITHIN_SECONDS: Final = 15.0

_RESPONSE_FIELDS: Final = (
    "ownerInfo,associatedEntityInfo,leadMetadataInfo,owner,leadType,versionedLeadGenFormUrn,id,submittedAt,testLead,"
    "formResponse,form:(hiddenFields,creationLocale,name,id,content)"
)
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ACCOUNT = re.compile(r"(?:urn:li:sponsoredAccount:)?([0-9]{1,19})")
_RULE = re.compile(r"(?:urn:lla:llaPartnerConversion:)?([0-9]{1,19})")


@dataclass(frozen=True)
class Outgoing:
    """One request, ready to be sent byte for byte. Its repr shows neither token nor body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


# Carries a request to LinkedIn and its answer back; raises NotSent or NoAnswer.
Transport = Callable[[Outgoing], Answer]


@dataclass(frozen=True)
class RemoteAccount:
    id: str
    name: str
    currency: str


@dataclass(frozen=True)
class RemoteRule:
    """A conversion rule as LinkedIn has it. Only one with campaigns is ever credited."""

    id: str
    name: str
    type: str
    method: str
    enabled: bool
    campaigns: tuple[str, ...]

    @property
    def takes_events(self) -> bool:
        return self.enabled and self.method == "CONVERSIONS_API"


class ReadRefused(Exception):
    """LinkedIn did not let us read, or its answer cannot be read. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class LinkedInClient:
    """LinkedIn's API at `base_url` (…/rest) in one version (YYYYMM). Threads may share it.

    All times are in seconds. `wall_clock` bounds the whole request however slowly it trickles, `read_timeout`
    one silence, `max_body` the bytes of an answer that are read at all.
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        *,
        transport: Transport | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        wall_clock: float = 30.0,
        max_body: int = MAX_BODY,
    ) -> None:
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
            raise ValueError(
                "The address of LinkedIn's API must start with http:// or https:// and name a host."
            )
        self.base_url = base_url.rstrip("/")
        self.version = version
        self._transport = transport or HttpTransport(connect_timeout, read_timeout, wall_clock, max_body)

    def send(self, token: str, elements: Sequence[str]) -> Answer:
        """Post stored JSON texts, exactly as they are, as one batch (also when it is only one).

        Raises NotSent, NoAnswer, and ValueError for a token that no header can carry.
        """
        body = '{"elements":[' + ",".join(elements) + "]}"
        headers = {
            **self._headers(token),
            "Content-Type": "application/json",
            "X-RestLi-Method": "BATCH_CREATE",
        }
        return self._transport(
            Outgoing("POST", f"{self.base_url}/conversionEvents", headers, body.encode("utf-8"))
        )

    def rules(self, token: str, account: str) -> list[RemoteRule]:
        """Return every rule of an ad account (number or URN).

        Raises ReadRefused, NotSent, NoAnswer, and ValueError for an id or token that cannot be one.
        """
        query = f"q=account&account={_account_urn(account)}"
        return [_rule(found) for found in self._pages(token, f"/conversions?{query}")]

    def rule(self, token: str, rule_id: str, account: str) -> RemoteRule:
        """Return one rule (number or URN); raises as `rules`."""
        path = f"/conversions/{_number(_RULE, rule_id, 'conversion rule')}?account={_account_urn(account)}"
        return _rule(self._get(token, path))

    def accounts(self, token: str) -> list[RemoteAccount]:
        """Return the live ad accounts that the token can see; raises as `rules`."""
        # Rest.li: parentheses, commas and colons of the search stay literal.
        path = "/adAccounts?q=search&search=(status:(values:List(ACTIVE)),test:false)"
        return [_account(found) for found in self._pages(token, path)]

    def lead_response(self, token: str, response: str) -> dict[str, Any]:
        """Return one response to a Lead Gen Form with its form; raises as `rules`."""
        return self._get(token, f"/leadFormResponses/{quote(response, safe='')}?fields={_RESPONSE_FIELDS}")

    def lead_responses(
        self, token: str, account: str, start_ms: int, end_ms: int
    ) -> Iterator[dict[str, Any]]:
        """Yield the responses that were submitted in that time; raises as `rules`."""
        query = (
            f"q=owner&owner=(sponsoredAccount:{_account_urn(account)})&leadType=(leadType:SPONSORED)"
            f"&limitedToTestLeads=false&submittedAtTimeRange=(start:{start_ms},end:{end_ms})"
            f"&fields={_RESPONSE_FIELDS}"
        )
        return self._pages(token, f"/leadFormResponses?{query}")

    def subscribe(self, token: str, account: str, webhook: str) -> str:
        """Have LinkedIn notify an address, which must answer its challenge; returns the id. Raises as `rules`."""
        owner = {"sponsoredAccount": f"urn:li:sponsoredAccount:{_number(_ACCOUNT, account, 'ad account')}"}
        body = json.dumps({"webhook": webhook, "owner": owner, "leadType": "SPONSORED"}).encode()
        headers = {**self._headers(token), "Content-Type": "application/json"}
        answer = self._transport(Outgoing("POST", f"{self.base_url}/leadNotifications", headers, body))
        if answer.status != 201:
            raise ReadRefused(f"LinkedIn did not take the address ({answer.status}).", answer.status)
        return answer.headers.get("x-restli-id", "")

    def unsubscribe(self, token: str, subscription: str) -> None:
        """End a subscription; one that is gone already has ended. Raises as `rules`."""
        url = f"{self.base_url}/leadNotifications/{quote(subscription, safe='')}"
        answer = self._transport(Outgoing("DELETE", url, self._headers(token)))
        if answer.status not in (200, 204, 404):
            raise ReadRefused(f"LinkedIn did not end it ({answer.status}).", answer.status)

    def _pages(self, token: str, path: str) -> Iterator[dict[str, Any]]:
        """Yield the elements of all pages. The end is a short page: LinkedIn's own total can be -1."""
        for page in range(MAX_PAGES):
            elements = self._get(token, f"{path}&start={page * PAGE_SIZE}&count={PAGE_SIZE}").get("elements")
            if not isinstance(elements, list) or not all(isinstance(one, dict) for one in elements):
                raise ReadRefused("LinkedIn answered, but not with a list.", 200)
            yield from elements
            if len(elements) < PAGE_SIZE:
                return

    def _get(self, token: str, path: str) -> dict[str, Any]:
        answer = self._transport(Outgoing("GET", self.base_url + path, self._headers(token)))
        if answer.status != 200:
            raise ReadRefused(f"LinkedIn refused to be read ({answer.status}).", answer.status)
        found = _json(answer.body)
        if not isinstance(found, dict):
            raise ReadRefused("LinkedIn answered, but not with JSON.", answer.status)
        return found

    def _headers(self, token: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {_checked(token)}",
            "LinkedIn-Version": self.version,
            "X-Restli-Protocol-Version": "2.0.0",
            "User-Agent": USER_AGENT,
            # No compression: an answer of a few kilobytes must not unfold into gigabytes.
            "Accept-Encoding": "identity",
        }


class HttpTransport:
    """Sends over pooled connections: no proxy, redirect, retry or cookie, nothing from the environment."""

    def __init__(self, connect_timeout: float, read_timeout: float, wall_clock: float, max_body: int) -> None:
        self._timeout = (connect_timeout, read_timeout)
        self._wall_clock = wall_clock
        self._max_body = max_body

    def __call__(self, request: Outgoing) -> Answer:
        started = time.monotonic()
        with _attempt(self._wall_clock) as attempt:
            result = self._try(request, attempt)
        duration_ms = round((time.monotonic() - started) * 1000)
        if isinstance(result, _Received):
            return Answer(result.status, result.body, result.headers, duration_ms)
        # Raised here and not where it was caught: the library's exceptions carry the request and its token.
        if attempt.has_left:
            raise NoAnswer(result, duration_ms)
        raise NotSent(result, duration_ms)

    def _try(self, request: Outgoing, attempt: "_Attempt") -> "_Received | str":
        """Return what was received, or in a sentence why nothing was."""
        try:
            return self._exchange(request)
        except _TooLarge:
            return f"LinkedIn's answer was larger than {self._max_body:,} bytes and was cut off."
        except (requests.RequestException, HTTPError, HTTPException, OSError) as error:
            return _sentence(error, attempt, urlsplit(request.url).hostname or "")

    def _exchange(self, request: Outgoing) -> "_Received":
        prepared = requests.Request(
            request.method, request.url, headers=dict(request.headers), data=request.body or None
        ).prepare()
        adapter = _adapter(os.getpid(), urlsplit(request.url).netloc)
        response = adapter.send(prepared, stream=True, timeout=self._timeout)
        with response:
            body = self._read(response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return _Received(response.status_code, body.decode("utf-8", "replace"), headers)

    def _read(self, response: requests.Response) -> bytes:
        """Read the body as it came, never unpacked; after _TooLarge the connection is given up."""
        body = bytearray()
        while chunk := response.raw.read(65_536, decode_content=False):
            body += chunk
            if len(body) > self._max_body:
                raise _TooLarge
        return bytes(body)


@dataclass(frozen=True)
class _Received:
    status: int
    body: str
    headers: Mapping[str, str]


class _TooLarge(Exception):
    """The answer is larger than anything that LinkedIn has a reason to say."""


@dataclass
class _Attempt:
    """One request on its way: when it must be over, and whether any byte of it may have left."""

    deadline: float
    has_left: bool = False

    def remaining(self) -> float:
        """Return the seconds left; raises TimeoutError when there are none."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the time for the whole request is over")
        return remaining

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline


# The connection classes below are made deep inside the pool; this is how a request reaches its connection.
_current: ContextVar[_Attempt] = ContextVar("linkedin_attempt")


@contextmanager
def _attempt(wall_clock: float) -> Iterator[_Attempt]:
    attempt = _Attempt(time.monotonic() + wall_clock)
    reset = _current.set(attempt)
    try:
        yield attempt
    finally:
        _current.reset(reset)


class _WatchedSocket:
    """A socket whose reads also end when the time of the whole request is over.

    Without it, a peer that sends one byte before each read time-out could hold a worker for days.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, mode: str, *args: Any, **kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_WatchedReader(self._connection))

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._connection.settimeout(_shorter(self._connection.gettimeout(), _current.get().remaining()))
        self._connection.sendall(data, flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _WatchedReader(io.RawIOBase):
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._silence = connection.gettimeout()
        # The socket's own reader keeps the socket open as long as this answer is being read.
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(_shorter(self._silence, _current.get().remaining()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Watched(HTTPConnection):
    """What both kinds of connection add: the watched socket, the note that bytes leave, and an age limit."""

    _used_at = 0.0

    def connect(self) -> None:
        _current.get().remaining()
        super().connect()
        self.sock = _WatchedSocket(self.sock)
        self._used_at = time.monotonic()

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # what fails in here has sent nothing
        attempt = _current.get()
        attempt.remaining()  # a look-up of the name may have hung: nothing leaves after the time is over
        attempt.has_left = True
        super().send(data)
        self._used_at = time.monotonic()

    @property
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self._used_at < REUSE_WITHIN_SECONDS


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


@lru_cache(maxsize=8)
def _adapter(process: int, host: str) -> HTTPAdapter:
    """Return this process's connections to a host: a forked worker must not share its parent's.

    An adapter and no requests.Session around it: that would take proxies from the environment, read the whole
    body of a redirect, of any size, and keep cookies, which the companies of one install must not share.
    """
    return _Adapter(pool_connections=1, pool_maxsize=16, max_retries=0)


def _shorter(silence: float | None, remaining: float) -> float:
    return remaining if silence is None else min(silence, remaining)


def _sentence(error: BaseException, attempt: _Attempt, host: str) -> str:
    causes = list(_causes(error))
    if attempt.is_over:
        return "LinkedIn took too long; the request was given up."
    if _first(causes, NameResolutionError):
        return f"The name {host} could not be looked up (DNS)."
    if tls := _first(causes, TLSError):
        return f"No secure connection to {host}: {_tls_reason(tls)}."
    if _first(causes, ConnectionRefusedError):
        return f"{host} refused the connection."
    is_timeout = _first(causes, ReadTimeoutError) or _first(causes, TimeoutError)
    if not attempt.has_left:
        return (
            f"{host} did not accept the connection in time."
            if is_timeout
            else f"{host} could not be reached."
        )
    if is_timeout:
        return "The request was sent, but LinkedIn did not answer in time."
    return "The request was sent, but the connection broke before LinkedIn's answer was complete."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps: requests and urllib3 put it into `args` or `reason`."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def _first(causes: Sequence[BaseException], kind: type[BaseException]) -> BaseException | None:
    return next((cause for cause in causes if isinstance(cause, kind)), None)


def _tls_reason(error: BaseException) -> str:
    text = next((cause.verify_message for cause in _causes(error) if hasattr(cause, "verify_message")), "")
    return f"its certificate is not trusted ({text})" if text else "the TLS handshake failed"


def _checked(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            "The access token holds a character that no token has, such as a space or a line break."
            " Copy it again from Campaign Manager."
        )
    return token


def _account_urn(account: str) -> str:
    """Return the encoded URN: in an address only the colons of a URN are encoded."""
    return quote(f"urn:li:sponsoredAccount:{_number(_ACCOUNT, account, 'ad account')}", safe="")


def _number(form: re.Pattern[str], value: str, what: str) -> str:
    match = form.fullmatch(value)
    if match is None:
        raise ValueError(f"The id of the {what} is a number or a URN.")
    return match[1]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _rule(found: Mapping[str, Any]) -> RemoteRule:
    campaigns = found.get("campaigns")
    return RemoteRule(
        id=str(found.get("id", "")),
        name=str(found.get("name", "")),
        type=str(found.get("type", "")),
        method=str(found.get("conversionMethod", "")),
        enabled=found.get("enabled") is not False,
        campaigns=tuple(str(campaign) for campaign in campaigns) if isinstance(campaigns, list) else (),
    )


def _account(found: Mapping[str, Any]) -> RemoteAccount:
    return RemoteAccount(str(found.get("id", "")), str(found.get("name", "")), str(found.get("currency", "")))
