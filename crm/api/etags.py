"""ETag and If-Match: a change that was made for another version of a record is refused instead of done.

The tag is a digest of the record as its address shows it, so that there is nothing to count up and nothing to forget.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Model
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

if TYPE_CHECKING:
    from crm.api.base import CompanyView

ETAG = "ETag"
IF_MATCH = "If-Match"
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


class Changed(APIException):
    """412: the record is not what the caller thinks it is."""

    status_code = 412
    default_code = "changed_since"
    default_detail = "The record has changed since you read it. Read it again, and decide anew."


def tag_of(shown: Any) -> str:
    """The tag of a record as it is shown."""
    return f'"{hashlib.sha256(JSONRenderer().render(shown)).hexdigest()[:32]}"'


def only_if_unchanged(view: CompanyView, handler: Callable[..., Response]) -> Callable[..., Response]:
    """The handler, run only for the version that If-Match names; the record is locked from the look to the change."""

    def answer(request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            record = view.current()
            if record is not None:
                _lock(record)
                _check(request.headers[IF_MATCH], tag_of(view.as_shown(view.current())))
            return handler(request, *args, **kwargs)

    return answer


def _lock(record: Model) -> None:
    rows = type(record)._default_manager.select_for_update(of=("self",))
    rows.filter(pk=record.pk).order_by().values_list("pk").first()


def _check(wanted: str, tag: str) -> None:
    # A proxy that compresses makes tags weak; what they stand for is the same.
    if wanted.strip() != "*" and tag.strip('"') not in _TAG.findall(wanted):
        raise Changed
