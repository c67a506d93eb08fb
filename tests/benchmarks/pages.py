"""The pages people look at all day, for four of them at once, beside a bare Django page with the same 50 rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.models import Company, Deal, Lead, User
from crm.tenancy import company_scope
from tests.benchmarks.load import Ask, Target, measure
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

BARE = "bare page, 50 rows"
LEADS_LOOKED_AT = 200


def pages(stage: Stage, company: Company, user: User, *, rounds: int, seconds: float) -> list[Row]:
    """Latency, queries and rate of each page."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    headers = {
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    }
    paths = _paths(company)
    targets = {name: Target(stage.web, _in_turn(some), headers) for name, some in paths.items()}
    targets[BARE] = Target(stage.bare_web, lambda number: Ask("/leads/"))
    seen = measure(targets, rounds=rounds, seconds=seconds)
    bare = seen[BARE]
    rows = [
        Row(
            name,
            found.p50,
            found.p95,
            queries=_queries(client, paths[name][0]),
            rate=found.rate,
            beside=BARE,
            beside_rate=bare.rate,
        )
        for name, found in seen.items()
        if name != BARE
    ]
    return [*rows, Row(f"({BARE})", bare.p50, bare.p95, queries=2, rate=bare.rate)]


def _paths(company: Company) -> Mapping[str, list[str]]:
    """Every page with the addresses asked for in turn."""
    with company_scope(company):
        # Spread over the whole history, for what is read all day is not what was just written.
        leads = list(Lead.objects.order_by("?")[:LEADS_LOOKED_AT])
        deals = list(Deal.objects.order_by("?")[:LEADS_LOOKED_AT])
    words = sorted({lead.last_name for lead in leads if lead.last_name})[:20]
    return {
        "Page: leads": ["/leads/"],
        "Page: leads, search": [
            f"/leads/?search={word}" for word in words if word.isascii() and word.isalpha()
        ],
        "Page: leads, by name, page 40": ["/leads/?view=all&sort=name&page=40"],
        "Page: lead": [f"/leads/{lead.pk}/" for lead in leads],
        "Page: board": ["/deals/"],
        "Page: deals": ["/deals/?view=list"],
        "Page: deal": [f"/deals/{deal.pk}/" for deal in deals],
        "Page: organizations": ["/organizations/"],
        "Page: tasks": ["/tasks/"],
        "Page: search everywhere": [
            f"/search/?q={word}" for word in words if word.isascii() and word.isalpha()
        ],
        "Page: home": ["/"],
        "Page: reports": ["/reports/"],
        "Page: events log": ["/linkedin/events/"],
    }


def _in_turn(paths: Sequence[str]) -> Callable[[int], Ask]:
    return lambda number: Ask(paths[number % len(paths)])


def _queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}.")
    return len(captured)
