"""Who may open a page of the settings, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from crm.access import Ability
from crm.views.page import PageRequest, member_page
from crm.views.settings.menu import first_url

P = ParamSpec("P")
View = Callable[Concatenate[PageRequest, P], HttpResponse]
OpenView = Callable[Concatenate[HttpRequest, P], HttpResponse]
READ = ("GET", "HEAD")


def settings_page(ability: Ability, *methods: str) -> Callable[[View[P]], OpenView[P]]:
    """A page for members who have `ability`; others are refused in words. `methods` default to reading."""

    def decorate(view: View[P]) -> OpenView[P]:
        @wraps(view)
        def guarded(request: PageRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.principal.can(ability):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return require_http_methods(list(methods or READ))(member_page(guarded))  # type: ignore[arg-type]

    return decorate


def render_settings(
    request: PageRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page of the settings. Its template extends crm/settings/base.html, which draws the menu."""
    return render(request, template, context, status=status)


@settings_page(Ability.MANAGE)
def settings_home(request: PageRequest) -> HttpResponse:
    """The first page of the settings."""
    return redirect(first_url(request.principal))
