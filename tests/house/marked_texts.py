"""What the source marks for translation, and what of a template it does not mark; without GNU gettext."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from django.utils.translation.template import templatize

from leadmachine.env import REPOSITORY

CATALOG = REPOSITORY / "locale" / "de" / "LC_MESSAGES" / "django.po"
FOLDERS = ("capi", "crm", "leadmachine")
# Function → where the text, its plural and its context stand among the arguments.
_PLAIN, _PLURAL, _CONTEXT, _BOTH = (0, None, None), (0, 1, None), (1, None, 0), (1, 2, 0)
MARKS = {
    "_": _PLAIN,
    "gettext": _PLAIN,
    "gettext_lazy": _PLAIN,
    "gettext_noop": _PLAIN,
    "ngettext": _PLURAL,
    "ngettext_lazy": _PLURAL,
    "counted": _PLURAL,
    "pgettext": _CONTEXT,
    "pgettext_lazy": _CONTEXT,
    "npgettext": _BOTH,
}


class Message(NamedTuple):
    """A text as the catalog knows it."""

    text: str
    plural: str = ""
    context: str = ""


def messages() -> dict[Message, str]:
    """Every text of the source, and the file it stands in."""
    found: dict[Message, str] = {}
    for path in python_files():
        found |= dict.fromkeys(of_python(path.read_text("utf-8")), str(path))
    for path in templates():
        source = templatize(path.read_text("utf-8"), origin=str(path))
        found |= dict.fromkeys(of_python(source_calls(source)), str(path))
    return found


def python_files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in (REPOSITORY / folder).rglob("*.py") if "migrations" not in path.parts)


def templates() -> list[Path]:
    return sorted(
        path for path in (REPOSITORY / "templates").rglob("*") if path.suffix in (".html", ".jinja", ".txt")
    )


def source_calls(source: str) -> str:
    """Django turns a template into what only looks like Python; the calls in it are real."""
    names = "|".join(sorted(MARKS, key=len, reverse=True))
    string = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    call = rf"(?<![\w.])(?:{names})\(\s*{string}(?:\s*,\s*{string})*(?:\s*,\s*[\w ]+)?\s*\)"
    return "\n".join(re.sub(r",\s*(?![\"'u])[\w ]+\)$", ")", found) for found in re.findall(call, source))


def of_python(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in MARKS:
            continue
        given = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
        text, plural, context = (
            given[place] if place is not None and place < len(given) else "" for place in MARKS[name]
        )
        if isinstance(text, str) and text:
            yield Message(text, str(plural or ""), str(context or ""))


def catalog() -> dict[Message, list[str]]:
    """The texts of the German catalog with their translations."""
    found: dict[Message, list[str]] = {}
    for entry in CATALOG.read_text("utf-8").split("\n\n"):
        parts = _parts(entry)
        if parts.get("msgid"):
            words = [text for name, text in parts.items() if name.startswith("msgstr")]
            key = Message(parts["msgid"], parts.get("msgid_plural", ""), parts.get("msgctxt", ""))
            found[key] = words
    return found


def _parts(entry: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    name = ""
    for line in entry.splitlines():
        if line.startswith("#"):
            continue
        keyword, _, rest = line.partition(" ")
        if not line.startswith('"'):
            name = keyword
        parts[name] = parts.get(name, "") + str(ast.literal_eval(rest if not line.startswith('"') else line))
    return parts


# ── Texts that are not marked ──────────────────────────────────────────────────────────────────────────

# Names and words that are the same in every language, or that nobody reads as a sentence.
SAME_EVERYWHERE = frozenset(
    [
        "LinkedIn",
        "LeadMachine",
        "CSV",
        "XLSX",
        "API",
        "JSON",
        "URL",
        "URN",
        "UTC",
        "UTM",
        "CRM",
        "ID",
        "Id",
        "esc",
        "Ctrl",
        "Shift",
        "Enter",
        "Esc",
        "px",
        "http",
        "https",
        "Europe",
        "Berlin",
        "lm",
        "li_fat_id",
        "Campaign",
        "Manager",
    ]
)
READ_ALOUD = frozenset(
    [
        "title",
        "aria-label",
        "placeholder",
        "alt",
        "aria-description",
        "aria-roledescription",
        "aria-valuetext",
        "data-keys-label",
        "data-before",
        "data-after",
        "data-over",
    ]
)
# Texts that are handed to a component.
HANDED_OVER = [
    "label",
    "title",
    "text",
    "about",
    "verb",
    "keep",
    "words",
    "heading",
    "said",
    "meant",
    "aside",
    "lead",
    "url_text",
    "newer",
    "older",
]
_TAG = re.compile(
    r"{%\s*comment\b.*?{%\s*endcomment\s*%}|{%\s*blocktrans(?:late)?\b.*?{%\s*endblocktrans(?:late)?\s*%}"
    r"|{#.*?#}|{%.*?%}|{{.*?}}",
    re.DOTALL,
)
_HANDS_OVER = re.compile(rf'\b(?:{"|".join(HANDED_OVER)})="([^"]*)"')
_SAYS = re.compile(r'^{%\s*(?:badge|sort_link)\s+"([^"]*)"|^{%\s*readiness\s+\S+\s+"([^"]*)"')
_DEFAULTS = re.compile(r'\|(?:default|default_if_none|yesno):"([^"]*)"')
_PLURALS = re.compile(r'\|pluralize:"(\w{3,},\w{3,})"')
# What a block of this name holds is a class and no text.
_CSS_BLOCK = re.compile(r"{%\s*block\s+\w*css\s*%}.*?{%\s*endblock\s*%}", re.DOTALL)


def unmarked(source: str) -> list[str]:
    """The texts of a template that somebody would read in English whatever their language."""
    source = _CSS_BLOCK.sub("", source)
    found = [text for tag in _TAG.findall(source) for text in _in_tag(tag)]
    reader = _Reader()
    reader.feed(_TAG.sub(" ", source))
    return [text for text in (*found, *reader.found) if is_text(text)]


def is_text(words: str) -> bool:
    return any(word not in SAME_EVERYWHERE for word in re.findall(r"[^\W\d_]{2,}", words))


def _in_tag(tag: str) -> Iterator[str]:
    if tag.startswith(("{% include", "{% with")):
        yield from _HANDS_OVER.findall(tag)
    for found in _SAYS.findall(tag):
        yield from found
    if tag.startswith("{{"):
        yield from (text for text in _DEFAULTS.findall(tag) if " " in text or text[:1].isupper())
        yield from _PLURALS.findall(tag)


class _Reader(HTMLParser):
    """Collects what people read: text, and the attributes that are shown or read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_code = tag in ("script", "style", "code", "kbd")
        self.found += [value for name, value in attrs if name in READ_ALOUD and value]

    def handle_endtag(self, tag: str) -> None:
        self._is_code = False

    def handle_data(self, data: str) -> None:
        if not self._is_code:
            self.found.append(data.strip())
