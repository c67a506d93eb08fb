"""The script for web sites: crm/capture_snippet.js without what only people need."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Final

from crm.models import WebForm

MOST_BYTES: Final = 3000
# What the source calls by a word, and the browser need not. None of them is the name of a property there.
_SHORT: Final = {
    "answer": "a",
    "eventId": "e",
    "found": "o",
    "frame": "f",
    "input": "i",
    "landing": "l",
    "names": "m",
    "src": "s",
    "store": "k",
    "touch": "t",
    "value": "v",
    "wrong": "x",
}
_SOURCE: Final = Path(__file__).with_name("capture_snippet.js")


def script_of(form: WebForm) -> str:
    """The script with what the form says: whether it waits for consent, and the Insight Tag's conversion."""
    config = {"w": int(form.waits_for_consent), "c": int(form.conversion_id or 0)}
    return _squeezed().replace("CONFIG", json.dumps(config, separators=(",", ":")))


@cache
def _squeezed() -> str:
    """Without comments, indentation, ends of lines, blanks around signs and long words; strings stay as they are."""
    lines = [line.strip() for line in _SOURCE.read_text(encoding="utf-8").splitlines()]
    text = "".join(line for line in lines if line and not line.startswith("//"))
    parts = re.split(r'("(?:[^"\\]|\\.)*")', text)
    return "".join(part if place % 2 else _tight(part) for place, part in enumerate(parts))


def _tight(code: str) -> str:
    code = re.sub(r"\s*([{}()\[\];,:=+?<>|&!-])\s*", r"\1", code)
    code = re.sub(rf"(?<![.\w])(?:{'|'.join(_SHORT)})\b", lambda word: _SHORT[word[0]], code)
    return code.replace(";}", "}")
