"""Template tags of the interface: icons, names, money, times, badges, fields."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Protocol

from django import template
from django.forms import BoundField
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, gettext_noop
from heroicons.templatetags.heroicons import heroicon_micro, heroicon_outline

from crm import display
from crm.pretty_json import pretty_json
from crm.texts import SCRIPT_WORDS, inside_a_sentence, is_english, told_again

register = template.Library()

# In components/sprite.html.
OWN_SYMBOLS: Final = frozenset(("pie-0", "pie-1", "pie-2", "pie-3", "pie-won", "pie-lost", "told", "tell"))

# What became of a conversion event: meaning, icon and word. The sentence beside it says the rest.
EVENT_BADGES: Final = {
    "pending": ("info", "clock", gettext_noop("Pending")),
    "settling": ("info", "clock", gettext_noop("Settling")),
    "sending": ("info", "paper-airplane", gettext_noop("Sending")),
    "accepted": ("good", "check-circle", gettext_noop("Accepted")),
    "held": ("warn", "pause-circle", gettext_noop("Held")),
    "skipped": ("", "minus-circle", gettext_noop("Skipped")),
    "rejected": ("bad", "x-circle", gettext_noop("Rejected")),
    "expired": ("bad", "exclamation-circle", gettext_noop("Expired")),
    "cancelled": ("", "no-symbol", gettext_noop("Cancelled")),
}


class Status(Protocol):
    """A lead status, as far as its pill goes."""

    name: str
    category: str
    colour: str
    position: int


class Stage(Protocol):
    """A stage of a pipeline, as far as its sign goes."""

    name: str
    kind: str
    probability: int


# ── Icons ──────────────────────────────────────────────────────────────────────────────────────────────


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """`users` is an outline of 18 px, `solid-check` a small solid one, `pie-2` or `tell` a symbol of our own.

    `css` adds classes: `{% icon "solid-check-circle" "good" %}`. Always hidden from screen readers: a word
    must stand beside it.
    """
    # simple_tag hands literals over as SafeString, whose hash and equality are those of str.
    return drawn(str(name), str(css))


@lru_cache(maxsize=512)
def drawn(name: str, css: str) -> SafeString:
    if name in OWN_SYMBOLS:
        markup = '<svg class="{}" aria-hidden="true"><use href="#{}"></use></svg>'
        return format_html(markup, f"icon {css}".rstrip(), name)
    draw, style = (heroicon_micro, "icon solid") if name.startswith("solid-") else (heroicon_outline, "icon")
    attributes: dict[str, Any] = {"class": f"{style} {css}".rstrip()}
    return one_line(draw(name.removeprefix("solid-"), **attributes))


def one_line(svg: str) -> SafeString:
    return SafeString("".join(line.strip() for line in svg.splitlines()))


# ── Names, money, times ────────────────────────────────────────────────────────────────────────────────


@register.filter
def initials(name: object) -> str:
    """`{{ lead|initials }}`: AS for Annika Sørensen."""
    return display.initials(str(name or ""))


@register.filter
def inside(words: object) -> str:
    """`{{ note.get_kind_display|inside }}`: a label as it stands within a sentence."""
    return inside_a_sentence(str(words or ""))


@register.filter
def told(sentence: object) -> str:
    """`{{ row.reason|told }}`: a sentence that was stored, in the reader's language."""
    return told_again(str(sentence or ""))


@register.filter
def avatar_colour(text: object) -> str:
    """`{{ lead|avatar_colour }}`: a colour class, the same for the same name."""
    return f"c-{display.colour_of(str(text or ''))}"


@register.filter
def money(amount: Decimal | None, currency: str = "") -> str:
    """`{{ deal.amount|money:deal.currency }}`: €48,000.00."""
    return display.money(amount, currency)


@register.filter
def money_short(amount: Decimal | None, currency: str = "") -> str:
    """`{{ deal.amount|money_short:deal.currency }}`: €48,000; cents only where there are any."""
    return display.money(amount, currency, short=True)


