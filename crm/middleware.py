"""Opens the scope of one company for each request, speaks its reader's language, and refuses bodies too large."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from crm.access import Principal, is_operator
from crm.addresses import client_address
from crm.api.keys import principal_of_capture, principal_of_key
from crm.bodies import CAPTURE, most_bytes
from crm.languages import language_of_request, varies_by_browser
from crm.tenancy import company_scope, every_company

GetResponse = Callable[[HttpRequest], HttpResponse]


def limit_body(get_response: GetResponse) -> GetResponse:
    """Refuse a body that says it is over 1 MiB (more where files go: crm.bodies), or that says nothing."""

    def middleware(request: HttpRequest) -> HttpResponse:
        most = most_bytes(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if request.META.get("HTTP_TRANSFER_ENCODING") or not length.isdigit():
            return _refused(request, 411, "length_required", "Send a Content-Length.")
        if int(length) > most:
            return _refused(request, 413, "too_large", f"The body is larger than {_size(most)}.")
        return get_response(request)

    return middleware


def open_company_scope(get_response: GetResponse) -> GetResponse:
    """Set `request.principal` and run the request in the scope of its company.

    An API key decides for /api/ where one is sent, and the key in the address for /capture/; else the session. The
    operator sees all companies in the admin panel, and only there. Without a principal no scope is open, and every
    tenant query raises.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            principal = _principal(request)
        except (OperationalError, InterfaceError):
            return _busy(request)
        request.principal = principal  # type: ignore[attr-defined]
        if request.path.startswith("/admin/") and is_operator(request.user):
            with every_company():
                return get_response(request)
        with company_scope(principal.company) if principal else nullcontext():
            return get_response(request)

    return middleware


def _size(number: int) -> str:
    return f"{number // 2**20} MiB" if number >= 2**20 else f"{number // 2**10} KiB"


def speak_their_language(get_response: GetResponse) -> GetResponse:
    """Answer in the reader's language. Stands after `open_company_scope`, which says who reads for which company.

    In place of Django's middleware, which knows of browsers only. What a browser asks for decides for those alone
    who have not signed in, so their pages alone vary by it; the others vary by their cookie already.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        language = language_of_request(request)
        with translation.override(language):
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        if varies_by_browser(request):
            patch_vary_headers(response, ["Accept-Language"])
        return response

    return middleware


def _principal(request: HttpRequest) -> Principal | None:
    if request.path.startswith(CAPTURE):
        return principal_of_capture(request.path)
    if request.path.startswith("/api/") and request.headers.get("Authorization"):
        principal = principal_of_key(request.headers["Authorization"])
    else:
        principal = Principal.of_session(request)
    return replace(principal, address=client_address(request)) if principal else None


def _busy(request: HttpRequest) -> HttpResponse:
    response = _refused(request, 503, "busy", "The database is away, and nothing was written. Try again.")
    response.headers["Retry-After"] = "2"
    return response


def _refused(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if request.path.startswith(("/api/", CAPTURE)):
        error = {"code": code, "detail": detail, "attr": None}
        kind = "client_error" if status < 500 else "server_error"
        return JsonResponse({"type": kind, "errors": [error]}, status=status)
    return HttpResponse(detail, status=status, content_type="text/plain; charset=utf-8")
