"""Places where a process can be told to die, for tests of what a crash there costs.

`FAILPOINT=after_post` kills the process with SIGKILL when it gets there, `FAILPOINT=after_post:3` the third time.

    after_claim     events are taken under a lease, nothing is noted
    before_post     the attempt is noted, nothing has left
    after_post      LinkedIn has answered, nobody has read it
    before_record   the answer is read, nothing is written

Nothing is caught, closed or flushed, as when the machine loses its power. Unset, they cost one look-up each.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final, Literal

Name = Literal["after_claim", "before_post", "after_post", "before_record"]

VARIABLE: Final = "FAILPOINT"

_passed: Counter[str] = Counter()


def reach(name: Name) -> None:
    """Die here, if that was asked for."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    place, _, time = wanted.partition(":")
    if place != name:
        return
    _passed[name] += 1
    if _passed[name] >= int(time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
