"""The four requests of docs/wire.md, recorded from the wire and compared byte for byte."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
import urllib3.util.connection

from capi import linkedin
from capi.models import ConversionEvent
from crm.actions import deals, leads
from crm.actions.leads import PhoneEntry
from crm.models import Deal, Lead, LeadStatus
from crm.tenancy import company_scope
from tests.factories import SHELL, CompanyFactory, DealFactory, LeadFactory, RuleFactory, connect

PAGE = Path(__file__).resolve().parents[2] / "docs" / "wire.md"
COMPANY = UUID("01980000-0000-7000-8000-000000000001")
LEAD = UUID("01980000-0000-7000-8000-000000000002")
DEAL = UUID("01980000-0000-7000-8000-000000000003")
EMAIL = " John@Example.com "
DIGEST = b"855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4"
PERSONAL = (b"john", b"example.com", b"appleseed", b"head of operations", b"orchard freight", b"+1 555 0100")
CONVERSIONS = {
    "lead_created": "104012345",
    "lead_qualified": "104012346",
    "deal_created": "104012347",
    "deal_won": "104012348",
}


class Recorder(socketserver.ThreadingTCPServer):
    """Keeps every byte it is sent, and answers each request as LinkedIn does a batch that it takes."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: Recorder

    def handle(self) -> None:
        while head := self._head():
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
            body = self.rfile.read(length)
            self.server.requests.append(head + body)
            answer = json.dumps({"elements": [{"status": 201}] * len(json.loads(body)["elements"])}).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

    def _head(self) -> bytes:
        lines = list(iter(self.rfile.readline, b"\r\n"))
        return b"".join([*lines, b"\r\n"]) if all(lines) else b""


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, settings: object) -> Iterator[Recorder]:
    """Stands where LinkedIn would be, so that even the Host line is the real one; only TLS is left out."""

    def dial(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        assert address[0] == "api.linkedin.com"
        return socket.create_connection(recorder.server_address[:2])

    monkeypatch.setattr(urllib3.util.connection, "create_connection", dial)
    settings.LINKEDIN_API_URL = "http://api.linkedin.com/rest"  # type: ignore[attr-defined]
    settings.LINKEDIN_VERSION = "202609"  # type: ignore[attr-defined]
    with Recorder() as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        yield recorder
        recorder.shutdown()
    linkedin._adapter.cache_clear()  # its connection led to the recorder


def recorded(recorder: Recorder, deliver: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """From a lead to a won deal on one morning, with ids that do not change from run to run."""
    for model, pk in ((Lead, LEAD), (Deal, DEAL)):
        monkeypatch.setattr(model._meta.get_field("id"), "_get_default", lambda pk=pk: pk)
    with time_machine.travel(at(9, 0), tick=False) as clock:
        company = CompanyFactory(name="Acme", id=COMPANY)
        with company_scope(company):
            connect(company, "example-token-from-campaign-manager")
            for event, number in CONVERSIONS.items():
                RuleFactory(company=company, event=event, conversion_id=number)
            lead = LeadFactory(
                company=company,
                first_name="John",
                last_name="Appleseed",
                email=EMAIL,
                title="Head of Operations",
                organization="Orchard Freight",
                country_code="US",
                phones=[PhoneEntry("+1 555 0100")],
            )
            deliver()
            clock.move_to(at(9, 10))
            leads.change_status(lead, LeadStatus.objects.get(key="qualified"), SHELL)
            deliver()
            clock.move_to(at(9, 20))
            deal = DealFactory(company=company, lead=lead, amount="62000", currency="USD")
            deliver()
            clock.move_to(at(10, 0))
            deals.win_deal(deal, SHELL)
            clock.move_to(at(10, 2))  # the settle window
            deliver()
            assert set(ConversionEvent.objects.values_list("status", flat=True)) == {"accepted"}
    return recorder.requests


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 11, 20, hour, minute, tzinfo=UTC)


@pytest.mark.django_db
def test_the_page_shows_the_requests_byte_for_byte(
    recorder: Recorder, deliver: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```http\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shown = [block.replace("\n", "\r\n").encode() for block in blocks]
    assert recorded(recorder, deliver, monkeypatch) == shown


@pytest.mark.django_db
def test_nothing_personal_leaves_in_clear(
    recorder: Recorder, deliver: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = recorded(recorder, deliver, monkeypatch)
    assert len(requests) == 4
    for request in requests:
        assert DIGEST in request
        assert [word for word in PERSONAL if word in request.lower()] == []
