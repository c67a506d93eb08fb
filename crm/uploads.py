"""Files that people bring: kept under names of our own making, shown and given back under a tamed form of theirs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, Final

_CHUNK: Final = 256 * 1024
LONGEST_NAME: Final = 200
UNNAMED: Final = "Unnamed file"
# Names that Windows takes for devices, whatever follows the first dot.
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)


class TooLarge(Exception):
    """There was more than may be kept; nothing of it is."""


def shown_name(name: str) -> str:
    """A file's name without its path and without what cannot be seen; nothing on the disk is called so.

    Line ends, direction overrides and lone surrogates are not printable, so they are gone; a name that a device bears
    gets a mark. The end stays when it is shortened: it says what kind of file it is.
    """
    base = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(character for character in base if character.isprintable()).strip(" .")
    if _DEVICE.fullmatch(clean):
        clean = f"_{clean}"
    if len(clean) > LONGEST_NAME:
        stem, dot, ending = clean.rpartition(".")
        kind = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        clean = (stem if kind else clean)[: LONGEST_NAME - len(kind)] + kind
    return clean or UNNAMED


def keep(path: Path, content: IO[bytes], most_bytes: int) -> int:
    """Write to `path`, readable by us alone, and return how many bytes there were. Raises TooLarge."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = 0
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            while size <= most_bytes and (piece := content.read(_CHUNK)):
                size += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if size > most_bytes:
        path.unlink()
        raise TooLarge
    return size
