"""What Prometheus reads at `/metrics`, with the operator's token: how delivery is doing, over all companies.

No company and no person is named. Asked for at most every 15 seconds, for it counts the whole log.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db.models import Count, Min, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from capi import claiming, versions
from capi.models import (
    Alarm,
    AppHold,
    Attempt,
    Connection,
    ConversionEvent,
    ConversionEventQuerySet,
    Status,
    Worker,
)
from crm.tenancy import every_company

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
KEPT_SECONDS: Final = 15
_HOUR: Final = timedelta(hours=1)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures; 404 while METRICS_TOKEN is not set, 401 for whoever does not know it."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, settings.METRICS_TOKEN.encode()):
        return HttpResponse(
            "Send METRICS_TOKEN as the bearer token.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": "Bearer"},
        )
    text = cache.get_or_set("metrics", exposition, KEPT_SECONDS)
    return HttpResponse(text, content_type=CONTENT_TYPE)


def exposition() -> str:
    """Every figure, in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Delivery())
    with every_company():
        return generate_latest(registry).decode()


class _Delivery(Collector):
    """Asks the database, at the moment of asking."""

    def describe(self) -> list[Metric]:
        return []  # or the registry would collect once more when this is registered

    def collect(self) -> Iterator[Metric]:
        yield from _events()
        yield from _attempts()
        yield from _lines()
        yield _alarms()
        yield from _installation()


def _events() -> Iterator[Metric]:
    now = timezone.now()
    events = ConversionEvent.objects.real().order_by()
    counts = GaugeMetricFamily(
        "leadmachine_events",
        "Conversion events in the log, by status and reason.",
        labels=["status", "reason"],
    )
    for row in events.values("status", "reason").annotate(count=Count("pk")):
        counts.add_metric([row["status"], row["reason"]], row["count"])
    yield counts
    due = events.filter(status=Status.PENDING, next_attempt_at__lte=now, erasure=None)
    yield _one("leadmachine_oldest_due_seconds", "How long the oldest event has been due.", _age(due, now))
    waiting = Connection.objects.filter(waits_until__gt=now)
    yield _one(
        "leadmachine_oldest_ready_seconds",
        "How long the oldest event has been due whose connection does not wait for LinkedIn.",
        _age(due.exclude(company__in=waiting.values("company")), now),
    )
    broken = Connection.objects.filter(breaker_open=True)
    stuck = Q(status=Status.HELD) | Q(status=Status.PENDING, company__in=broken.values("company"))
    first = events.filter(stuck, expires_at__gt=now).aggregate(first=Min("expires_at"))["first"]
    if first:
        left = (first - now).total_seconds()
        yield _one(
            "leadmachine_fuse_seconds",
            "Until the first event that is held, or that LinkedIn does not answer for, is too old.",
            left,
        )
    unknown = events.filter(unknown_outcomes__gt=0).aggregate(sum=Sum("unknown_outcomes"))
    yield _one(
        "leadmachine_unknown_outcomes",
        "Times that LinkedIn may have stored an event twice.",
        unknown["sum"] or 0,
    )


def _age(due: ConversionEventQuerySet, now: datetime) -> float:
    """In seconds; 0 if nothing is due."""
    first: datetime | None = due.aggregate(first=Min("next_attempt_at"))["first"]
    return (now - first).total_seconds() if first else 0.0


def _attempts() -> Iterator[Metric]:
    counts = GaugeMetricFamily(
        "leadmachine_attempts", "Requests to LinkedIn in the last hour, by outcome.", labels=["outcome"]
    )
    lately = Attempt.objects.filter(at__gte=timezone.now() - _HOUR).order_by()
    for row in lately.values("outcome").annotate(count=Count("pk")):
        counts.add_metric([row["outcome"]], row["count"])
    yield counts


def _lines() -> Iterator[Metric]:
    now = timezone.now()
    states = {"none": 0, "active": 0, "paused": 0}
    waiting, open_breakers, lowest = 0, 0, claiming.BURST
    for line in Connection.objects.all():
        states[line.state] += 1
        waiting += bool(line.waits_until and line.waits_until > now)
        open_breakers += line.breaker_open
        lowest = min(lowest, claiming.bucket_level(line, now))
    connections = GaugeMetricFamily(
        "leadmachine_connections", "Companies' connections, by state.", labels=["state"]
    )
    for state, count in states.items():
        connections.add_metric([state], count)
    yield connections
    yield _one("leadmachine_connections_waiting", "Connections that wait after a failure or a 429.", waiting)
    yield _one("leadmachine_breakers_open", "Connections whose breaker is open.", open_breakers)
    yield _one("leadmachine_bucket_lowest", "Requests left in the emptiest token bucket.", lowest)


def _alarms() -> Metric:
    alarms = GaugeMetricFamily("leadmachine_alarms", "Alarms that are open, by kind.", labels=["kind"])
    for row in Alarm.objects.filter(ended_at=None).order_by().values("kind").annotate(count=Count("pk")):
        alarms.add_metric([row["kind"]], row["count"])
    return alarms


def _installation() -> Iterator[Metric]:
    now = timezone.now()
    left = versions.days_left(settings.LINKEDIN_VERSION, now.date())
    if left is not None:
        yield _one("leadmachine_api_version_days", "Days that LinkedIn still serves LINKEDIN_VERSION.", left)
    refused = AppHold.objects.exclude(held_reason="").count()
    yield _one("leadmachine_app_holds", "Whether LinkedIn refuses LINKEDIN_VERSION: all is held.", refused)
    ages = GaugeMetricFamily(
        "leadmachine_worker_age_seconds",
        "Since a machine last asked for something to deliver.",
        labels=["worker"],
    )
    for worker in Worker.objects.all():
        ages.add_metric([worker.name], (now - worker.asked_at).total_seconds())
    yield ages


def _one(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)
