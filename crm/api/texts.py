"""What callers sent, made fit to be shown in an answer."""

from __future__ import annotations

_SHOWN = 60


def printable(text: str) -> str:
    """The text, shortened, with whatever cannot be written as UTF-8 or seen replaced."""
    seen = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:_SHOWN]
    )
    return f"{seen}…" if len(text) > _SHOWN else seen
