"""Writes each event of the log on one line, without anybody's address and without anything that opens a door.

What we log ourselves holds neither. This is for the rest: a library's message, a path somebody asked for, the text
of an exception. Standard library only, as logging is set up before everything else.
"""

from __future__ import annotations

import logging
import re

# Every repetition has a bound, so that a long line costs no more than its length.
_HIDDEN = (
    # Anything@a.domain, also as it stands in an address bar.
    (re.compile(r"[\w.+'-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}"), "<e-mail>"),
    # Our API keys; LinkedIn's tokens; whatever follows Bearer; PostgreSQL's and Redis's addresses with a password.
    (re.compile(r"\blm_\w{8,}"), "<key>"),
    (re.compile(r"\bAQ[\w-]{20,}"), "<token>"),
    (re.compile(r"\b(Bearer|Basic)\s{1,9}[^\s'\",;]+", re.IGNORECASE), r"\1 <secret>"),
    (re.compile(r"\b(\w{1,20}://[^:/@\s]{0,100}):[^@\s]{1,200}@"), r"\1:<secret>@"),
    (
        re.compile(
            r"((?:password|token|secret|api_?key|sessionid|csrftoken|li_fat_id|authorization)\w{0,20}['\"]?\s{0,9}[=:]\s{0,9}['\"]?)"
            r"[^\s'\"&,;})<]+",
            re.IGNORECASE,
        ),
        r"\1<secret>",
    ),
)
# Everything that ends a line, moves a terminal's cursor or changes the direction of what follows.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class OneLineFormatter(logging.Formatter):
    """Formats as usual, traceback included, then hides what is secret and escapes what is not printable."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of printable text."""
        return escaped(scrubbed(super().format(record)))


def scrubbed(text: str) -> str:
    """The text without e-mail addresses, keys, tokens and passwords."""
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


def escaped(text: str) -> str:
    """The text with control characters written out, as in \\n and \\x1b."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
