"""Shows where the words of a search stand in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def marked(text: object, words: Sequence[str]) -> SafeString:
    """`{{ lead|marked:words }}`: the text with each of the words in a `<mark>`."""
    if not words:
        return format_html("{}", text)
    pattern = re.compile("(" + "|".join(re.escape(word) for word in words) + ")", re.IGNORECASE)
    # re.split puts what matched at the odd places.
    parts = ((part, place % 2) for place, part in enumerate(pattern.split(str(text))))
    return format_html_join("", "{}", ((_mark(part) if is_found else part,) for part, is_found in parts))


def _mark(part: str) -> SafeString:
    return format_html("<mark>{}</mark>", part)