@register.filter
def relative_time(value: dt.datetime | dt.date | None) -> SafeString | str:
    """A `<time>`: the relative time as text, the exact one on hover. Nothing for None."""
    if value is None:
        return ""
    if not isinstance(value, dt.datetime):
        today = timezone.localdate()
        text, title = display.relative_day(value, today), display.full_date(value)
        return time_element(value.isoformat(), title, text)
    moment = timezone.localtime(value)
    text = display.relative(moment, timezone.localtime())
    return time_element(value.isoformat(), display.exact(moment), text)


@register.filter
def clock_time(value: dt.datetime | None) -> SafeString | str:
    """A `<time>` of the hour, for lists with the day as heading: 14:08."""
    if value is None:
        return ""
    moment = timezone.localtime(value)
    return time_element(value.isoformat(), display.exact(moment), f"{moment:%H:%M}")


@register.filter
def short_date(value: dt.datetime | dt.date | None) -> SafeString | str:
    """A `<time>` of the day: 18 Dec, with the year when it is another one."""
    if value is None:
        return ""
    day = timezone.localtime(value).date() if isinstance(value, dt.datetime) else value
    title = display.full_date(day)
    return time_element(value.isoformat(), title, display.short_date(day, timezone.localdate()))


@register.filter
def day_and_month(value: dt.date) -> str:
    """`{{ task.due_on|day_and_month }}`: 18 Dec, as text alone."""
    return display.day_and_month(value)


@register.filter
def long_day(value: dt.date) -> str:
    """`{{ today|long_day }}`: Sunday, 22 November."""
    return display.long_day(value)


@register.filter
def day_of(moment: object) -> SafeString | str:
    """`{{ touch.at|day_of }}`: the day of a moment that is stored as text, as `short_date` shows it."""
    try:
        return short_date(dt.datetime.fromisoformat(str(moment)))
    except ValueError:
        return str(moment)[:10]


