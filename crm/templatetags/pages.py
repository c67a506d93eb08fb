"""Filters that the CRM's own pages need beside those of `ui`."""

from __future__ import annotations

from django import template

from crm.display import COLOURS
from crm.models import LeadStatus
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
