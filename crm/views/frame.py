"""Gathers what the frame of every page shows, when a template asks for it and not before."""

from __future__ import annotations

from typing import Final, cast

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from crm import panels
from crm.access import Ability, Principal, is_operator, may_open_panel
from crm.counting import count_of
from crm.display import initials
from crm.frame import Account, CompanyChoice, Frame, NavItem, Search
from crm.models import Notification
from crm.tenancy import company_scope
from crm.views.organizations import may_add
from crm.views.saved_views import pinned_views
from crm.views.settings.menu import SETTINGS, first_url

LEADS: Final = "leads"
DEALS: Final = "deals"


def frame_of(request: HttpRequest) -> Frame | None:
    """The frame for a member, None for everybody else. Costs nothing until it is looked at, and then once."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None or principal.user is None:
        return None
    kept: Frame | None = getattr(request, "_frame", None)
    if kept is None:
        kept = cast("Frame", SimpleLazyObject(lambda: _gathered(request, principal)))
        request._frame = kept  # type: ignore[attr-defined]
    return kept


def _gathered(request: HttpRequest, principal: Principal) -> Frame:
    assert principal.user is not None
    name = str(principal.user)
    with company_scope(principal.company):
        nav = _nav(principal, request.path)
        unread = Notification.objects.of(principal.user).unread().count()
        pinned = pinned_views(principal, request.GET.get("saved", ""))
    return Frame(
        company=principal.company.name,
        user=Account(name, initials(name), principal.user.email),
        nav=nav,
        pinned=pinned,
        companies=_companies(principal),
        switch_url=reverse("switch_company"),
        new=(
            NavItem(_("Lead"), reverse("lead_new"), "user", keys="n l"),
            NavItem(_("Deal"), reverse("deal_new"), "banknotes", keys="n d"),
            NavItem(_("Task"), reverse("task_new"), "check-circle", keys="n t"),
            *_new_organization(principal),
        ),
        settings=_settings(principal, request.path),
        unread=unread,
        notifications_url=reverse("notifications"),
        search=Search(reverse("search"), _("Search or jump to…"), name="q", value=_searched(request)),
        admin_url=reverse("admin:index") if _may_administer(principal) else "",
    )


def _nav(principal: Principal, path: str) -> tuple[NavItem, ...]:
    leads, deals = reverse(LEADS), reverse(DEALS)
    ours = (
        NavItem(_("Home"), reverse("home"), "home", current=path == "/", keys="g h"),
        NavItem(
            _("Leads"),
            leads,
            "users",
            count_of(principal.leads().open()),
            current=path.startswith(leads),
            keys="g l",
        ),
        NavItem(
            _("Deals"),
            deals,
            "view-columns",
            count_of(principal.deals().open()),
            current=path.startswith(deals),
            keys="g d",
        ),
        _tasks(principal, path),
    )
    theirs = (item(principal, path) for item in panels.nav_items)
    firms = reverse("organizations")
    last = NavItem(_("Organizations"), firms, "building-office", current=path.startswith(firms), keys="g o")
    return (*ours, *(item for item in theirs if item), last, *_reports(principal, path))


def _reports(principal: Principal, path: str) -> tuple[NavItem, ...]:
    """For those who may read them."""
    if not principal.can(Ability.READ_REPORTS):
        return ()
    url = reverse("reports")
    return (NavItem(_("Reports"), url, "chart-bar", current=path.startswith(url), keys="g r"),)


def _new_organization(principal: Principal) -> tuple[NavItem, ...]:
    if not may_add(principal):
        return ()
    return (NavItem(_("Organization"), reverse("organization_new"), "building-office", keys="n o"),)


def _tasks(principal: Principal, path: str) -> NavItem:
    """With how many of one's own are overdue; none is no number."""
    url = reverse("tasks")
    late = principal.tasks().assigned_to(principal.user).overdue(principal.company.local_now()).count()
    return NavItem(
        _("Tasks"),
        url,
        "check-circle",
        badge=_("{late} late").format(late=late) if late else "",
        current=path.startswith(url),
        keys="g t",
    )


def _settings(principal: Principal, path: str) -> NavItem | None:
    """For those who manage the company."""
    if not principal.can(Ability.MANAGE) or not (url := first_url(principal)):
        return None
    return NavItem(_("Settings"), url, "cog-6-tooth", current=path.startswith(SETTINGS), keys="g s")


def _companies(principal: Principal) -> tuple[CompanyChoice, ...]:
    by_name = sorted(principal.companies, key=lambda company: (company.name, company.pk))
    return tuple(
        CompanyChoice(str(company.pk), company.name, current=company == principal.company)
        for company in by_name
    )


def _searched(request: HttpRequest) -> str:
    return request.GET.get("q", "") if request.path == reverse("search") else ""


def _may_administer(principal: Principal) -> bool:
    user = principal.user
    return user is not None and may_open_panel(user) and (is_operator(user) or principal.can(Ability.MANAGE))
