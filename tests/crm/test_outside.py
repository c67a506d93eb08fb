"""No address that a user enters leads to anything but the public internet: a list of tricks, and a trap behind them."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from crm import outside
from crm.outside import NoReply, NotAllowed, Outside

PORT = 8443

# Refused as they are written, before anybody is asked for a name.
TRICKS = [
    # not https, or not an address at all
    "", " ", "https://", "https:///", "https:/hooks.example.com/", "//hooks.example.com/", "hooks.example.com",
    "http://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:6379/INFO", "javascript:alert(1)", "data:text/plain,x", "ws://hooks.example.com/",
    "unix:///run/docker.sock", "jar:https://hooks.example.com!/", "https:hooks.example.com",
    # loopback in every spelling
    "https://127.0.0.1/", "https://127.0.0.2/", "https://127.1/", "https://127.0.1/", "https://127.255.255.254/",
    "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.0x0.0x0.0x1/",
    "https://0177.0.0.1/", "https://0177.0.0.0x1/", "https://127.0.0.0x1/", "https://0x7f.1/", "https://00000177.1/",
    "https://127.0.0.1./", "https://0/", "https://0.0.0.0/", "https://0.0.0.0:8443/", "https://000.000.000.000/",
    "https://4294967295/", "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://localhost:443/",
    "https://foo.localhost/", "https://127.0.0.1.localhost/", "https://localhost.localdomain.local/",
    "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[::1%25lo]/", "https://[::1%lo]/",
    "https://[fe80::1%eth0]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/",
    "https://[ff02::1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::169.254.169.254]/",
    "https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/", "https://[fec0::1]/", "https://[::ffff:0:127.0.0.1]/",
    # private networks and the clouds' own services
    "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/", "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/", "https://0xa9fea9fe/", "https://025177524776/", "https://169.254.43518/",
    "https://[::ffff:169.254.169.254]/", "https://100.64.0.1/", "https://100.100.100.200/", "https://192.0.0.192/",
    "https://198.18.0.1/", "https://224.0.0.1/", "https://255.255.255.255/", "https://240.0.0.1/",
    "https://metadata.google.internal/", "https://vault.internal/", "https://printer.local/", "https://nas.lan/",
    "https://wiki.corp/", "https://router.home/", "https://box.home.arpa/", "https://wiki.intranet/",
    # what a public address may not be either: it has no name that a certificate could be for
    "https://8.8.8.8/", "https://[2606:4700:4700::1111]/", "https://134744072/",
    # user, fragment, and hosts behind hosts
    "https://hooks.example.com@127.0.0.1/", "https://127.0.0.1@hooks.example.com/", "https://user:pw@hooks.example.com/",
    "https://@hooks.example.com/", "https://hooks.example.com#@127.0.0.1/", "https://127.0.0.1#@hooks.example.com/",
    "https://hooks.example.com#", "https://hooks.example.com\\@127.0.0.1/", "https://127.0.0.1\\.example.com/",
    "https:\\\\127.0.0.1\\", "https://hooks.example.com:443@127.0.0.1/", "https://hooks.example.com%40127.0.0.1/",
    "https://127.0.0.1%2f@hooks.example.com/", "https://hooks.example.com%2f127.0.0.1/", "https://%31%32%37.0.0.1/",
    "https://hooks.example.com;127.0.0.1/", "https://hooks.example.com&@127.0.0.1/", "https://hooks.example.com,127.0.0.1/",
    # ports of other services
    "https://hooks.example.com:22/", "https://hooks.example.com:25/", "https://hooks.example.com:80/",
    "https://hooks.example.com:5432/", "https://hooks.example.com:6379/", "https://hooks.example.com:11211/",
    "https://hooks.example.com:0/", "https://hooks.example.com:65536/", "https://hooks.example.com:-443/",
    "https://hooks.example.com:443.0/", "https://hooks.example.com:/", "https://hooks.example.com:４４３/",
    "https://hooks.example.com:443:6379/", "https://hooks.example.com: 443/",
    # letters that are not what they look like, and lines within lines
    "https://１２７.０.０.１/", "https://127。0。0。1/", "https://127．0．0．1/", "https://①②⑦.0.0.1/", "https://ⓛocalhost/",
    "https://lo\u00adcalhost/", "https://loc\u200dalhost/", "https://hooks.example.com/\r\nHost: 127.0.0.1",
    "https://hooks.example.com\r\n@127.0.0.1/", "https://hooks.example.com/\x00", "https://hooks\t.example.com/",
    "\thttps://hooks.example.com/", "https://hooks.example.com/ x", "https://münchen.example/", "https://ｅxample.com/",
    # names that are none
    "https://hooks/", "https://.example.com/", "https://hooks..example.com/", "https://-hooks.example.com/",
    "https://hooks-.example.com/", "https://hooks_example.com/", "https://*.example.com/", "https://hooks.example.1/",
    "https://hooks.0x1/", f"https://{'a' * 64}.example.com/", f"https://{'a.' * 130}com/",
    "https://hooks.example.com/" + "a" * 500, "https://[hooks.example.com]/", "https://[/", "https://[::1/",
]  # fmt: skip

# Addresses that a public name may stand for all of a sudden.
INNER = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.0.170",
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "168.63.129.16",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2001::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1", "2001:10::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1",
    "ff02::1", "ff0e::1", "100::1", "5f00::1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "not an address",
    "", "127.0.0.1\n", "0x7f000001", "2130706433",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"]


class Trap(socketserver.ThreadingTCPServer):
    """Listens where nobody may come, and counts who does."""

    allow_reuse_address = True
    daemon_threads = True
    visits = 0


class _Visit(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Trap)
        server.visits += 1


@pytest.fixture
def trap() -> Iterator[Trap]:
    with Trap(("127.0.0.1", 0), _Visit) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def leading_to(trap: Trap, called: list[str]) -> outside.Connect:
    """Whatever address is connected to, it is the trap that answers: to be called at all is the fault."""

    def connect(address: str, port: int, seconds: float) -> socket.socket:
        called.append(address)
        return socket.create_connection(trap.server_address[:2], timeout=seconds)  # type: ignore[arg-type]

    return connect


def answering(*addresses: str) -> outside.Resolve:
    return lambda host, port: list(addresses)


def test_the_list_is_as_long_as_it_should_be() -> None:
    assert len(TRICKS) + len(INNER) >= 190
    assert len(set(TRICKS)) == len(TRICKS)


@pytest.mark.parametrize("url", TRICKS)
def test_a_trick_is_refused_as_it_is_written(trap: Trap, url: str) -> None:
    called: list[str] = []
    way = Outside(resolve=answering("127.0.0.1"), connect=leading_to(trap, called))
    with pytest.raises(NotAllowed):
        way.post(url, b"{}", {})
    assert called == []
    assert trap.visits == 0


@pytest.mark.parametrize("address", INNER)
def test_a_name_that_stands_for_an_inner_address_is_not_called(trap: Trap, address: str) -> None:
    called: list[str] = []
    way = Outside(resolve=answering(address), connect=leading_to(trap, called))
    with pytest.raises(NotAllowed, match="public internet"):
        way.post(f"https://hooks.example.com:{PORT}/", b"{}", {})
    assert called == []
    assert trap.visits == 0


@pytest.mark.parametrize("address", INNER)
def test_one_inner_address_among_public_ones_spoils_them_all(trap: Trap, address: str) -> None:
    called: list[str] = []
    for mixed in ((PUBLIC[0], address), (address, PUBLIC[0]), (*PUBLIC, address)):
        way = Outside(resolve=answering(*mixed), connect=leading_to(trap, called))
        with pytest.raises(NotAllowed):
            way.post("https://hooks.example.com/", b"{}", {})
    assert called == []


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert outside.is_public(address)


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """Rebinding: the name server says something else the second time. There is no second time."""
    answers = [[PUBLIC[0]], ["127.0.0.1"]]
    called: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    def connect(address: str, port: int, seconds: float) -> socket.socket:
        called.append((address, port))
        raise ConnectionRefusedError

    with pytest.raises(NoReply, match="does not take connections"):
        Outside(resolve=resolve, connect=connect).post("https://rebind.example.com:8443/", b"{}", {})
    assert called == [(PUBLIC[0], 8443)]
    assert answers == [["127.0.0.1"]]


def test_the_environment_s_proxy_is_not_asked(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    host, port = trap.server_address[:2]
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://{host!s}:{port}")

    def connect(address: str, port: int, seconds: float) -> socket.socket:
        raise ConnectionRefusedError

    with pytest.raises(NoReply):
        Outside(resolve=answering(PUBLIC[0]), connect=connect).post("https://hooks.example.com/", b"{}", {})
    assert trap.visits == 0


# ── Answers, from this machine ─────────────────────────────────────────────────────────────────────────


@contextmanager
def speaking(answer: bytes, *, pause: float = 0, hold: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each request with these bytes, one by one if there is a pause between them."""
    asked: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(whole_request(self.request))
            try:
                for piece in [bytes([each]) for each in answer] if pause else [answer]:
                    self.request.sendall(piece)
                    time.sleep(pause)
                while hold:
                    self.request.sendall(b"x" * 65536)
            except OSError:
                return  # they had enough

    with Trap(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook?a=b", asked
        server.shutdown()


def whole_request(connection: socket.socket) -> bytes:
    """What is said first, and the body of a POST, which comes behind its head."""
    said = connection.recv(65536)
    length = re.search(rb"content-length: (\d+)", said, re.IGNORECASE)
    while length and len(said.partition(b"\r\n\r\n")[2]) < int(length[1]):
        said += connection.recv(65536)
    return said


LOCAL = Outside(loopback=True)


def test_what_is_sent_arrives_with_host_and_headers() -> None:
    with speaking(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") as (url, asked):
        reply = LOCAL.post(url, b'{"a": 1}', {"webhook-id": "msg_1"})
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert reply.status == 204
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert head.count(b"Host:") == head.count(b"Host: 127.0.0.1:") == 1
    assert b"webhook-id: msg_1" in head
    assert body == b'{"a": 1}'


def test_a_redirect_is_an_answer_and_not_a_way(trap: Trap) -> None:
    host, port = trap.server_address[:2]
    for status in (301, 302, 303, 307, 308):
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: http://{host!s}:{port}/\r\nContent-Length: 0\r\n\r\n"
        with speaking(answer.encode()) as (url, _asked):
            assert LOCAL.post(url, b"{}", {}).status == status
    assert trap.visits == 0


def test_a_long_answer_is_cut() -> None:
    with speaking(b"HTTP/1.1 200 OK\r\n\r\n", hold=True) as (url, _asked):
        assert len(LOCAL.post(url, b"{}", {}).text) == outside.MOST_READ


SLOW_HEADER = b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 200
SLOW_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"a" * 200


@pytest.mark.parametrize("answer", [SLOW_HEADER, SLOW_BODY])
def test_a_slow_answer_is_cut(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(outside, "TOTAL_SECONDS", 0.4)
    with speaking(answer, pause=0.05) as (url, _asked):
        started = time.monotonic()
        with pytest.raises(NoReply, match="within"):
            LOCAL.post(url, b"{}", {})
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("answer", [b"", b"\x00" * 100, b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_an_answer_that_is_none_is_no_reply(answer: bytes) -> None:
    with speaking(answer) as (url, _asked), pytest.raises(NoReply):
        LOCAL.post(url, b"{}", {})


def test_a_server_without_tls_is_not_told_anything(trap: Trap) -> None:
    """The bytes that reach it are a greeting of TLS, without a word of the message."""
    with speaking(b"HTTP/1.1 200 OK\r\n\r\n") as (url, asked):
        port = int(url.split(":")[2].partition("/")[0])
        way = Outside(
            resolve=answering(PUBLIC[0]),
            connect=lambda address, _port, seconds: socket.create_connection(
                ("127.0.0.1", port), timeout=seconds
            ),
        )
        with pytest.raises(NoReply, match="secure connection"):
            way.post("https://hooks.example.com/", b"tell nobody", {})
    assert b"tell nobody" not in b"".join(asked)


def test_loopback_is_open_only_where_the_setting_says_so() -> None:
    with speaking(b"HTTP/1.1 200 OK\r\n\r\n") as (url, asked):
        with pytest.raises(NotAllowed):
            Outside().post(url, b"{}", {})
        assert asked == []
    for url in (
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "https://127.0.0.1/",
        "http://hooks.example.com/",
    ):
        with pytest.raises(NotAllowed):
            LOCAL.post(url, b"{}", {})
    with pytest.raises(NotAllowed):
        Outside(loopback=True, resolve=answering("10.0.0.1")).post("http://localhost/", b"{}", {})
