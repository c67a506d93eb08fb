"""Times as the log of LinkedIn events shows them."""

from __future__ import annotations

import datetime as dt

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from capi.told import told
from crm import display

register = template.Library()


@register.filter
def told_in_words(message: str) -> str:
    """`{{ connection.held_message|told_in_words }}`: a stored sentence, in the reader's language."""
    return told(message)


@register.filter
def log_time(moment: dt.datetime) -> SafeString:
    """A `<time>`, as short as a column is narrow: 14:08, Yesterday, 18 Nov."""
    local, today = timezone.localtime(moment), timezone.localdate()
    if local.date() == today:
        return _time(local, f"{local:%H:%M}")
    is_yesterday = (today - local.date()).days == 1
    return _time(local, _("Yesterday") if is_yesterday else display.short_date(local.date(), today))


@register.filter
def exact_clock(moment: dt.datetime) -> SafeString:
    """A `<time>` to the second, with the day if it is not today: 14:02:11, 18 Nov 14:02:11."""
    local, today = timezone.localtime(moment), timezone.localdate()
    day = "" if local.date() == today else f"{display.short_date(local.date(), today)}, "
    return _time(local, f"{day}{local:%H:%M:%S}")


def _time(moment: dt.datetime, text: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), display.exact(moment), text
    )
