"""What every answer carries, whichever road it took, and the answer while the database is away."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from crm.views.errors import alone

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

RETRY_AFTER = 2
# WhiteNoise gives static files a lifetime of their own. Everything else is somebody's data.
DEFAULTS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def protect(get_response: GetResponse) -> GetResponse:
    """Keep answers out of caches and out of other sites' pages, unless a view says otherwise."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in DEFAULTS.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


class DatabaseAway:
    """Answer 503 with a time to come back when the database leaves in the middle of a page.

    The REST API says the same in its own shape; see crm.api.errors. A class, as only an object can have
    Django's hook for exceptions.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django's hook for what a view raised; None leaves it to Django."""
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        log.warning("The database did not answer: %s", type(error).__name__, exc_info=error)
        # Drawn without the request: its context asks the database who is there.
        page = alone("errors/503.html", 503)
        page.headers["Retry-After"] = str(RETRY_AFTER)
        return page
