"""Reads the environment: typed values, secrets from files, and the keys that are made on first run.

Standard library only: settings, the supervisor and the test plugin all stand on it. An empty variable counts
as unset, as container files often pass one through that way. No message repeats a value: it may be a secret.
"""

import base64
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import overload

REPOSITORY = Path(__file__).resolve().parent.parent

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class Misconfigured(Exception):
    """A variable is missing or unreadable. The message names it and says what it should be."""


@overload
def text(name: str, default: str) -> str: ...
@overload
def text(name: str, default: None = None) -> str | None: ...
def text(name: str, default: str | None = None) -> str | None:
    """The variable NAME, or what the file named by NAME_FILE holds, without its closing newline."""
    value = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "")
    if value and path:
        raise Misconfigured(f"Both {name} and {name}_FILE are set. Keep one of them.")
    if path:
        value = _read_file(f"{name}_FILE", Path(path))
    return value or default


def required(name: str) -> str:
    """Like `text`, for what has no safe default."""
    value = text(name)
    if value is None:
        raise Misconfigured(f"{name} is not set. Set {name}, or {name}_FILE to a file that holds it.")
    return value


def flag(name: str, default: bool) -> bool:
    """A switch: 1, true, yes, on or 0, false, no, off, in any case."""
    word = (text(name) or "").strip().lower()
    if not word:
        return default
    if word not in _TRUE | _FALSE:
        raise Misconfigured(f"{name} must be one of 1, true, yes, on, 0, false, no, off.")
    return word in _TRUE


def number(name: str, default: int) -> int:
    """A whole number."""
    digits = text(name)
    if digits is None:
        return default
    try:
        return int(digits)
    except ValueError:
        raise Misconfigured(f"{name} must be a whole number.") from None


def words(name: str, default: list[str]) -> list[str]:
    """A list written with commas; blanks around the words and empty words are dropped."""
    line = text(name)
    if line is None:
        return list(default)
    return [word.strip() for word in line.split(",") if word.strip()]


def data_dir() -> Path:
    """The folder for database, keys and uploads: DATA_DIR, or `var` in the checkout; made with mode 700."""
    folder = Path(text("DATA_DIR", str(REPOSITORY / "var"))).expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"DATA_DIR: {folder} cannot be made ({error.strerror}).") from error
    return folder


def made_on_first_run(name: str, make: Callable[[], str]) -> str:
    """The variable, or the value kept in DATA_DIR under its lower-case name, made there if missing.

    Several processes may start at once: the first to take the lock makes the value and all read that one.
    The file appears complete or not at all, so a crash in between leaves nothing half-written.
    """
    given = text(name)
    if given is not None:
        return given
    kept = data_dir() / name.lower()
    try:
        if not kept.exists():
            _make_once(kept, make)
    except OSError as error:
        raise Misconfigured(f"{name} is not set, and {kept} cannot be written ({error.strerror}).") from error
    value = _read_file(name, kept)
    if not value:
        raise Misconfigured(f"{kept} is empty. Restore it from your backup of the keys, or set {name}.")
    return value


def new_secret_key() -> str:
    """A fresh SECRET_KEY, 64 characters that need no quoting."""
    return secrets.token_urlsafe(48)


def new_field_key() -> str:
    """A fresh entry of FIELD_KEYS, `kid:key`: the key is 32 random bytes in URL-safe base64."""
    return f"{secrets.token_hex(4)}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}"


def _make_once(kept: Path, make: Callable[[], str]) -> None:
    with os.fdopen(os.open(kept.parent / ".first-run.lock", os.O_CREAT | os.O_RDWR, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            return
        # mkstemp gives mode 600 and a name of its own; the rename makes the finished file visible at once.
        handle, unfinished = tempfile.mkstemp(prefix=f".{kept.name}.", dir=kept.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(kept)


def _read_file(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Misconfigured(f"{name}: {path} cannot be read ({reason}).") from error
