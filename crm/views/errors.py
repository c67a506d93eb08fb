"""Answers to requests that never reach a page."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from typing import Final

from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

_HEAD_END: Final = "</head>"


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token: an old tab, or cookies switched off. Nothing was changed."""
    return render(request, "403_csrf.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Something broke. Whatever it was, this page does not need it."""
    return alone("errors/500.html", 500)


def alone(template: str, status: int) -> HttpResponse:
    """A page that asks nothing of static files, session or database; its style is in it, and allowed by its hash."""
    style, policy = _style()
    page = render_to_string(template).replace(_HEAD_END, style + _HEAD_END, 1)
    response = HttpResponse(page, status=status)
    response.headers["Content-Security-Policy"] = policy
    return response


@cache
def _style() -> tuple[str, str]:
    """The element for the head, and the usual policy with that one style allowed and no other."""
    css = (settings.BASE_DIR / "static" / "css" / "alone.css").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(css.encode()).digest()).decode()
    usual = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    policy = build_policy({**usual, "style-src": [f"'sha256-{digest}'"]})
    return f"<style>{css}</style>", policy
