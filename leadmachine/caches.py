"""The cache that all web workers share: it counts sign-ins. Nothing in it is ever needed to go on.

It lives in the broker. While that is away each process counts for itself: signing in works, and is still throttled.
Values are JSON, so that whoever can write to the broker cannot make us run anything.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

logger = logging.getLogger(__name__)

# Seconds to wait for the broker, and how long to do without it once it did not answer.
PATIENCE = 0.2
PAUSE = 5


class JSONSerializer:
    """Numbers, text, lists of them."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, stored: bytes) -> Any:
        return json.loads(stored)


class SharedCache(BaseCache):
    """The broker's Redis, or this process's own memory while the broker does not answer."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        patience = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
        options = {"serializer": JSONSerializer(), **patience, **params.get("OPTIONS", {})}
        self._shared = RedisCache(server, {**params, "OPTIONS": options})
        self._own = LocMemCache("leadmachine", params)
        self._away_until = 0.0

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return bool(self._ask("add", key, value, timeout=timeout, version=version))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._ask("get", key, default, version=version)

    def set(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._ask("set", key, value, timeout=timeout, version=version)

    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask("touch", key, timeout=timeout, version=version))

    def delete(self, key: str, version: int | None = None) -> bool:
        return bool(self._ask("delete", key, version=version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        return int(self._ask("incr", key, delta, version=version))

    def clear(self) -> None:
        """Only this process's own: the broker is shared with the tasks."""
        self._own.clear()

    def _ask(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= self._away_until:
            try:
                return getattr(self._shared, verb)(*args, **kwargs)
            except redis.RedisError as error:
                self._away_until = time.monotonic() + PAUSE
                logger.warning(
                    "Sign-ins are counted by each process for now: the broker does not answer (%s).",
                    type(error).__name__,
                )
        return getattr(self._own, verb)(*args, **kwargs)
