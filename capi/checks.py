"""What can be wrong with the settings of the LinkedIn side; each with a hint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.utils import timezone

from capi import failpoints, versions
from capi.base_url import BaseUrl
from crm import vault

POLL_SECONDS = range(1, 61)
_NOT_SET = object()
# Without them a dead broker is waited for, for ever.
_NEVER_WITHOUT = ("socket_connect_timeout", "socket_timeout", "socket_keepalive", "health_check_interval")


@register()
def check_field_keys(**kwargs: Any) -> list[CheckMessage]:
    """The key ring must be usable, or no stored token can be read."""
    try:
        vault.check_ring(settings.FIELD_KEYS)
    except vault.VaultError as error:
        hint = (
            "Put back the FIELD_KEYS that encrypted the stored secrets. A new ring is one entry, such as "
            "k1: followed by the output of: openssl rand -base64 32 | tr '+/' '-_'"
        )
        return [Error(str(error), hint=hint, id="capi.E001")]
    return []


@register()
def check_linkedin_url(**kwargs: Any) -> list[CheckMessage]:
    """The token travels to this address, so it must be https, or stay on this machine."""
    hint = "Unset LINKEDIN_API_URL to use https://api.linkedin.com/rest, or set another https:// base URL."
    url = BaseUrl.read(settings.LINKEDIN_API_URL)
    if url is None or url.has_extras:
        return [
            Error(
                "LINKEDIN_API_URL is not a plain base URL: scheme, host and path, nothing else.",
                hint=hint,
                id="capi.E002",
            )
        ]
    if url.scheme == "http" and not url.is_loopback:
        return [
            Error(
                "LINKEDIN_API_URL would send the token unencrypted over the network.",
                hint=hint,
                id="capi.E003",
            )
        ]
    return []


@register()
def check_linkedin_version(**kwargs: Any) -> list[CheckMessage]:
    """A retired version loses nothing, events are held; so it is a warning, and the CRM still starts."""
    version = settings.LINKEDIN_VERSION
    hint = f"Set LINKEDIN_VERSION to a newer version, such as {versions.NEWEST}, and restart."
    if not versions.is_version(version):
        return [Error("LINKEDIN_VERSION is not of the form YYYYMM.", hint=hint, id="capi.E004")]
    left = versions.days_left(version, timezone.now().date())
    if left is None or left >= versions.WARN_DAYS:
        return []
    if left < 0:
        text = f"LinkedIn has retired API version {version}: every event is held until a newer one is set."
        return [checks.Warning(text, hint=hint, id="capi.W001")]
    text = f"LinkedIn retires API version {version} in {left} days; after that every event is held."
    return [checks.Warning(text, hint=hint, id="capi.W002")]


@register()
def check_poll_seconds(**kwargs: Any) -> list[CheckMessage]:
    """The sweep finds what becomes due by time: too rare and events are late, zero and beat spins."""
    if settings.DELIVERY_POLL_SECONDS in POLL_SECONDS:
        return []
    text = f"DELIVERY_POLL_SECONDS must be from {POLL_SECONDS.start} to {POLL_SECONDS.stop - 1}."
    return [Error(text, hint="Unset it to sweep every 5 seconds.", id="capi.E005")]


@register()
def check_timing_chain(**kwargs: Any) -> list[CheckMessage]:
    """Each time must end before the next, or an event is sent twice without a fault."""
    return [
        Error(
            f"{name} ({seconds:g} s) must be shorter than {next_name} ({next_seconds:g} s).",
            hint="Restore the times in leadmachine/settings.py, capi/linkedin.py and capi/claiming.py.",
            id="capi.E006",
        )
        for (name, seconds), (next_name, next_seconds) in pairwise(timing_chain())
        if seconds >= next_seconds
    ]


def timing_chain() -> Iterator[tuple[str, float]]:
    """What bounds a request and its lease, shortest first, in seconds."""
    from capi.claiming import LEASE_SECONDS
    from capi.linkedin import LinkedInClient

    client = LinkedInClient.__init__.__kwdefaults__ or {}
    yield "the time to connect", client["connect_timeout"]
    yield "the longest silence of LinkedIn", client["read_timeout"]
    yield "the whole request", client["wall_clock"]
    yield "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT", settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT
    yield "CELERY_TASK_SOFT_TIME_LIMIT", settings.CELERY_TASK_SOFT_TIME_LIMIT
    yield "CELERY_TASK_TIME_LIMIT", settings.CELERY_TASK_TIME_LIMIT
    yield "the lease of an event", LEASE_SECONDS
    yield "CELERY_VISIBILITY_TIMEOUT", settings.CELERY_VISIBILITY_TIMEOUT


@register()
def check_tasks(**kwargs: Any) -> list[CheckMessage]:
    """A nudge must outlive the worker that took it; a result or a pickle must never reach the broker."""
    wanted = {
        "CELERY_TASK_ACKS_LATE": True,
        "CELERY_TASK_REJECT_ON_WORKER_LOST": True,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS": False,
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_TASK_PUBLISH_RETRY": False,
        "CELERY_BROKER_CONNECTION_MAX_RETRIES": None,
    }
    wrong = [name for name, value in wanted.items() if getattr(settings, name, _NOT_SET) != value]
    if (
        settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("visibility_timeout")
        != settings.CELERY_VISIBILITY_TIMEOUT
    ):
        wrong.append("CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout']")
    wrong += [
        f"CELERY_BROKER_TRANSPORT_OPTIONS[{name!r}]"
        for name in _NEVER_WITHOUT
        if not settings.CELERY_BROKER_TRANSPORT_OPTIONS.get(name)
    ]
    if any(database.get("ATOMIC_REQUESTS") for database in settings.DATABASES.values()):
        # A request would commit after its nudge has left, and the worker would find nothing.
        wrong.append("ATOMIC_REQUESTS")
    return [
        Error(
            f"{name} is not what delivery stands on.",
            hint="Restore it in leadmachine/settings.py.",
            id="capi.E007",
        )
        for name in wrong
    ]


@register()
def check_failpoint(**kwargs: Any) -> list[CheckMessage]:
    """For tests of crashes; a worker that has it kills itself again and again."""
    if not os.environ.get(failpoints.VARIABLE):
        return []
    text = f"{failpoints.VARIABLE} is set: a process that delivers kills itself on purpose."
    return [checks.Warning(text, hint=f"Unset {failpoints.VARIABLE}.", id="capi.W003")]
