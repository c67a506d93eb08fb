"""What somebody was told: the page, and what its buttons do."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.actions import notifications as actions
from crm.models import Notification, NotificationQuerySet
from crm.views.leads import page_links
from crm.views.page import PageRequest, done, member_page

PAGE_ROWS: Final = 50
# Heroicons by kind.
ICONS: Final = {
    "assigned": "check-circle",
    "lead": "user",
    "mentioned": "at-symbol",
    "due": "clock",
    "follow_up": "arrow-path",
    "finished": "flag",
    "stopped": "exclamation-triangle",
    "alarm": "bell-alert",
}


@require_safe
@member_page
def notifications(request: PageRequest) -> HttpResponse:
    """Everything one was told, the newest first."""
    mine = _mine(request)
    page = Paginator(mine.select_related("actor"), PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "rows": [(row, ICONS[row.kind]) for row in page.object_list],
        "page": page,
        "unread": mine.unread().count(),
        **page_links(page, request.GET),
    }
    return render(request, "crm/notifications.html", context)


@require_POST
@member_page
def notification_open(request: PageRequest, pk: UUID) -> HttpResponse:
    """Mark one as read, and go to what it is about."""
    row = get_object_or_404(_mine(request), pk=pk)
    actions.read(row)
    is_ours = url_has_allowed_host_and_scheme(row.url, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(row.url if is_ours else reverse("notifications"))


@require_POST
@member_page
def notifications_read(request: PageRequest) -> HttpResponse:
    """Mark all as read."""
    assert request.principal.user is not None
    actions.read_all(request.principal.user)
    return done(request, _("All of it is marked as read."), reverse("notifications"))


def _mine(request: PageRequest) -> NotificationQuerySet:
    user = request.principal.user
    assert user is not None  # pages are for members; keys stay in the API
    found: NotificationQuerySet = Notification.objects.of(user)
    return found
