"""Speaks HTTP to addresses that users gave: to the public internet over TLS, and to nothing else.

A name is resolved once, every address it has must be public, and the connection goes to exactly such an address; the
name is used for SNI, certificate and Host alone. So no answer of a name server between check and connection matters.
No redirect is followed, no proxy of the environment is asked, and neither slow nor long answers hold anybody up.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 10.0
MOST_READ: Final = 64 * 1024
LONGEST_URL: Final = 500
PORTS: Final = (443, 8443, 9443)
_MOST_ADDRESSES = 3

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A top-level domain is never a number: 127.1, 0x7f.1 and 2130706433 are addresses in disguise.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z])(?!0x){_LABEL}", re.IGNORECASE)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

# What `is_global` of this Python, or of an older one, calls public and is not ours to call.
_CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # shared by the customers of a provider
        "168.63.129.16/32",  # a cloud's own services
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.175.48.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "2001::/23",  # Teredo, ORCHID and other protocols: an IPv4 address may be inside
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address is inside
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
# All IPv6 that is public begins with 001. Outside of it: mapped, NAT64, unique local, link local, multicast.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# ISATAP: an IPv4 address in the lower half of any prefix.
_ISATAP = (0x00005EFE, 0x02005EFE)


class NotAllowed(Exception):
    """The address is none that we call. The text is a sentence for whoever entered it."""


class NoReply(Exception):
    """Nobody answered, or not in time. The text is a sentence."""


@dataclass(frozen=True)
class Reply:
    """What came back; `text` is its beginning."""

    status: int
    text: str
    retry_after: str = ""


@dataclass(frozen=True)
class Target:
    """An address that may be called, taken apart."""

    host: str
    port: int
    path: str
    is_loopback: bool = False

    @property
    def host_header(self) -> str:
        usual = 80 if self.is_loopback else 443
        return self.host if self.port == usual else f"{self.host}:{self.port}"


def target_of(url: str, *, loopback: bool = False) -> Target:
    """Take an address apart, without asking anybody. Raises NotAllowed.

    `loopback` also lets http to this machine through, for development.
    """
    if len(url) > LONGEST_URL or not re.fullmatch(r"[\x21-\x7e]+", url) or "\\" in url:
        raise NotAllowed("Enter a plain address of up to 500 letters; write other alphabets in punycode.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotAllowed("This is not an address.") from error
    if "@" in parts.netloc or "#" in url:
        raise NotAllowed("The address must have no user and no fragment.")
    if loopback and parts.scheme == "http" and _host(parts) in _LOOPBACK_NAMES:
        return Target(_host(parts), port or 80, _path(parts), is_loopback=True)
    if parts.scheme != "https":
        raise NotAllowed("The address must begin with https://.")
    _check_name(parts.hostname or "")
    if parts.netloc.endswith(":") or (port is not None and port not in PORTS):
        raise NotAllowed(f"Use one of the ports {', '.join(map(str, PORTS))}.")
    return Target(parts.hostname or "", port or 443, _path(parts))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and does not carry another one inside."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    if any(found in network for network in _CLOSED if network.version == found.version):
        return False
    return found.version == 4 or (found in _PUBLIC_IPV6 and (int(found) >> 32) & 0xFFFFFFFF not in _ISATAP)


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, in the system's order of preference. Raises NoReply."""
    found: Future[list[str]] = Future()

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as error:
            found.set_exception(NoReply(f"The name {host} is not known ({type(error).__name__})."))

    # The system's resolver has a clock of its own, and no way to stop it.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        return found.result(timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise NoReply(f"No name server answered for {host} in {CONNECT_SECONDS:.0f} seconds.") from error


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to an IP address."""
    return socket.create_connection((address, port), timeout=seconds)


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """The certificates that the product trusts, which come with it: an image may have none."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True)
class Outside:
    """The way out. Name server, connection and trust are arguments, so that tests can stand in for them."""

    resolve: Resolve = resolve
    connect: Connect = connect
    context: Callable[[], ssl.SSLContext] = trust
    loopback: bool = False

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """POST and read the beginning of the answer. Raises NotAllowed or NoReply."""
        target = target_of(url, loopback=self.loopback)
        end = time.monotonic() + TOTAL_SECONDS
        line = self._open(target, self._addresses(target))
        timer = threading.Timer(max(end - time.monotonic(), 0.1), _cut, [line])
        timer.daemon = True
        timer.start()
        try:
            return _speak(target, self._secured(target, line), body, headers)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= end:
                raise NoReply(f"No full answer within {TOTAL_SECONDS:.0f} seconds.") from error
            raise NoReply(_sentence(error)) from error
        finally:
            timer.cancel()
            line.close()

    def _addresses(self, target: Target) -> list[str]:
        """What the name stands for now. One address that is not public spoils them all."""
        addresses = list(self.resolve(target.host.strip("[]"), target.port))
        if not addresses:
            raise NoReply(f"The name {target.host} has no address.")
        allowed = _is_loopback if target.is_loopback else is_public
        if not all(allowed(address) for address in addresses):
            raise NotAllowed(f"{target.host} stands for an address that is not on the public internet.")
        return addresses[:_MOST_ADDRESSES]

    def _open(self, target: Target, addresses: Sequence[str]) -> socket.socket:
        end = time.monotonic() + CONNECT_SECONDS
        trouble: OSError | None = None
        for address in addresses:
            if (left := end - time.monotonic()) <= 0:
                break
            try:
                return self.connect(address, target.port, left)
            except OSError as error:
                trouble = error
        raise NoReply(f"{target.host} does not take connections.") from trouble

    def _secured(self, target: Target, line: socket.socket) -> socket.socket:
        line.settimeout(TOTAL_SECONDS)
        if target.is_loopback:
            return line
        return self.context().wrap_socket(line, server_hostname=target.host)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _check_name(host: str) -> None:
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise NotAllowed("Enter the full name of a public host, such as hooks.example.com.")
    if host.lower().endswith(_LOCAL_NAMES):
        raise NotAllowed(f"{host} is a name of an inner network.")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _speak(target: Target, line: socket.socket, body: bytes, headers: Mapping[str, str]) -> Reply:
    connection = http.client.HTTPConnection(target.host.strip("[]"), target.port)
    connection.sock = line
    with line:
        connection.request("POST", target.path, body, {"Host": target.host_header, **headers})
        answer = connection.getresponse()
        text = answer.read(MOST_READ).decode("utf-8", "replace")
        return Reply(answer.status, text, answer.headers.get("Retry-After", ""))


def _cut(line: socket.socket) -> None:
    """Time is up: whoever reads or writes there is woken by an error."""
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It was closed in this very moment, which is what was wanted.
        return


def _sentence(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return "No secure connection could be made."
    if isinstance(error, TimeoutError):
        return "The answer took too long."
    return "The connection ended without an answer that can be read."
