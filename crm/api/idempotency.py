"""A POST with an Idempotency-Key is done once: repeats get the first answer again.

The record is written in the transaction of the request itself. A repeat that arrives while the first is running
waits at the unique index (SQLite: at the write lock) until the first has committed, and then reads its answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Principal
from crm.api.errors import RACE
from crm.api.etags import ETAG
from crm.api.throttling import caller
from crm.errors import Conflict
from crm.models import IdempotencyRecord

if TYPE_CHECKING:
    from crm.api.base import CompanyView

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
_FORGOTTEN_AT_ONCE = 100
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

Handler = Callable[..., Response]


def once(view: CompanyView, handler: Handler) -> Handler:
    """The handler, run for the first request with a key and not for its repeats.

    Refusals (4xx) are answers like any other. Failures (5xx) leave nothing behind, so that a repeat tries again; nor
    does a clash with somebody who wrote the same at that moment, which says to try again.
    """

    def answer(request: Request, *args: Any, **kwargs: Any) -> Response:
        key = checked(request.headers[HEADER])
        with transaction.atomic():
            record, is_first = _claim(view.principal, key, _fingerprint(request))
            if not is_first:
                return _again(record, _fingerprint(request))
            response = _run(view, handler, request, *args, **kwargs)
            if _is_passing(response):
                transaction.set_rollback(True)
                return response
            _keep(record, response, view.told_once)
            _forget_old()
        return response

    return answer


def keep_body(request: Request) -> None:
    """Hold on to what was sent: Django's look for a form's token reads it, and it could not be compared any more."""
    if not _is_form_with_files(request):
        _ = request._request.body


def checked(key: str) -> str:
    """The key, if it can be one. Raises ValidationError."""
    if not _KEY.fullmatch(key):
        raise ValidationError({HEADER: "Send 1 to 200 visible ASCII characters, such as a UUID."})
    return key


def _fingerprint(request: Request) -> str:
    told = hashlib.sha256(f"{request.method}\n{request.get_full_path()}\n".encode())
    if not _is_form_with_files(request):
        told.update(request._request.body)
        return told.hexdigest()
    # A file may be too large to be held in memory, and its form says the same with every boundary.
    for name, value in sorted(request.POST.items()):
        told.update(f"{name}={value}\n".encode())
    for file in request.FILES.values():
        told.update(f"{file.name}\n".encode())
        for piece in file.chunks():
            told.update(piece)
        file.seek(0)
    return told.hexdigest()


def _is_form_with_files(request: Request) -> bool:
    return request._request.content_type == "multipart/form-data"


def _claim(principal: Principal, key: str, fingerprint: str) -> tuple[IdempotencyRecord, bool]:
    """This request's record, and whether it is the first with the key. Blocks while the first is running."""
    mine = {"company": principal.company, "caller": caller(principal), "key": key}
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(**mine, fingerprint=fingerprint), True
    except IntegrityError:
        known = IdempotencyRecord.objects.select_for_update().filter(**mine).first()
    if known and known.created_at > timezone.now() - KEPT_FOR:
        return known, False
    if known:
        known.delete()
    return IdempotencyRecord.objects.create(**mine, fingerprint=fingerprint), True


def _run(view: CompanyView, handler: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
    try:
        with transaction.atomic():
            return handler(request, *args, **kwargs)
    # Whatever it is, the view's own handler turns it into the answer that is kept or, from 500 on, undone.
    except Exception as error:  # noqa: BLE001
        return view.handle_exception(error)


def _is_passing(response: Response) -> bool:
    if response.status_code < 500 and response.status_code != 409:
        return False
    return response.status_code >= 500 or any(error["code"] == RACE for error in response.data["errors"])


def _again(record: IdempotencyRecord, fingerprint: str) -> Response:
    if record.fingerprint != fingerprint:
        raise Conflict(
            "This Idempotency-Key was sent before with another request. Use a new one.", code="key_reused"
        )
    body = json.loads(record.body) if record.body else None
    headers = {REPLAYED: "true"} | ({ETAG: record.etag} if record.etag else {})
    return Response(body, status=record.status_code, headers=headers)


def _keep(record: IdempotencyRecord, response: Response, told_once: Collection[str]) -> None:
    body = response.data
    if isinstance(body, dict):
        body = {name: None if name in told_once else value for name, value in body.items()}
    record.status_code = response.status_code
    record.body = "" if body is None else JSONRenderer().render(body).decode()
    record.etag = response.headers.get(ETAG, "")
    record.save(update_fields=["status_code", "body", "etag"])


def _forget_old() -> None:
    """Delete some records whose time is over, passing by those that another request is deleting."""
    old = IdempotencyRecord.objects.select_for_update(skip_locked=True).filter(
        created_at__lte=timezone.now() - KEPT_FOR
    )
    chosen = list(old.order_by("created_at").values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE])
    if chosen:
        IdempotencyRecord.objects.filter(pk__in=chosen).delete()
