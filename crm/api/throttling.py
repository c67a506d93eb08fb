"""A token bucket for each key and each member, kept in the broker. Without a broker, everybody is let through."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from crm.access import Principal
from crm.api.authentication import principal_of

logger = logging.getLogger(__name__)

# Seconds to wait for the broker, and how long to do without it once it did not answer.
PATIENCE = 0.05
PAUSE = 5

# One step for all processes: fill up since the last call, take one. Answers the seconds to wait, "0" for go on.
_TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return tostring(wait)
"""


class KeyThrottle(BaseThrottle):
    """API_RATE requests a minute, API_BURST at once, for each API key and each signed-in user."""

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        principal = principal_of(request)
        if principal is None or settings.API_RATE <= 0:
            return True
        self._wait = buckets().take(bucket_of(principal), settings.API_RATE / 60, settings.API_BURST)
        return self._wait <= 0

    def wait(self) -> float:
        return self._wait


class Buckets:
    """The buckets in one broker. A broker that does not answer is left alone for a few seconds."""

    def __init__(self, url: str | None) -> None:
        self._take = _script(url) if url else None
        self._away_until = 0.0

    def take(self, name: str, rate: float, burst: int) -> float:
        """Take one from the bucket `name`; the seconds to wait if it is empty. `rate` is a second's supply."""
        if self._take is None or time.monotonic() < self._away_until:
            return 0.0
        try:
            return float(self._take(keys=[f"leadmachine:rate:{name}"], args=[rate, max(burst, 1)]))
        except redis.RedisError as error:
            self._away_until = time.monotonic() + PAUSE
            logger.warning(
                "The API has no rate limit for now: the broker does not answer (%s).", type(error).__name__
            )
            return 0.0


def buckets() -> Buckets:
    """The buckets in our broker."""
    return _buckets(settings.REDIS_URL)


@lru_cache
def _buckets(url: str | None) -> Buckets:
    return Buckets(url)


def _script(url: str) -> Script:
    client = redis.Redis.from_url(
        url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )
    return client.register_script(_TAKE)


def bucket_of(principal: Principal) -> str:
    """The name of the bucket: whoever calls for two companies has one in each."""
    return f"{principal.company.pk}:{caller(principal)}"


def caller(principal: Principal) -> str:
    """The key or the user, as one word."""
    if principal.key is not None:
        return f"key:{principal.key.pk}"
    return f"user:{principal.user.pk}" if principal.user else ""
