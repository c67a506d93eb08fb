"""What was archived, and the way back."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.access import Ability, Principal
from crm.actions.retention import retention_of
from crm.frame import NavItem
from crm.search import search_deals, search_leads
from crm.views.leads import page_links
from crm.views.page import PageRequest, member_page

PAGE_ROWS: Final = 50


@require_safe
@member_page
def recycle_bin(request: PageRequest) -> HttpResponse:
    """Archived leads, or deals (`?show=deals`), the last ones first; for those who may archive."""
    principal = request.principal
    if not principal.can(Ability.DELETE):
        raise PermissionDenied
    noun = "deal" if request.GET.get("show") == "deals" else "lead"
    search = " ".join(request.GET.get("search", "").split())
    page = Paginator(_archived(principal, noun, search), PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "noun": noun,
        "search": search,
        "tabs": _tabs(noun),
        "page": page,
        "rows": list(page.object_list),
        "action": reverse(f"{noun}s_bulk"),
        "list_url": request.get_full_path(),
        "erased_after": retention_of(principal.company).archived_lead_days if noun == "lead" else None,
        **page_links(page, request.GET),
    }
    return render(request, "crm/recycle_bin.html", context)


def _archived(principal: Principal, noun: str, search: str) -> Any:
    if noun == "lead":
        found: Any = search_leads(principal.leads_ever().archived(), search)
    else:
        found = search_deals(principal.deals_ever().archived(), search)
    return found.for_list().order_by("-archived_at", "-id")


def _tabs(noun: str) -> list[NavItem]:
    url = reverse("recycle_bin")
    return [
        NavItem(_("Leads"), url, "users", current=noun == "lead"),
        NavItem(_("Deals"), f"{url}?show=deals", "view-columns", current=noun == "deal"),
    ]
