"""Whatever is sent, the answer is one that the OpenAPI description has. Some 200 requests, the same at every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from capi.models import Rule
from crm.actions import people, tasks
from crm.actor import SYSTEM
from crm.models import Company, User
from tests.factories import DealFactory, LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db

EXAMPLES = 3
LOOKED_AT = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
]


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    """Where files go that are to be imported."""
    settings.DATA_DIR = tmp_path


@pytest.fixture
def application() -> Iterator[WSGIHandler]:
    """The product as the web server calls it, on the connection of the test; Django's own test client does the same."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def records(company: Company, owner: User) -> dict[str, str]:
    """A record for each path that wants an id."""
    lead = LeadFactory(company=company)
    rule: Rule = RuleFactory(company=company)
    deal = DealFactory(company=company, lead=lead)
    event = rule.events.first()
    return {
        "/api/v1/leads/{id}": str(lead.pk),
        "/api/v1/deals/{id}": str(deal.pk),
        "/api/v1/tasks/{id}": str(tasks.create_task(company, {"title": "Call", "lead": lead}, SYSTEM).pk),
        "/api/v1/capi/rules/{id}": str(rule.pk),
        "/api/v1/capi/events/{id}": str(event.pk) if event else "",
    }


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
def test_every_answer_is_as_described(
    application: WSGIHandler,
    company: Company,
    records: dict[str, str],
    mode: GenerationMode,
) -> None:
    secret = people.create_api_key(company, "Fuzz", ["read", "write", "admin"]).secret
    caller = {"headers": {"Authorization": f"Bearer {secret}"}}
    fuzz_all(application, records, mode, caller, EXAMPLES)


def description(application: WSGIHandler) -> Any:
    """The OpenAPI description, as the product serves it."""
    described = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    rejection = described.config.checks.negative_data_rejection
    rejection.expected_statuses = [*rejection.expected_statuses, "412"]  # a made-up If-Match is judged first
    return described


def fuzz_all(
    application: WSGIHandler,
    records: dict[str, str],
    mode: GenerationMode,
    caller: dict[str, Any],
    examples: int,
) -> int:
    """Send so many requests to each operation, about what is there; returns how many it were.

    `caller` has the headers and cookies of whoever asks.
    """
    count = 0
    for found in description(application).get_all_operations():
        operation = found.ok()
        known = next((pk for path, pk in records.items() if operation.path.startswith(path)), None)
        count += _fuzz(operation, mode, caller, {"id": known} if known else None, examples)
    return count


def _fuzz(
    operation: Any, mode: GenerationMode, caller: dict[str, Any], path: dict[str, str] | None, examples: int
) -> int:
    sent: list[str] = []

    @hypothesis_settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=path))
    def is_as_described(case: Any) -> None:
        sent.append(case.method)
        case.call_and_validate(**caller, checks=LOOKED_AT)

    is_as_described()
    return len(sent)
