"""JSON as people read it: short objects on one line, names in colour, our own notes in grey. Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

type_of_note = Callable[[str, Any], str]

WIDTH: Final = 72
INDENT: Final = "  "


def pretty_json(value: object, notes: Mapping[str, str] | None = None) -> SafeString:
    """HTML for a `<pre class="code">`. `value` is JSON text, shown as it is if it is not JSON, or data.

    `notes` maps a string found in the JSON to a remark about it, such as a hash to the address it came from.
    """
    data = parse(value)
    if data is None:
        return SafeString(escape(value))
    return render(data, "", partial(note_for, notes or {}))


def parse(value: object) -> Any:
    """Data for JSON text; anything else as it is; None for text that is not JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def note_for(notes: Mapping[str, str], key: str, value: Any) -> str:
    """Our remark on a member: the time in words, or what the caller knows about its value."""
    if key == "conversionHappenedAt" and isinstance(value, int):
        return moment_of(value)
    return notes.get(value, "") if isinstance(value, str) else ""


def moment_of(milliseconds: int) -> str:
    try:
        moment = dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):
        return "not a time"
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def render(value: Any, indent: str, note: type_of_note) -> SafeString:
    if not isinstance(value, dict | list) or not value or fits(value, note):
        return inline(value)
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    inner = indent + INDENT
    last = len(value) - 1
    if isinstance(value, dict):
        lines = [member(key, item, inner, note, n == last) for n, (key, item) in enumerate(value.items())]
    else:
        lines = [element(item, inner, note, n == last) for n, item in enumerate(value)]
    body = format_html_join("\n", "{}{}", ((inner, line) for line in lines))
    return format_html("<i>{}</i>\n{}\n{}<i>{}</i>", opening, body, indent, closing)


def member(key: str, value: Any, indent: str, note: type_of_note, is_last: bool) -> SafeString:
    remark = note(key, value)
    return format_html(
        "<b>{}</b>: {}{}{}",
        dump(key),
        render(value, indent, note),
        "" if is_last else ",",
        format_html(" <i>// {}</i>", remark) if remark else "",
    )


def element(value: Any, indent: str, note: type_of_note, is_last: bool) -> SafeString:
    return format_html("{}{}", render(value, indent, note), "" if is_last else ",")


def fits(value: Any, note: type_of_note) -> bool:
    """Whether it may stand on one line: flat, short and without a note."""
    members = value.items() if isinstance(value, dict) else [("", item) for item in value]
    if any(isinstance(item, dict | list) or note(key, item) for key, item in members):
        return False
    return len(dump(value)) <= WIDTH


def inline(value: Any) -> SafeString:
    if isinstance(value, dict) and value:
        pairs = format_html_join(", ", "<b>{}</b>: {}", ((dump(k), inline(v)) for k, v in value.items()))
        return format_html("<i>{{</i> {} <i>}}</i>", pairs)
    if isinstance(value, list) and value:
        return format_html("<i>[</i>{}<i>]</i>", format_html_join(", ", "{}", ((inline(v),) for v in value)))
    return mark_safe(escape(dump(value)))  # nosec B308 B703: escaped on the spot


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
