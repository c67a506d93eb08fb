"""The rows of long lists, written in Jinja2: fifty of them in Django's own template language cost as much as all
else on a page. They are templates/rows/*.jinja; everything around them stays in Django's language."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext
from jinja2 import BaseLoader, Environment, StrictUndefined

from crm.templatetags import pages, ui

# Stands in an address for whatever record it is the address of.
_ANY_ID = UUID(int=0)


def environment(*, loader: BaseLoader, auto_reload: bool, **_defaults: Any) -> Environment:
    """What the rows may say: the same words as in the other templates, those of `ui` and `pages`."""
    made = Environment(
        loader=loader,
        auto_reload=auto_reload,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        _=gettext,
        url=record_url,
        icon=ui.icon,
        avatar=ui.avatar,
        badge=ui.badge,
        readiness=ui.readiness,
        status_choices=pages.status_choices,
        status_inside=pages.status_inside,
    )
    made.filters.update(
        money_short=ui.money_short,
        own_words=pages.own_words,
        relative_time=ui.relative_time,
        select_words=pages.select_words,
        short_date=ui.short_date,
        small_icon=pages.small_icon,
        stage_colour=ui.stage_colour,
        stage_shape=ui.stage_shape,
        status_colour=pages.status_colour,
        status_words=pages.status_words,
    )
    return made


def record_url(name: str, pk: UUID) -> str:
    """The address of a record: `url("lead", lead.pk)`. Looked up once for all of them."""
    before, after = _around_the_id(name)
    return f"{before}{pk}{after}"


@lru_cache
def _around_the_id(name: str) -> tuple[str, str]:
    before, _id, after = reverse(name, args=[_ANY_ID]).partition(str(_ANY_ID))
    return before, after
