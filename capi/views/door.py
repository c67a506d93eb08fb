"""Who may open the pages of the LinkedIn area, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from capi.log import Summary
from crm.access import Ability
from crm.frame import Toast
from crm.toasts import show_toast
from crm.views.page import PageRequest, for_htmx, member_page

P = ParamSpec("P")
View = Callable[Concatenate[PageRequest, P], HttpResponse]
OpenView = Callable[Concatenate[HttpRequest, P], HttpResponse]
READ = ("GET", "HEAD")


def linkedin_page(ability: Ability, *methods: str) -> Callable[[View[P]], OpenView[P]]:
    """A page for members who have `ability`; others are refused in words. `methods` default to reading."""

    def decorate(view: View[P]) -> OpenView[P]:
        @wraps(view)
        def guarded(request: PageRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.principal.can(ability):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return require_http_methods(list(methods or READ))(member_page(guarded))  # type: ignore[arg-type]

    return decorate


@dataclass(frozen=True)
class Tab:
    """A tab of the LinkedIn area."""

    label: str
    url: str
    current: bool = False
    count: int | None = None
    badge: str = ""


def tabs(current: str, summary: Summary) -> list[Tab]:
    return [
        Tab(_("Setup"), reverse("linkedin_setup"), current == "setup"),
        Tab(_("Events"), reverse("linkedin_events"), current == "events", summary.recorded),
        Tab(
            _("Health"),
            reverse("linkedin_health"),
            current == "health",
            badge=_("%d held") % summary.held if summary.held else "",
        ),
        Tab(_("Lead forms"), reverse("linkedin_forms"), current == "forms"),
    ]


def show_dialog(
    request: PageRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """What the dialog shows: alone for htmx, else as a page of its own. A refused form stays where it was."""
    name = f"{template}#dialog" if request.htmx else template
    # htmx swaps 422 in; a conflict is shown the same way.
    return for_htmx(render(request, name, context, status=422 if status >= 400 else status))


def finish(request: PageRequest, text: str, url: str, *, lead: str = "", state: Any = "good") -> HttpResponse:
    """After a form: go to `url` and say there what happened. From inside a dialog: load the page under it again."""
    show_toast(request, Toast(text, lead=lead, state=state))
    if not request.htmx:
        return HttpResponseRedirect(url)
    # The dialog may also stand as a page of its own; loading that again would lead nowhere.
    is_own_page = (request.htmx.current_url_abs_path or "").partition("?")[0] == request.path
    return HttpResponseClientRedirect(url) if is_own_page else HttpResponseClientRefresh()