def time_element(machine: str, title: str, text: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', machine, title, text)


@register.filter
def day_heading(value: dt.datetime | dt.date) -> str:
    """`{{ activity.at|day_heading }}`: Today, 20 November."""
    day = timezone.localtime(value).date() if isinstance(value, dt.datetime) else value
    return display.day_heading(day, timezone.localdate())


@register.filter
def days_since(value: dt.datetime) -> str:
    """`{{ lead.status_since|days_since }}`: 12 days."""
    return display.days_long(value, timezone.now())


# ── Statuses, badges ───────────────────────────────────────────────────────────────────────────────────


@register.filter
def status_shape(status: Status) -> str:
    """The symbol for `{% icon %}`: a status as the shape of its category."""
    return display.status_shape(status.category, status.position)


@register.filter
def stage_shape(stage: Stage) -> str:
    """The symbol for `{% icon %}`: fuller the more likely the deal is won."""
    return display.stage_shape(stage.kind, stage.probability)


@register.filter
def stage_colour(stage: Stage) -> str:
    """The colour class of a stage."""
    return f"c-{display.stage_colour(stage.kind, stage.probability)}"


# Rows of lists are made of these by the hundred, and a template costs ten times what it says. So the few there are
# of a kind are drawn once. Nothing with a person's name in it: that would outlive their erasure.


def component(template_name: str, **values: Any) -> SafeString:
    """A component of the same look wherever it stands, drawn once for each set of values and each language."""
    return _drawn_once(get_language() or "", template_name, **values)


@lru_cache(maxsize=1024)
def _drawn_once(language: str, template_name: str, **values: Any) -> SafeString:
    return render_to_string(template_name, values)


@register.simple_tag
def status_pill(status: Status) -> SafeString:
    """A lead's status: `{% status_pill lead.status %}`."""
    colour = status.colour if status.colour in display.COLOURS else "slate"
    return component(
        "components/pill.html", name=status.name, shape=status_shape(status), colour=f"c-{colour}"
    )


@register.simple_tag
def badge(label: str, state: str = "", icon: str = "") -> SafeString:
    """A word with a meaning: `{% badge "Ready" "good" "check-circle" %}`; the icon is a small solid one."""
    symbol = f"solid-{icon}" if icon else ""
    return component("components/badge.html", label=str(label), state=str(state), icon=symbol)


@register.simple_tag
def event_badge(status: str, is_settling: bool = False) -> SafeString:
    """What became of a conversion event: `{% event_badge event.status event.is_settling %}`."""
    state, symbol, word = EVENT_BADGES["settling" if is_settling and status == "pending" else status]
    return component("components/badge.html", label=gettext(word), state=state, icon=f"solid-{symbol}")


@register.simple_tag
def avatar(name: object, size: str = "", shape: str = "") -> SafeString:
    """A face: `{% avatar lead %}`, `{% avatar lead "big" %}`, `{% avatar organization "" "firm" %}`.

    Decoration: the name stands beside it or in a `.hush`.
    """
    text = str(name or "")
    css = " ".join(part for part in ("face", avatar_colour(text), size, shape) if part)
    markup = '<span class="{}" title="{}" aria-hidden="true">{}</span>'
    return format_html(markup, css, text, display.initials(text))


@register.inclusion_tag("components/meter.html")
def meter(value: float, maximum: float = 100, state: str = "") -> dict[str, Any]:
    """A bar filled to `value` of `maximum`; the words for it stand beside it."""
    share = 0.0 if maximum <= 0 else min(max(value / maximum, 0.0), 1.0)
    return {"percent": f"{share * 100:.1f}", "state": state}


@register.simple_tag
def readiness(ticks: int, label: str, state: str = "") -> SafeString:
    """How ready a lead is for LinkedIn: four ticks and a word, `{% readiness 3 "E-mail only" "warn" %}`."""
    ons = tuple(number < ticks for number in range(4))
    return component("components/ticks.html", ticks=ons, label=str(label), state=str(state) or "faint")


@register.simple_tag
def script_words() -> SafeString:
    """What scripts say, for them to read; nothing in English, which they speak themselves."""
    return _words_block(get_language() or "") if not is_english() else SafeString("")


@lru_cache(maxsize=16)
def _words_block(language: str) -> SafeString:
    return json_script({text: gettext(text) for text in SCRIPT_WORDS}, "script-words")


# ── Forms, lists, code ─────────────────────────────────────────────────────────────────────────────────


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, css: str = "") -> dict[str, Any]:
    """A form field with label, hint and error: `{% field form.email %}`. `css` adds a class such as span2."""
    kind = getattr(bound.field.widget, "input_type", "")
    is_box = kind == "checkbox" and not bound.use_fieldset
    return {"field": bound, "css": css, "is_box": is_box, "is_optional": not (bound.field.required or is_box)}


@register.simple_tag
def options(choices: Iterable[tuple[str, object]], current: str = "") -> SafeString:
    """The options of a `<select>`: `{% options countries filters.country %}`. Countries are many, and stay the same."""
    return _options(tuple((key, str(words)) for key, words in choices), current)


@lru_cache(maxsize=64)
def _options(choices: tuple[tuple[str, str], ...], current: str) -> SafeString:
    each = '<option value="{}"{}>{}</option>'
    chosen = SafeString(" selected")
    return format_html_join(
        "", each, ((key, chosen if key == current else "", words) for key, words in choices)
    )


@register.inclusion_tag("components/sort.html", takes_context=True)
def sort_link(context: template.Context, label: str, key: str, current: str = "") -> dict[str, Any]:
    """The link in a table's head. `current` is the sort in force, `name` or `-name`; a click turns it round.

    The `<th>` itself carries `{{ ordering|aria_sort:"name" }}`.
    """
    target = f"-{key}" if current == key else key
    arrow = {key: "solid-arrow-up", f"-{key}": "solid-arrow-down"}.get(current, "")
    return {"request": context.get("request"), "label": label, "target": target, "arrow": arrow}


@register.filter
def aria_sort(current: str, key: str) -> SafeString | str:
    """The attribute of a `<th>` that is sorted by; nothing for the others."""
    direction = {key: "ascending", f"-{key}": "descending"}.get(current)
    return format_html('aria-sort="{}"', direction) if direction else ""


@register.filter
def json_pretty(value: object, notes: Mapping[str, str] | None = None) -> SafeString:
    """JSON for a `<pre class="code">`, escaped and coloured, our notes in grey."""
    return pretty_json(value, notes)
