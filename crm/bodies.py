"""Gives a request's body a deadline, so that whoever sends a byte a second occupies no thread for long."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Timer

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, UnreadablePostError

# The addresses that take files. What comes there is never read as a whole, and by nobody who is not signed in.
_FILES_OF_A_RECORD = re.compile(r"/(?:leads|deals|organizations)/[0-9a-f-]{36}/files/", re.ASCII)
UPLOADS = ("/imports/upload/", "/api/v1/imports/")
_AROUND_A_FILE = 64 * 1024
# What web sites post, and anybody may.
CAPTURE = "/capture/"

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def most_bytes(request: HttpRequest) -> int:
    """How long the body of this request may be."""
    if request.path in UPLOADS:
        return int(settings.MAX_IMPORT_BYTES) + _AROUND_A_FILE
    if takes_file(request):
        return int(settings.MAX_FILE_BYTES) + _AROUND_A_FILE
    if request.path.startswith(CAPTURE):
        return int(settings.MAX_CAPTURE_BYTES)
    return int(settings.MAX_BODY_BYTES)


def takes_file(request: HttpRequest) -> bool:
    """Whether this address takes a file, so that its body goes to the disk piece by piece."""
    return request.path in UPLOADS or _FILES_OF_A_RECORD.fullmatch(request.path) is not None


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
        if takes_file(request):
            return _with_deadline(get_response, request, connection)
        timer = Timer(settings.BODY_SECONDS, _end_reading, [connection])
        timer.start()
        try:
            received = len(request.body)
        except UnreadablePostError:
            received = 0
        finally:
            timer.cancel()
        return get_response(request) if received == expected else _too_slow(request)

    return middleware


def _with_deadline(
    get_response: GetResponse, request: HttpRequest, connection: socket.socket
) -> HttpResponseBase:
    """A file goes to the disk piece by piece while the page reads it; its deadline is longer."""
    timer = Timer(settings.IMPORT_SECONDS, _end_reading, [connection])
    timer.start()
    try:
        return get_response(request)
    except UnreadablePostError:
        return _too_slow(request)
    finally:
        timer.cancel()


def _end_reading(connection: socket.socket) -> None:
    with suppress(OSError):  # the caller may have gone by now
        connection.shutdown(socket.SHUT_RD)


def _too_slow(request: HttpRequest) -> HttpResponse:
    text = "The body did not arrive in time, or ended early."
    if request.path.startswith(("/api/", CAPTURE)):
        error = {"code": "body_too_slow", "detail": text, "attr": None}
        return JsonResponse({"type": "client_error", "errors": [error]}, status=408)
    return HttpResponse(text, status=408, content_type="text/plain; charset=utf-8")
