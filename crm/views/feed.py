"""Somebody's tasks for a calendar program, by a secret address; and the buttons that make and end it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from crm.actions import calendar_feeds
from crm.tenancy import company_scope


@login_not_required
@require_safe
def calendar_feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar. Whatever is wrong with the address is the same 404."""
    principal = calendar_feeds.find(token)
    if principal is None:
        raise Http404
    with company_scope(principal.company):
        text = calendar_feeds.calendar_of(principal)
    answer = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Disposition"] = 'inline; filename="tasks.ics"'
    return answer
