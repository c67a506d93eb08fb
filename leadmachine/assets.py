"""The files that pages need (styles, scripts), gathered under hashed names, once per change."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from leadmachine.env import REPOSITORY

STAMP = ".gathered"


def collect() -> None:
    """Runs collectstatic if our own files or the installed packages changed since the last time."""
    stamp = Path(settings.STATIC_ROOT) / STAMP
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(wanted, encoding="ascii")


def _fingerprint() -> str:
    digest = hashlib.sha256((REPOSITORY / "requirements" / "runtime.lock").read_bytes())
    for folder in settings.STATICFILES_DIRS:
        for path in sorted(Path(folder).rglob("*")):
            found = path.stat()
            digest.update(f"{path}|{found.st_size}|{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
