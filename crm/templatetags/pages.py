"""Filters that the CRM's own pages need beside those of `ui`."""

from __future__ import annotations

from ipaddress import ip_address

from django import template
from django.http import HttpRequest
from django.http.request import split_domain_port

from crm.display import COLOURS
from crm.models import LeadStatus
from crm.views.settings.menu import Group
from crm.views.settings.menu import settings_menu as _settings_menu
from crm.views.timeline import small_icon as _small_icon

register = template.Library()


@register.filter
def status_colour(status: LeadStatus) -> str:
    """The colour class of a lead status, for a control that is not a plain pill."""
    return f"c-{status.colour if status.colour in COLOURS else 'slate'}"


@register.filter
def small_icon(name: str) -> str:
    """The small solid icon of that name, for `{% icon %}`."""
    return _small_icon(name)


@register.simple_tag(takes_context=True)
def settings_menu(context: template.Context) -> list[Group]:
    """The menu of the settings for whoever looks at this page."""
    return _settings_menu(context["request"])


@register.filter
def takes_passkeys(request: HttpRequest) -> bool:
    """Whether browsers make passkeys for this address: they want a name, and https unless it is localhost."""
    host = split_domain_port(request.get_host())[0].strip("[]")
    try:
        ip_address(host)
    except ValueError:
        return request.is_secure() or host == "localhost" or host.endswith(".localhost")
    return False
