"""The client sends exactly what was stored, and never takes a lost answer for an unsent request."""

import gzip
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from capi import linkedin
from capi.linkedin import LinkedInClient, Outgoing, ReadRefused, RemoteAccount, RemoteRule
from capi.outcome import Answer, NoAnswer, NotSent
from capi.sandbox import OTHER_ACCOUNT, SANDBOX_ACCOUNT, SANDBOX_TOKEN
from capi.sandbox.running import RunningSandbox, running_sandbox

TOKEN = "AQXcanary-token_0123456789"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-LI-UUID: abc==\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A listening socket that treats each connection with a function, and remembers what it read."""

    def __init__(self, behave: Callable[[socket.socket, "Peer"], None]) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self.connections = 0
        self.done = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/rest"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def read_request(self, connection: socket.socket) -> bytes:
        """Read one request to the end of its body; b"" when the other side hung up."""
        request = b""
        while b"\r\n\r\n" not in request:
            if not (chunk := connection.recv(65_536)):
                return b""
            request += chunk
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65_536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def _treat(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.behave(connection, self)
            except OSError:
                return  # the client hung up, as several of these tests want


@contextmanager
def peer(behave: Callable[[socket.socket, Peer], None]) -> Iterator[Peer]:
    one = Peer(behave)
    thread = threading.Thread(target=one.serve, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.done.set()
        one.listener.shutdown(socket.SHUT_RDWR)
        one.listener.close()
        thread.join()


def answering(answer: bytes) -> Callable[[socket.socket, Peer], None]:
    def behave(connection: socket.socket, peer: Peer) -> None:
        while peer.read_request(connection):
            connection.sendall(answer)

    return behave


def answering_once(*parts: bytes, pause: float = 0.0) -> Callable[[socket.socket, Peer], None]:
    """Answer one request in parts with a pause after each, then hang up."""

    def behave(connection: socket.socket, peer: Peer) -> None:
        peer.read_request(connection)
        for part in parts:
            connection.sendall(part)
            peer.done.wait(pause)

    return behave


def client(url: str, **options: float) -> LinkedInClient:
    limits = {"connect_timeout": 0.5, "read_timeout": 0.3, "wall_clock": 0.8, **options}
    max_body = int(limits.pop("max_body", 1024 * 1024))
    return LinkedInClient(url, "202609", max_body=max_body, **limits)


class Recorder:
    """A transport that keeps what it was given and answers from a list, the last answer for ever."""

    def __init__(self, *answers: str, status: int = 200) -> None:
        self.sent: list[Outgoing] = []
        self._answers = list(answers) or ["{}"]
        self._status = status

    def __call__(self, request: Outgoing) -> Answer:
        self.sent.append(request)
        body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Answer(self._status, body, {}, 1)


class TestWhatIsSent:
    def test_the_request_on_the_wire_byte_for_byte(self) -> None:
        with peer(answering(OK)) as linked:
            answer = client(linked.url).send(TOKEN, ['{"a": 1}', '{"b":"\u00e4"}'])
        body = b'{"elements":[{"a": 1},{"b":"\xc3\xa4"}]}'
        head = (
            "POST /rest/conversionEvents HTTP/1.1\r\n"
            f"Host: {linked.url[7:-5]}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n"
            "LinkedIn-Version: 202609\r\n"
            "X-Restli-Protocol-Version: 2.0.0\r\n"
            "User-Agent: LeadMachine/0.1\r\n"
            "Accept-Encoding: identity\r\n"
            "Content-Type: application/json\r\n"
            "X-RestLi-Method: BATCH_CREATE\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        assert linked.requests == [head.encode() + body]
        assert (answer.status, answer.body, answer.headers["x-li-uuid"]) == (200, "{}", "abc==")

    def test_one_event_is_a_batch_too(self) -> None:
        recorder = Recorder()
        LinkedInClient("https://api.linkedin.com/rest/", "202609", transport=recorder).send(TOKEN, ["{}"])
        assert recorder.sent[0].body == b'{"elements":[{}]}'
        assert recorder.sent[0].url == "https://api.linkedin.com/rest/conversionEvents"

    def test_one_connection_serves_many_requests(self) -> None:
        with peer(answering(OK)) as linked:
            one = client(linked.url)
            for _ in range(5):
                one.send(TOKEN, ["{}"])
            LinkedInClient(linked.url, "202609").send(TOKEN, ["{}"])
        assert (len(linked.requests), linked.connections) == (6, 1)

    def test_a_connection_that_was_idle_for_long_is_not_trusted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(linkedin, "REUSE_WITHIN_SECONDS", 0.0)
        with peer(answering(OK)) as linked:
            one = client(linked.url)
            assert [one.send(TOKEN, ["{}"]).status for _ in range(3)] == [200, 200, 200]
        assert linked.connections == 3

    def test_the_environment_and_cookies_change_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login eve password eve\n")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        answer = OK.replace(b"X-LI-UUID: abc==", b"Set-Cookie: bcookie=1; Path=/")
        with peer(answering(answer)) as linked:
            for _ in range(2):
                client(linked.url).send(TOKEN, ["{}"])
        assert len(linked.requests) == 2
        assert all(b"ookie" not in request and TOKEN.encode() in request for request in linked.requests)

    @pytest.mark.parametrize(
        "token", ["", "a b", "a\r\nX-Evil: 1", "a\x00", "caf\u00e9", "\u4f60", "a\n", " a"]
    )
    def test_a_token_that_no_header_can_carry_is_refused_before_anything_leaves(self, token: str) -> None:
        recorder = Recorder()
        with pytest.raises(ValueError, match="Copy it again") as caught:
            LinkedInClient("https://api.linkedin.com/rest", "202609", transport=recorder).send(token, ["{}"])
        assert recorder.sent == []
        assert len(token) < 3 or token not in str(caught.value)

    @pytest.mark.parametrize("url", ["", "api.linkedin.com/rest", "ftp://api.linkedin.com", "https:///rest"])
    def test_an_address_that_is_none_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(ValueError, match="http"):
            LinkedInClient(url, "202609")


class TestAnswers:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 426, 429, 500, 503])
    def test_every_status_is_an_answer(self, status: int) -> None:
        reply = f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\n\xff\xfeno".encode(
            "latin-1"
        )
        with peer(answering(reply)) as linked:
            answer = client(linked.url).send(TOKEN, ["{}"])
        assert (answer.status, answer.body, answer.headers["retry-after"]) == (status, "\ufffd\ufffdno", "7")

    def test_a_redirect_is_an_answer_and_is_not_followed(self) -> None:
        def behave(connection: socket.socket, peer: Peer) -> None:
            while peer.read_request(connection):
                location = f"Location: {peer.url}/elsewhere"
                connection.sendall(f"HTTP/1.1 307 X\r\n{location}\r\nContent-Length: 0\r\n\r\n".encode())

        with peer(behave) as linked:
            assert client(linked.url).send(TOKEN, ["{}"]).status == 307
        assert len(linked.requests) == 1

    def test_a_chunked_answer_is_put_together(self) -> None:
        reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
        with peer(answering(reply)) as linked:
            assert client(linked.url).send(TOKEN, ["{}"]).body == "{}"

    def test_an_answer_without_a_length_ends_with_the_connection(self) -> None:
        with peer(answering_once(b"HTTP/1.1 200 OK\r\n\r\n{}")) as linked:
            assert client(linked.url).send(TOKEN, ["{}"]).body == "{}"

    def test_a_packed_answer_that_nobody_asked_for_is_never_unpacked(self) -> None:
        bomb = gzip.compress(b"0" * 50_000_000)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
        with peer(answering(head + bomb)) as linked:
            answer = client(linked.url, wall_clock=5).send(TOKEN, ["{}"])
        assert len(answer.body) <= len(bomb)

    def test_the_duration_is_measured(self) -> None:
        with peer(answering_once(b"", OK, pause=0.1)) as linked:
            assert 100 <= client(linked.url).send(TOKEN, ["{}"]).duration_ms < 800


class TestNotSent:
    """Provably nothing left: resending is safe."""

    def test_a_name_that_is_not_found(self) -> None:
        with pytest.raises(NotSent, match=r"^The name linkedin\.invalid could not be looked up"):
            client("http://linkedin.invalid/rest").send(TOKEN, ["{}"])

    def test_a_refused_connection(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/rest"
            with pytest.raises(NotSent, match="refused the connection"):
                client(url).send(TOKEN, ["{}"])

    def test_a_connection_that_is_not_accepted_in_time(self) -> None:
        # A listener of which nobody accepts: once its queue is full, the kernel drops further handshakes.
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(3)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            time.sleep(0.05)
            with pytest.raises(NotSent, match="did not accept the connection in time"):
                client(f"http://127.0.0.1:{full.getsockname()[1]}/rest", connect_timeout=0.2).send(
                    TOKEN, ["{}"]
                )
            for one in waiting:
                one.close()

    def test_a_look_up_that_hung_longer_than_the_whole_request_may_take(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look_up_slowly(*question: object, **more: object) -> object:
            time.sleep(0.4)
            return look_up(*question, **more)

        look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
        with peer(answering(OK)) as linked, pytest.raises(NotSent, match="took too long"):
            client(linked.url, wall_clock=0.3).send(TOKEN, ["{}"])
        assert linked.requests == []

    def test_a_certificate_that_is_not_trusted_gets_no_token(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_self_signed(tmp_path))

        def behave(connection: socket.socket, peer: Peer) -> None:
            with context.wrap_socket(connection, server_side=True) as secure:
                peer.read_request(secure)

        with peer(behave) as linked, pytest.raises(NotSent, match="certificate is not trusted") as caught:
            client(linked.url.replace("http:", "https:")).send(TOKEN, ["{}"])
        assert linked.requests == []
        assert "self-signed" in caught.value.message

    def test_a_peer_that_does_not_speak_tls(self) -> None:
        plain = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        with (
            peer(lambda connection, _: connection.sendall(plain)) as linked,
            pytest.raises(NotSent, match="TLS handshake failed"),
        ):
            client(linked.url.replace("http:", "https:")).send(TOKEN, ["{}"])

    def test_a_handshake_that_never_ends(self) -> None:
        with peer(lambda _, peer: peer.done.wait(5) and None) as linked, pytest.raises(NotSent) as caught:
            client(linked.url.replace("http:", "https:"), connect_timeout=0.2).send(TOKEN, ["{}"])
        assert caught.value.duration_ms < 1_500


class TestNoAnswer:
    """Something left, and LinkedIn may have stored it."""

    def test_silence_after_the_request(self) -> None:
        with (
            peer(answering_once(b"", pause=5)) as linked,
            pytest.raises(NoAnswer, match="not answer in time") as caught,
        ):
            client(linked.url).send(TOKEN, ["{}"])
        assert 250 <= caught.value.duration_ms < 700

    def test_the_wall_clock_cuts_a_silence_short(self) -> None:
        with peer(answering_once(b"", pause=5)) as linked, pytest.raises(NoAnswer) as caught:
            client(linked.url, read_timeout=20, wall_clock=0.3).send(TOKEN, ["{}"])
        assert caught.value.duration_ms < 700

    def test_a_stall_after_the_headers(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
        with peer(answering_once(head, pause=5)) as linked, pytest.raises(NoAnswer) as caught:
            client(linked.url).send(TOKEN, ["{}"])
        assert caught.value.duration_ms < 700

    @pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
    def test_a_trickle_in_head_or_body_is_cut_at_the_wall_clock(self, head: bytes) -> None:
        trickle = [bytes([byte]) for byte in b"HTTP/1.1 200 OK" * 20]
        with peer(answering_once(head, *trickle, pause=0.1)) as linked, pytest.raises(NoAnswer) as caught:
            client(linked.url).send(TOKEN, ["{}"])
        assert 700 <= caught.value.duration_ms < 1_200
        assert "took too long" in caught.value.message

    def test_a_reset_after_the_request(self) -> None:
        with running_sandbox() as sandbox:
            sandbox.control.fault("reset")
            with pytest.raises(NoAnswer, match="connection broke"):
                client(sandbox.url).send(SANDBOX_TOKEN, ["{}"])

    def test_a_polite_hang_up_without_an_answer_and_nothing_is_sent_again(self) -> None:
        with peer(answering_once()) as linked:
            with pytest.raises(NoAnswer, match="connection broke"):
                client(linked.url).send(TOKEN, ["{}"])
            with pytest.raises(NoAnswer, match="connection broke"):
                client(linked.url).accounts(TOKEN)
        assert len(linked.requests) == 2

    def test_a_kept_connection_that_is_cut_while_the_next_request_is_on_it(self) -> None:
        def behave(connection: socket.socket, peer: Peer) -> None:
            peer.read_request(connection)
            connection.sendall(OK)
            peer.read_request(connection)

        with peer(behave) as linked:
            one = client(linked.url)
            one.send(TOKEN, ["{}"])
            with pytest.raises(NoAnswer):
                one.send(TOKEN, ["{}"])
        assert (len(linked.requests), linked.connections) == (2, 1)

    def test_a_kept_connection_that_was_closed_before_is_replaced(self) -> None:
        with peer(answering_once(OK)) as linked:
            one = client(linked.url)
            for _ in range(3):
                assert one.send(TOKEN, ["{}"]).status == 200
                time.sleep(0.05)
        assert linked.connections == 3

    @pytest.mark.parametrize(
        "reply",
        [
            b"\x00\x16\x03 not http at all\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        ],
    )
    def test_a_broken_answer(self, reply: bytes) -> None:
        with peer(answering_once(reply)) as linked, pytest.raises(NoAnswer):
            client(linked.url).send(TOKEN, ["{}"])

    def test_an_answer_over_the_cap_is_not_read_on(self) -> None:
        sent = 0

        def behave(connection: socket.socket, peer: Peer) -> None:
            nonlocal sent
            peer.read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                sent += connection.send(b"x" * 65_536)

        with peer(behave) as linked, pytest.raises(NoAnswer, match="larger than 100,000 bytes"):
            client(linked.url, max_body=100_000, wall_clock=5).send(TOKEN, ["{}"])
        assert sent < 20_000_000

    def test_a_redirect_with_an_endless_body_is_capped_too(self) -> None:
        def behave(connection: socket.socket, peer: Peer) -> None:
            peer.read_request(connection)
            connection.sendall(
                f"HTTP/1.1 302 X\r\nLocation: {peer.url}\r\nContent-Length: 1000000000\r\n\r\n".encode()
            )
            while True:
                connection.send(b"x" * 65_536)

        with peer(behave) as linked, pytest.raises(NoAnswer, match="larger than"):
            client(linked.url, max_body=100_000, wall_clock=5).send(TOKEN, ["{}"])

    def test_a_body_that_nobody_reads(self) -> None:
        with peer(lambda _, peer: peer.done.wait(5) and None) as linked, pytest.raises(NoAnswer) as caught:
            client(linked.url, connect_timeout=20, wall_clock=0.4).send(TOKEN, ["x" * 50_000_000])
        assert caught.value.duration_ms < 1_500


def test_the_token_is_in_no_exception_log_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request = Outgoing("POST", "https://x/rest", {"Authorization": f"Bearer {TOKEN}"}, b"body")
    told = [repr(request)]
    with peer(answering_once()) as linked, pytest.raises(NoAnswer) as lost:
        client(linked.url).send(TOKEN, ["{}"])
    with pytest.raises(NotSent) as unsent:
        client("http://linkedin.invalid/rest").send(TOKEN, ["{}"])
    for caught in (lost, unsent):
        assert caught.value.__context__ is None  # the library's exception carries the request
        told += [repr(caught.value), *traceback.format_exception(caught.value)]
    told += [record.getMessage() for record in caplog.records]
    assert not [line for line in told if "canary" in line]


class TestReading:
    def test_accounts_rules_and_one_rule(self) -> None:
        with running_sandbox() as sandbox:
            one = client(sandbox.url)
            assert one.accounts(SANDBOX_TOKEN) == [RemoteAccount("507404993", "Halden Systems EMEA", "EUR")]
            rules = one.rules(SANDBOX_TOKEN, str(SANDBOX_ACCOUNT))
            assert [rule.id for rule in rules if rule.takes_events] == [
                "23948811",
                "23948812",
                "23948815",
                "23948817",
                "23948820",
            ]
            found = one.rule(
                SANDBOX_TOKEN,
                "urn:lla:llaPartnerConversion:23948820",
                f"urn:li:sponsoredAccount:{SANDBOX_ACCOUNT}",
            )
            assert found == RemoteRule("23948820", "Closed lost", "OTHER", "CONVERSIONS_API", True, ())

    def test_pages_are_read_until_a_short_one(self) -> None:
        with running_sandbox() as sandbox:
            for number in range(250):
                _add_rule(sandbox, 1_000 + number)
            rules = client(sandbox.url).rules(SANDBOX_TOKEN, str(SANDBOX_ACCOUNT))
            requests = sandbox.control.received(path="/conversions?")
        assert len({rule.id for rule in rules}) == 257
        assert [request.path.partition("&start")[2] for request in reversed(requests)] == [
            "=0&count=100",
            "=100&count=100",
            "=200&count=100",
        ]

    def test_addresses_are_encoded_as_rest_li_wants_them(self) -> None:
        recorder = Recorder('{"elements": []}')
        one = LinkedInClient("https://api.linkedin.com/rest", "202609", transport=recorder)
        one.rules(TOKEN, "5123456")
        one.accounts(TOKEN)
        one.rule(TOKEN, "104012", "519072844")
        assert [request.url.removeprefix("https://api.linkedin.com/rest") for request in recorder.sent] == [
            "/conversions?q=account&account=urn%3Ali%3AsponsoredAccount%3A5123456&start=0&count=100",
            "/adAccounts?q=search&search=(status:(values:List(ACTIVE)),test:false)&start=0&count=100",
            "/conversions/104012?account=urn%3Ali%3AsponsoredAccount%3A519072844",
        ]
        assert "X-RestLi-Method" not in recorder.sent[0].headers

    def test_the_search_stays_literal_on_the_wire(self) -> None:
        reply = OK.replace(b"Content-Length: 2\r\n\r\n{}", b'Content-Length: 15\r\n\r\n{"elements":[]}')
        with peer(answering(reply)) as linked:
            client(linked.url).accounts(TOKEN)
        assert b"?q=search&search=(status:(values:List(ACTIVE)),test:false)&start=0" in linked.requests[0]

    def test_a_refusal_carries_its_status(self) -> None:
        with running_sandbox() as sandbox, pytest.raises(ReadRefused) as caught:
            client(sandbox.url).rules(SANDBOX_TOKEN, str(OTHER_ACCOUNT))
        assert caught.value.status == 403

    @pytest.mark.parametrize(
        "body", ["", "[]", "<html>", '{"elements": 5}', '{"elements": [1]}', "{}", "[" * 99_999]
    )
    def test_an_answer_that_is_no_list_is_a_refusal(self, body: str) -> None:
        with pytest.raises(ReadRefused):
            LinkedInClient("https://x/rest", "202609", transport=Recorder(body)).accounts(TOKEN)

    def test_an_endless_list_ends(self) -> None:
        page = '{"elements": [' + ",".join(['{"id": 1}'] * 100) + "]}"
        recorder = Recorder(page)
        LinkedInClient("https://x/rest", "202609", transport=recorder).accounts(TOKEN)
        assert len(recorder.sent) == 100

    @pytest.mark.parametrize("account", ["", "x", "urn:li:organization:1", "1&q=2", "\u0661", "-1"])
    def test_an_account_id_that_is_none_is_refused(self, account: str) -> None:
        with pytest.raises(ValueError, match="ad account"):
            LinkedInClient("https://x/rest", "202609", transport=Recorder()).rules(TOKEN, account)


def test_many_threads_share_one_client() -> None:
    with running_sandbox() as sandbox:
        one = LinkedInClient(sandbox.url, "202609")
        statuses: list[int] = []

        def send() -> None:
            statuses.extend(one.send(SANDBOX_TOKEN, ["{}"]).status for _ in range(20))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [422] * 160


def _add_rule(sandbox: RunningSandbox, number: int) -> None:
    from capi.sandbox.world import Rule

    sandbox.state.world.add_rule(Rule(number, f"Rule {number}", SANDBOX_ACCOUNT, "LEAD"))


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
