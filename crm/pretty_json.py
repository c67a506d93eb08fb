"""JSON as people read it: short objects on one line, names in colour, our own notes in grey. Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

Note = Callable[[str, Any], str]

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


def render(value: Any, indent: str, note: Note) -> SafeString:
    """Over several lines where it is long, nested or has a note; the first line continues the one before."""
    if not is_container(value) or fits(value, note):
        return inline(value)
    if isinstance(value, list):
        return rendered_list(value, indent, note)
    return rendered_object(value, indent, note)


def rendered_list(items: list[Any], indent: str, note: Note) -> SafeString:
    inner = indent + INDENT
    lines = [
        hugged(item, inner, note) if isinstance(item, dict) else render(item, inner, note) for item in items
    ]
    body = format_html_join(",\n", "{}{}", ((inner, line) for line in lines))
    return format_html("<i>[</i>\n{}\n{}<i>]</i>", body, indent)


def rendered_object(members: dict[str, Any], indent: str, note: Note) -> SafeString:
    if len(members) == 1 and is_container(next(iter(members.values()))):
        return hugged(members, indent, note)
    inner = indent + INDENT
    last = list(members)[-1]
    lines = [
        format_html(
            "{}{}{}", member(key, value, inner, note), "" if key == last else ",", remark(note(key, value))
        )
        for key, value in members.items()
    ]
    body = format_html_join("\n", "{}{}", ((inner, line) for line in lines))
    return format_html("<i>{{</i>\n{}\n{}<i>}}</i>", body, indent)


def hugged(members: dict[str, Any], indent: str, note: Note) -> SafeString:
    """Braces on the lines of the first and the last member. The note on the last one moves to the first line:
    after it there would be no room for the brace."""
    if not members or fits(members, note):
        return inline(members)
    inner = indent if len(members) == 1 else indent + INDENT
    notes = [note(key, value) for key, value in members.items()]
    if len(notes) > 1:
        notes[0] = ", ".join(filter(None, (notes[0], notes.pop())))
    lines = [member(key, value, inner, note) for key, value in members.items()]
    *early, last = lines
    body = format_html_join(
        "",
        "{},{}\n{}",
        ((line, remark(words), inner) for line, words in zip(early, notes[: len(early)], strict=True)),
    )
    return format_html("<i>{{</i> {}{} <i>}}</i>{}", body, last, "" if early else remark(notes[0]))


def member(key: str, value: Any, indent: str, note: Note) -> SafeString:
    return format_html("<b>{}</b>: {}", dump(key), render(value, indent, note))


def remark(words: str) -> SafeString | str:
    return format_html(" <i>// {}</i>", words) if words else ""


def is_container(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def fits(value: Any, note: Note) -> bool:
    """Whether a container may stand on one line: flat, short and without a note."""
    members = value.items() if isinstance(value, dict) else [("", item) for item in value]
    if any(is_container(item) or note(key, item) for key, item in members):
        return False
    return len(dump(value)) <= WIDTH


def inline(value: Any) -> SafeString:
    if isinstance(value, dict) and value:
        pairs = format_html_join(", ", "<b>{}</b>: {}", ((dump(k), inline(v)) for k, v in value.items()))
        return format_html("<i>{{</i> {} <i>}}</i>", pairs)
    if isinstance(value, list) and value:
        return format_html("<i>[</i>{}<i>]</i>", format_html_join(", ", "{}", ((inline(v),) for v in value)))
    return format_html("{}", dump(value))


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
