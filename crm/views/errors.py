"""Answers to requests that never reach a page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token: an old tab, or cookies switched off. Nothing was changed."""
    return render(request, "403_csrf.html", status=403)
