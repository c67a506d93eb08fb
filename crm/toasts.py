"""Toasts: say what just happened, on the next page or in the answer to htmx."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from crm.frame import Toast


def show_toast(request: HttpRequest, toast: Toast) -> None:
    """Shows the toast on the next page that this person loads."""
    messages.info(request, render_toast(request, toast), extra_tags="toast")


def render_toast(request: HttpRequest, toast: Toast, *, out_of_band: bool = False) -> SafeString:
    """The toast as HTML. `out_of_band` wraps it so that htmx adds it to the page beside its own target."""
    template = "components/toast_oob.html" if out_of_band else "components/toast.html"
    return render_to_string(template, {"toast": toast}, request)
