"""The company's wish for a second step at sign-in, held at the door: first set one up, then everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from crm.access import Principal

GetResponse = Callable[[HttpRequest], HttpResponse]

# Where somebody without one may go: there to set it up, to another company, and out.
_OPEN_PATHS: Final = (
    "/accounts/2fa/",
    "/accounts/reauthenticate/",
    "/accounts/logout/",
    "/accounts/password/",
    "/settings/you/",
    "/company/",
    "/static/",
    "/healthz",
    "/readyz",
    "/metrics",
)


def must_set_up(request: HttpRequest) -> bool:
    """Whether the company asks this member for a second step, and there is none. API keys have no steps."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None or principal.user is None or not principal.company.mfa_required:
        return False
    return not is_mfa_enabled(principal.user)


def ask_second_step(get_response: GetResponse) -> GetResponse:
    """Lead members without a second step to their account first, if their company asks for one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_OPEN_PATHS) or not must_set_up(request):
            return get_response(request)
        if request.path.startswith("/api/"):
            error = {"code": "second_step_required", "detail": _("Set up a second step first."), "attr": None}
            return JsonResponse({"type": "client_error", "errors": [error]}, status=403)
        return redirect("settings_you")

    return middleware
