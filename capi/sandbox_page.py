"""What the built-in LinkedIn received, and buttons that make it fail on purpose. For operator and demo only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import requests
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from capi.models import Connection, ConnectionKind
from capi.sandbox.control import ControlRefused, ReceivedEvent, ReceivedRequest, SandboxControl
from capi.sandbox.world import SANDBOX_TOKEN
from crm.access import Ability, Principal, is_operator
from crm.frame import Toast
from crm.tenancy import company_scope
from crm.toasts import show_toast

SHOWN: Final = 50


@dataclass(frozen=True)
class FaultButton:
    """A fault to order: what it does, and the order itself."""

    key: str
    label: str
    hint: str
    order: dict[str, Any]


def _answer(status: int, **headers: str) -> dict[str, Any]:
    return {"kind": "status", "status": status, "headers": headers}


_SILENCE: Final = {"kind": "timeout", "after_accept": True, "seconds": 25}
_ONE_REFUSED: Final = {"kind": "element_status", "statuses": [400]}
FAULTS: Final = (
    FaultButton("429", "Slow us down", "429, come back in 20 s", _answer(429, **{"Retry-After": "20"})),
    FaultButton("500", "Fail", "500, a fault of LinkedIn's own", _answer(500)),
    FaultButton("timeout", "Do not answer", "stored, then silence: outcome unknown", _SILENCE),
    FaultButton("garbage", "Answer garbage", "200 with a page of HTML", {"kind": "garbage"}),
    FaultButton("426", "Retire the API version", "426, everything is held", _answer(426)),
    FaultButton("403", "Deny the ad account", "403, the rule is held", _answer(403)),
    FaultButton("element", "Refuse one event", "400 for the first element", _ONE_REFUSED),
)
_BY_KEY: Final = {button.key: button for button in FAULTS}


@dataclass(frozen=True)
class ShownRequest:
    """A request as its row shows it. `duplicates` counts events that were accepted before or after as well."""

    at: datetime
    words: str
    accepted: int
    events: tuple[ReceivedEvent, ...]
    duplicates: int
    body: str
    answer: str
    fault: str | None

    @classmethod
    def of(cls, received: ReceivedRequest) -> ShownRequest:
        return cls(
            at=datetime.fromtimestamp(received.at_ms / 1000, tz=UTC),
            words=str(received.status) if received.status else "No answer",
            accepted=received.accepted,
            events=received.events,
            duplicates=sum(event.times_accepted > 1 for event in received.events),
            body=received.body,
            answer=received.answer,
            fault=received.fault,
        )


@require_http_methods(["GET", "HEAD", "POST"])
def sandbox_page(request: HttpRequest) -> HttpResponse:
    """For the operator, and for those who manage a company whose connection is the sandbox; 404 for all others."""
    if not _may_see(request):
        raise Http404
    control = SandboxControl(settings.SANDBOX_URL, key=settings.SANDBOX_CONTROL_KEY, timeout=3.0)
    try:
        if request.method == "POST":
            said = _order(control, request.POST.get("do", ""), request.POST.get("times", ""), _token(request))
            show_toast(request, Toast(said))
            return redirect("sandbox")
        context = _looked(control)
    except requests.RequestException:
        context = {"is_away": True, "address": settings.SANDBOX_URL}
    except ControlRefused as error:
        context = {"is_away": True, "address": settings.SANDBOX_URL, "said": str(error)}
    return render(request, "capi/sandbox.html", context)


def _may_see(request: HttpRequest) -> bool:
    if settings.DEBUG or is_operator(request.user):
        return True
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None or not principal.can(Ability.MANAGE):
        return False
    with company_scope(principal.company):
        return Connection.objects.filter(kind=ConnectionKind.SANDBOX).exists()


def _token(request: HttpRequest) -> str:
    """The token that the sandbox page revokes and grants: the company's own, where its connection is the sandbox."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        return SANDBOX_TOKEN
    with company_scope(principal.company):
        connection = Connection.objects.filter(kind=ConnectionKind.SANDBOX).exclude(token_sealed="").first()
    return connection.token() if connection else SANDBOX_TOKEN


def _looked(control: SandboxControl) -> dict[str, Any]:
    received = control.received(SHOWN, path="conversionEvents")
    return {
        "stats": control.stats(),
        "received": [ShownRequest.of(one) for one in received],
        "faults": control.faults(),
        "world": control.world(),
        "buttons": FAULTS,
        "address": settings.SANDBOX_URL,
    }


def _order(control: SandboxControl, order: str, times: str, token: str) -> str:
    """Do what a button says; returns the sentence for the toast."""
    if button := _BY_KEY.get(order):
        count = int(times) if times.isdigit() and 1 <= int(times) <= 100 else 1
        options = {"count": count, **button.order}
        control.fault(options.pop("kind"), **options)
        return f"{button.label}: {'the next request' if count == 1 else f'the next {count} requests'}."
    if order == "revoke":
        control.revoke_token(token)
        return "The sandbox's token is revoked: it now answers 401."
    if order == "grant":
        world = control.world()
        control.add_token(token, [account["id"] for account in world["accounts"]])
        return "The sandbox's token is valid again."
    if order == "mend":
        control.clear_faults()
        return "Everything works again."
    if order == "clear":
        control.clear_received()
        return "What was received is forgotten."
    raise Http404
