"""Says that this machine asks for work: one row a machine in the database, written every 15 seconds at most.

A worker that is alive but hears nothing, because its broker connection is dead or its processes hang, stops asking.
Whoever looks from outside (`/metrics`, the health page, `doctor`) sees that by the age of the row.
"""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from typing import Final

from django.utils import timezone

from capi.models import Worker

EVERY_SECONDS: Final = 15.0
FORGOTTEN: Final = timedelta(days=1)

_written = 0.0


def asked() -> None:
    """Write down that somebody here asked for work, unless that was just written."""
    global _written  # noqa: PLW0603  the time of this process's last line
    if _written and time.monotonic() - _written < EVERY_SECONDS:
        return
    _written = time.monotonic()
    now = timezone.now()
    Worker.objects.update_or_create(name=socket.gethostname()[:120], defaults={"asked_at": now})
    # Containers come and go with a name each.
    Worker.objects.filter(asked_at__lt=now - FORGOTTEN).delete()
