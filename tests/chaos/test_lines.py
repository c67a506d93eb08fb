"""Lines that go bad, through the fault proxy: the proxy does what it says, and delivery stands it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

import pytest

from capi import delivery
from capi.models import Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from tests.chaos import dying
from tests.chaos.proxy import FaultProxy
from tests.chaos.running import wait_for
from tests.factories import LeadFactory

pytestmark = pytest.mark.chaos


# ── The proxy itself ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def echo() -> Iterator[tuple[str, int]]:
    """A server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                Thread(target=answer, args=(line,), daemon=True).start()

        def answer(line: socket.socket) -> None:
            try:
                while piece := line.recv(65536):
                    line.sendall(piece)
            except OSError:
                return
            finally:
                line.close()

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with echo() as address, FaultProxy(address) as proxy:
        yield proxy


@pytest.fixture
def line(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        yield line


def took(line: socket.socket, said: bytes) -> float:
    started = time.monotonic()
    line.sendall(said)
    heard = b""
    while len(heard) < len(said):
        heard += line.recv(65536)
    assert heard == said
    return time.monotonic() - started


def test_a_healthy_line_passes_everything(line: socket.socket) -> None:
    assert took(line, b"x" * 200_000) < 2


def test_latency_and_bandwidth_take_their_time(proxy: FaultProxy, line: socket.socket) -> None:
    proxy.latency(0.1, jitter=0.01)
    assert took(line, b"hello") >= 0.2
    proxy.heal()
    proxy.bandwidth(20_000)
    assert took(line, b"x" * 4_000) >= 0.35


def test_slices_come_one_by_one(proxy: FaultProxy, line: socket.socket) -> None:
    proxy.slice(1, pause=0.01)
    line.sendall(b"hello")
    assert line.recv(100) == b"h"


def test_what_is_held_comes_when_the_line_is_healed(proxy: FaultProxy, line: socket.socket) -> None:
    proxy.hold()
    line.sendall(b"hello")
    line.settimeout(0.3)
    with pytest.raises(TimeoutError):
        line.recv(100)
    proxy.heal()
    line.settimeout(5)
    assert line.recv(100) == b"hello"


def test_a_reset_is_a_reset(proxy: FaultProxy, line: socket.socket) -> None:
    took(line, b"hello")
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        line.recv(100)


def test_a_line_that_is_down_refuses_and_comes_back(proxy: FaultProxy) -> None:
    proxy.down()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    proxy.heal()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        assert took(line, b"hello") < 2


def test_a_limit_passes_so_much_and_resets(proxy: FaultProxy) -> None:
    proxy.limit(3)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        line.sendall(b"hello")
        with pytest.raises(ConnectionResetError):  # noqa: PT012  the echo of the three may come first
            while line.recv(100):
                continue


# ── LinkedIn behind a bad line ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def linkedin(sandbox: RunningSandbox, settings: object) -> Iterator[FaultProxy]:
    """The sandbox, and all that goes there comes through here."""
    address = urlsplit(sandbox.origin)
    with FaultProxy((address.hostname or "", address.port or 0)) as proxy:
        settings.LINKEDIN_API_URL = f"http://127.0.0.1:{proxy.port}/rest"  # type: ignore[attr-defined]
        yield proxy


@pytest.fixture
def event(linkedin: FaultProxy, company: Company, rules: dict[str, Rule]) -> Callable[[], ConversionEvent]:
    LeadFactory(company=company)
    return ConversionEvent.objects.get


def deliver(company: Company) -> None:
    dying.leases_end()
    delivery.deliver_turn(company.pk)


@pytest.mark.django_db
class TestLinkedIn:
    def test_a_reset_after_the_whole_request_is_an_unknown_outcome_and_the_same_bytes_go_again(
        self,
        company: Company,
        event: Callable[[], ConversionEvent],
        linkedin: FaultProxy,
        sandbox: RunningSandbox,
    ) -> None:
        """Row 58: LinkedIn has stored it, and the line breaks before its answer."""

        def cut() -> None:
            wait_for(lambda: bool(sandbox.control.received(1)), 20, "the request")
            linkedin.reset()

        sandbox.control.fault("slow", seconds=3, count=1)
        worker = Thread(target=cut)
        worker.start()
        deliver(company)
        worker.join()
        found = event()
        assert (found.status, found.reason, found.unknown_outcomes) == (Status.PENDING, "no_answer", 1)
        deliver(company)
        assert event().status == Status.ACCEPTED
        first, second = sandbox.control.received(10)
        assert first.body == second.body

    def test_a_line_that_is_down_charges_nothing(
        self, company: Company, event: Callable[[], ConversionEvent], linkedin: FaultProxy
    ) -> None:
        linkedin.down()
        for _ in range(3):
            deliver(company)
        found = event()
        assert (found.status, found.reason) == (Status.PENDING, "not_sent")
        assert (found.failures, found.unknown_outcomes) == (0, 0)
        linkedin.heal()
        deliver(company)
        assert event().status == Status.ACCEPTED

    def test_a_request_that_is_cut_in_the_middle_goes_again(
        self,
        company: Company,
        event: Callable[[], ConversionEvent],
        linkedin: FaultProxy,
        sandbox: RunningSandbox,
    ) -> None:
        linkedin.limit(200)
        deliver(company)
        assert event().unknown_outcomes == 1
        linkedin.heal()
        deliver(company)
        assert event().status == Status.ACCEPTED
        assert sandbox.control.stats().duplicates == 0

    def test_a_slow_line_in_single_bytes_is_only_slow(
        self, company: Company, event: Callable[[], ConversionEvent], linkedin: FaultProxy
    ) -> None:
        linkedin.latency(0.1, jitter=0.05)
        linkedin.slice(64, pause=0.001)
        deliver(company)
        found = event()
        assert (found.status, found.attempts) == (Status.ACCEPTED, 1)
        assert Connection.objects.get().failures == 0
