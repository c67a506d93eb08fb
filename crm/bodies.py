"""Gives a request's body a deadline, so that whoever sends a byte a second occupies no thread for long."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Timer

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def take_body_in_time(get_response: GetResponse) -> GetResponse:
    """Read the body, which is 1 MiB at most, before anything else; answer 408 if it does not come in time.

    A time-out of the socket would bound each read instead of all of them. So a timer ends the reading side, and
    the reader sees a body that is shorter than it said.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        expected = int(request.META.get("CONTENT_LENGTH") or 0)
        connection = request.META.get("gunicorn.socket")
        if not expected or connection is None:
            return get_response(request)
        timer = Timer(settings.BODY_SECONDS, _end_reading, [connection])
        timer.start()
        try:
            received = len(request.body)
        except UnreadablePostError:
            received = 0
        finally:
            timer.cancel()
        return get_response(request) if received == expected else _too_slow()

    return middleware


def _end_reading(connection: socket.socket) -> None:
    with suppress(OSError):  # the caller may have gone by now
        connection.shutdown(socket.SHUT_RD)


def _too_slow() -> HttpResponse:
    text = "The body did not arrive in time, or ended early."
    return HttpResponse(text, status=408, content_type="text/plain; charset=utf-8")
