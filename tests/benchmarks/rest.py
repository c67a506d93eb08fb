"""The REST API, for four callers at once, beside the plainest DRF views on the same table."""

from __future__ import annotations

import json

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.actions import people
from crm.models import Company
from tests.benchmarks.load import Ask, Target, measure
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

CREATE, BARE_CREATE = "API: create lead, event recorded", "bare DRF create"
LIST, BARE_LIST = "API: list of 50 leads", "bare DRF list"
LIST_PATH = "/api/v1/leads/?limit=50"
JSON = {"Content-Type": "application/json"}


def rest(stage: Stage, company: Company, *, rounds: int, seconds: float) -> list[Row]:
    """Rates beside those of the bare views; a rule listens, so every lead that is made is recorded."""
    key = people.create_api_key(company, "Benchmark", ["read", "write"]).secret
    headers = {**JSON, "Authorization": f"Bearer {key}"}
    targets = {
        CREATE: Target(stage.web, lambda number: Ask("/api/v1/leads/", "POST", _lead(number)), headers),
        BARE_CREATE: Target(
            stage.bare_web, lambda number: Ask("/api/leads/", "POST", _bare_lead(number)), JSON
        ),
        LIST: Target(stage.web, lambda number: Ask(LIST_PATH), headers),
        BARE_LIST: Target(stage.bare_web, lambda number: Ask("/api/leads/")),
    }
    seen = measure(targets, rounds=rounds, seconds=seconds)
    client = Client(SERVER_NAME="127.0.0.1", headers={"Authorization": f"Bearer {key}"})
    with CaptureQueriesContext(connection) as creating:
        client.post("/api/v1/leads/", _lead(-1), content_type="application/json")
    with CaptureQueriesContext(connection) as listing:
        client.get(LIST_PATH)
    return [
        Row(
            name,
            seen[name].p50,
            seen[name].p95,
            queries=len(queries),
            rate=seen[name].rate,
            beside=beside,
            beside_rate=seen[beside].rate,
        )
        for name, beside, queries in ((CREATE, BARE_CREATE, creating), (LIST, BARE_LIST, listing))
    ]


def _lead(number: int) -> bytes:
    return json.dumps(
        {
            "first_name": "Jo",
            "last_name": f"Benchmark {number}",
            "email": f"jo{number}@customer.test",
            "title": "Head of Logistics",
            "country_code": "DE",
            "source": "Web form",
        }
    ).encode()


def _bare_lead(number: int) -> bytes:
    return json.dumps(
        {
            "first_name": "Jo",
            "last_name": f"Benchmark {number}",
            "title": "Head of Logistics",
            "country_code": "DE",
            "source": "Web form",
        }
    ).encode()
