"""What every page shares: who asks, how links keep their filters, how to go back, how a refusal is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast
from urllib.parse import urlencode, urlsplit

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django_htmx.middleware import HtmxDetails

from crm.access import Principal, may_open_panel
from crm.actor import Actor
from crm.errors import Conflict
from crm.frame import Toast
from crm.panels import Panel
from crm.toasts import show_toast

P = ParamSpec("P")
Refusal = ValidationError | Conflict
# The parameter of a record's address that holds the query of the list one came from.
LIST: Final = "in"


class PageRequest(HttpRequest):
    """A request of a member, as the middleware leaves it."""

    principal: Principal
    htmx: HtmxDetails


def member_page(
    view: Callable[Concatenate[PageRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A view for members of a company, in the company's time zone. Others are told why there is nothing."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        principal: Principal | None = getattr(request, "principal", None)
        if principal is None:
            return _without_company(request)
        with timezone.override(principal.company.time_zone):
            return view(cast("PageRequest", request), *args, **kwargs)

    return cast("Callable[Concatenate[HttpRequest, P], HttpResponse]", wrapped)


def _without_company(request: HttpRequest) -> HttpResponse:
    if may_open_panel(request.user):
        return redirect("admin:index")
    return render(request, "crm/stranger.html", status=403)


def actor_of(request: PageRequest) -> Actor:
    """The author of what this request changes."""
    return request.principal.actor("web")


def back_to(request: HttpRequest, fallback: str) -> str:
    """Where the person came from: `next` of the form, else the page that sent it, else `fallback`."""
    for url in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if url and url_has_allowed_host_and_scheme(url, {request.get_host()}, request.is_secure()):
            return url
    return fallback


def query_of(url: str) -> QueryDict:
    """The parameters of an address, as `request.GET` has those of the current one."""
    return QueryDict(urlsplit(url).query)


def into(params: QueryDict) -> str:
    """What a link of a list adds to a record's address, so that one can walk on from there: the list's own query."""
    kept = params.copy()
    kept.pop("page", None)
    return f"?{urlencode({LIST: kept.urlencode()})}"


def still_in(request: HttpRequest, url: str) -> str:
    """The address of a record, with the list from which its page, which sent this request, was reached."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    kept = QueryDict(came_from.query).get(LIST) if came_from.path == url else None
    return url if kept is None else f"{url}?{urlencode({LIST: kept})}"


def link_with(params: QueryDict, **changes: str | None) -> str:
    """The same list with some parameters changed; None takes one away. Paging starts anew."""
    changed = params.copy()
    for name, value in {"page": None, **changes}.items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
    return f"?{changed.urlencode()}"


def link_without_value(params: QueryDict, name: str, value: str) -> str:
    """The same list without one of several values of a parameter."""
    changed = params.copy()
    changed.pop("page", None)
    changed.setlist(name, [kept for kept in changed.getlist(name) if kept != value])
    return f"?{changed.urlencode()}"


def sentence_of(refusal: Refusal) -> str:
    """What an action says when it refuses, as one text."""
    return refusal.message if isinstance(refusal, Conflict) else " ".join(refusal.messages)


def status_of(refusal: Refusal) -> int:
    """409 where the record contradicts, 422 where a value is wrong."""
    return 409 if isinstance(refusal, Conflict) else 422


def done(request: HttpRequest, text: str, url: str, *, lead: str = "") -> HttpResponseRedirect:
    """Go on to `url` and say there what happened."""
    show_toast(request, Toast(text, lead=lead))
    return HttpResponseRedirect(url)


def refused(request: HttpRequest, refusal: Refusal, url: str) -> HttpResponseRedirect:
    """Go back to `url` and say there why nothing happened."""
    show_toast(request, Toast(sentence_of(refusal), state="bad"))
    return HttpResponseRedirect(url)


def drawn(request: HttpRequest, panels: Iterable[Panel | None]) -> list[SafeString]:
    """What other apps show on this page."""
    return [render_to_string(panel.template, dict(panel.context), request) for panel in panels if panel]


def for_htmx(response: HttpResponse) -> HttpResponse:
    """Marks an answer that differs for htmx, so that no cache mixes the two."""
    patch_vary_headers(response, ["HX-Request"])
    return response
