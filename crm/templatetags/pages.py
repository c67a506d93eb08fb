"""Filters that the CRM's own pages need beside those of `ui`."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, cast

from django import template
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from crm import customvalues
from crm.display import COLOURS
from crm.models import Deal, Lead, LeadStatus, Organization
from crm.sign_in_with import Service, Waiting, services, waiting
from crm.templatetags.ui import component, status_shape
from crm.views.columns import Column
from crm.views.settings.menu import Group
from crm.views.settings.menu import settings_menu as _settings_menu
from crm.views.timeline import small_icon as _small_icon

register = template.Library()


@register.filter
def status_colour(status: LeadStatus) -> str:
    """The colour class of a lead status, for a control that is not a plain pill."""
    return f"c-{status.colour if status.colour in COLOURS else 'slate'}"


@register.simple_tag
def status_choices(statuses: Sequence[LeadStatus], current: LeadStatus) -> SafeString:
    """The buttons of a status menu, the same in every row whose lead has this status."""
    choices = tuple((each.key, each.name, status_colour(each), status_shape(each)) for each in statuses)
    return component("crm/parts/status_choices.html", choices=choices, current=current.key)


@register.simple_tag
def status_inside(status: LeadStatus) -> SafeString:
    """The shape and name of a status, for a control that looks like its pill."""
    return component("components/pill_body.html", name=status.name, shape=status_shape(status))


@register.filter
def select_words(record: object) -> str:
    """`Select Annika Sørensen`: what the box of a row is called. A filter, as a template's tag costs rows too much."""
    return _("Select {record}").format(record=record)


@register.filter
def status_words(lead: object) -> str:
    """`, change status of Annika Sørensen`: what a row's status menu does."""
    return _(", change status of {record}").format(record=lead)


@register.filter
def small_icon(name: str) -> str:
    """The small solid icon of that name, for `{% icon %}`."""
    return _small_icon(name)


@register.filter
def own_words(record: Lead | Deal | Organization, column: Column) -> str:
    """The value of the company's own field that a column shows, in words; "" for none."""
    return customvalues.shown(column.own, record.custom.get(column.own.key)) if column.own else ""


@register.simple_tag(takes_context=True)
def settings_menu(context: template.Context) -> list[Group]:
    """The menu of the settings for whoever looks at this page."""
    return _settings_menu(context["request"])


@register.simple_tag
def sign_in_services() -> list[Service]:
    """The services that people may sign in with."""
    return services()


@register.filter
def came_from(request: HttpRequest) -> Waiting | None:
    """The service that somebody came from who has yet to give their password."""
    return waiting(request)


@register.filter
def takes_passkeys(request: HttpRequest) -> bool:
    """Whether browsers make passkeys for this address: they want a name, and https unless it is localhost."""
    host = split_domain_port(request.get_host())[0].strip("[]")
    try:
        ip_address(host)
    except ValueError:
        return request.is_secure() or host == "localhost" or host.endswith(".localhost")
    return False


@register.simple_tag(takes_context=True)
def rows(context: template.Context, noun: str) -> SafeString:
    """The rows of a list, from templates/rows: `{% rows "leads" %}`. They see all that the page around them sees."""
    values = cast("dict[str, Any]", context.flatten())
    escaped = render_to_string(f"rows/{noun}.jinja", values, using="rows")
    return SafeString(escaped)  # nosemgrep: markup-that-nobody-wrote
