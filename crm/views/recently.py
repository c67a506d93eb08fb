"""Which leads somebody has looked at lately: their ids in a signed cookie, so that looking writes nothing down."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from crm.models import Lead

COOKIE: Final = "viewed"
MOST: Final = 8
KEPT_SECONDS: Final = 30 * 24 * 3600


def remember_view(request: HttpRequest, response: HttpResponse, lead: Lead) -> None:
    """Put a lead on top of what this browser has looked at."""
    ids = [lead.pk, *(pk for pk in viewed(request) if pk != lead.pk)][:MOST]
    response.set_cookie(
        COOKIE,
        signing.dumps([str(pk) for pk in ids], salt=COOKIE),
        max_age=KEPT_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def viewed(request: HttpRequest) -> list[UUID]:
    """The newest first. Ids alone: whoever reads them asks for what the person may see."""
    try:
        found = signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        return []
    return [UUID(pk) for pk in found]
