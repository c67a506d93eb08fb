"""Lets one message at a time go on for a piece of work, however many say that there is some.

Who takes a turn and finds that there is more queues up again behind the others. Sweeps and commits say so, too, while
it waits there; if each of their messages went on as well, a few companies with a backlog would fill the queue with
ever more of them, and whoever comes with one event would wait behind all.

The baton is a word in the shared cache: a message that goes on is in the queue. Nothing depends on it: a baton that
is lost costs a turn too many, one whose message is lost is forgotten within `KEPT_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

from django.core.cache import cache

KEPT_SECONDS: Final = 30


def is_needless(work: str, baton: str) -> bool:
    """Whether another message goes on with this work. If not, the caller's turn begins: call `go_on` after it.

    `baton` is what the message carries: empty for one that only says that there is work.
    """
    waiting = cache.get(_key(work))
    if waiting and waiting != baton:
        return True
    if waiting:
        # What comes from now on is a reason of its own: this turn may have looked already.
        cache.delete(_key(work))
    return False


def go_on(work: str, queue: Callable[[str], object]) -> None:
    """Queue up again with a baton, unless another message did so meanwhile."""
    baton = uuid4().hex
    if not cache.add(_key(work), baton, KEPT_SECONDS):
        return
    try:
        queue(baton)
    except BaseException:
        cache.delete(_key(work))
        raise


def _key(work: str) -> str:
    return f"turn:{work}"
