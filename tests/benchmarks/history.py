"""`python -m tests.benchmarks.history --events 10000000`: how a long log weighs on what must be quick.

Fills the log of 20 companies with accepted events of the past two years on a PostgreSQL of its own, adds 2,000 events
that are due in each and, with `--due`, many in one of them, and measures: claims, the page of the log, the accounts,
the metrics, a hold and its end over all that is due in one company, and a night's retention.

    python -m tests.benchmarks.history --events 2200000 --due 200000      what reliability asks for: claim p95 ≤ 20 ms
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.benchmarks.load import percentile
from tests.benchmarks.stage import Stage

if TYPE_CHECKING:
    from crm.models import Company
    from tests.benchmarks.delivery import Senders

YEARS = timedelta(days=730)
CHUNK = 20_000
DUE_EACH = 2_000
CLAIMS = 200


def main() -> int:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--due", type=int, default=0, help="so many more are due in one of the companies")
    options = parser.parse_args()
    with Stage() as stage:
        import django

        django.setup()
        from django.core.management import call_command

        from tests.benchmarks.delivery import Senders

        call_command("migrate", interactive=False, verbosity=0)
        senders = Senders.make()
        _fill(stage, senders, options.events)
        senders.fill(DUE_EACH * len(senders.companies))
        _backlog(senders, options.due)
        _vacuum()
        stage.say("Measuring …")
        for what, figure in _figures(senders):
            print(f"{what:<60} {figure}")
    return 0


def _fill(stage: Stage, senders: Senders, events: int) -> None:
    from django.db import transaction
    from django.utils import timezone

    from crm.tenancy import company_scope

    now, made, each = timezone.now(), 0, events // len(senders.companies)
    for company in senders.companies:
        with company_scope(company):
            for start in range(0, each, CHUNK):
                with transaction.atomic():
                    _chunk(senders, company, start, min(CHUNK, each - start), each, now)
        made += each
        stage.say(f"{made:,} events in the log")


def _chunk(senders: Senders, company: Any, start: int, count: int, each: int, now: Any) -> None:
    from uuid_utils.compat import uuid7

    from capi import payload
    from capi.models import ConversionEvent
    from crm.mass_insert import Table
    from tests.benchmarks.delivery import CONVERSION, LEADS_EACH

    table = Table(ConversionEvent)
    for number in range(start, start + count):
        lead, at = senders.leads[company][number % LEADS_EACH], now - YEARS * (1 - number / each)
        recent = now - at < timedelta(days=180)
        table.add(
            id=uuid7(),
            company_id=company.pk,
            rule_id=senders.rules[company].pk,
            event="lead_created",
            conversion_id=CONVERSION,
            event_id=payload.event_id(company.pk, CONVERSION, "lead_created", lead.pk, 10_000_000 + number),
            lead_id=lead.pk,
            occurrence=10_000_000 + number,
            happened_at=at,
            status="accepted",
            accepted_at=at,
            attempts=1,
            element='{"conversion":"urn:lla:llaPartnerConversion:23948811"}' if recent else "",
            identifiers=["SHA256_EMAIL"] if recent else [],
            next_attempt_at=at,
            expires_at=payload.deadline(at),
            created_at=at,
            changed_at=at,
        )
    table.flush()


def _backlog(senders: Senders, events: int) -> None:
    """Due in the first company alone."""
    from django.db import transaction
    from django.utils import timezone

    from capi.models import Lane
    from crm.tenancy import company_scope

    company, now = senders.companies[0], timezone.now()
    for start in range(0, events, CHUNK):
        senders._fillings += 1
        with company_scope(company), transaction.atomic():
            senders._fill(company, min(CHUNK, events - start), Lane.LIVE, now)


def _vacuum() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE capi_conversionevent")


def _figures(senders: Senders) -> list[tuple[str, str]]:
    from django.db import connection
    from django.utils import timezone

    from capi import accounting, erasing, log
    from capi.delivery import companies_with_work
    from capi.models import ConversionEvent
    from crm.actions.retention import apply_retention
    from crm.tenancy import company_scope, every_company
    from leadmachine.metrics import exposition

    company = senders.companies[0]
    with every_company():
        rows = ConversionEvent.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('capi_conversionevent')")
        size = cursor.fetchone()[0]
    claims, first = _claims(senders.companies), _claims([company])
    with company_scope(company):
        due = ConversionEvent.objects.due(timezone.now()).count()
        found = [
            ("Events in the log", f"{rows:,} in {size / 1e9:.1f} GB"),
            ("A claim of 100, the companies in turn", _spread(claims)),
            (f"A claim of 100 where {due:,} are due", _spread(first)),
            ("Who has work, of 20 companies", _took(companies_with_work)),
            ("The first page of the log", _took(lambda: list(ConversionEvent.objects.for_log()[: log.PAGE]))),
            ("The sentence above it, 30 days", _took(log.Summary.now)),
            ("Accounts of a company", _took(lambda: accounting.account(company))),
            (f"Holding what is due in a company ({due:,})", _took(_hold)),
            ("Letting it go", _took(_release)),
        ]
        nothing = _took(lambda: erasing.strip_settled(_long_ago(), dry_run=True))
    return [
        *found,
        ("Retention of a company that finds nothing", nothing),
        ("Retention of a company, the first night", _took(lambda: apply_retention(company))),
        ("/metrics, all companies", _took(exposition)),
    ]


def _long_ago() -> Any:
    from django.utils import timezone

    return timezone.now() - timedelta(days=3000)


def _spread(taken: list[float]) -> str:
    return f"p50 {percentile(taken, 50) * 1000:.1f} ms, p95 {percentile(taken, 95) * 1000:.1f} ms"


def _hold() -> None:
    from capi import operations
    from capi.models import Connection
    from tests.benchmarks.delivery import SHELL

    operations.pause_connection(Connection.objects.get(), SHELL)


def _release() -> None:
    from capi import operations
    from capi.models import Connection
    from tests.benchmarks.delivery import SHELL

    operations.release_connection(Connection.objects.get(), SHELL)


def _claims(companies: list[Company]) -> list[float]:
    from django.utils import timezone

    from capi.claiming import claim
    from capi.models import Connection, ConversionEvent, Status
    from crm.tenancy import company_scope

    taken = []
    for number in range(CLAIMS):
        company = companies[number % len(companies)]
        with company_scope(company):
            Connection.objects.update(bucket=20)
            started = time.perf_counter()
            batch = claim(company, timezone.now())
            taken.append(time.perf_counter() - started)
            lease = getattr(batch, "lease", None)
            ConversionEvent.objects.filter(lease=lease, status=Status.SENDING).update(
                status=Status.ACCEPTED, accepted_at=timezone.now(), lease=None, lease_until=None
            )
    return taken


def _took(work: Callable[[], object]) -> str:
    started = time.perf_counter()
    work()
    return f"{(time.perf_counter() - started) * 1000:,.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
