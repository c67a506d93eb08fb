"""The long form of test_fuzz: each operation as three callers, alone and in a row. `make fuzz`; some minutes.

Some 6,000 requests alone and 1,000 in scenarios, in which what one answers is what the next one asks for. The same at
every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode

from crm.actions import people
from crm.models import Company, Lead, User
from tests.crm.api.test_fuzz import (  # noqa: F401  fixtures of the short form
    LOOKED_AT,
    application,
    description,
    fuzz_all,
    own_folder,
    records,
)
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

CALLERS: Final = ("every scope", "key: read", "agent, signed in")
EXAMPLES: Final = 10
SCENARIOS: Final = 40
STEPS: Final = 8
# Of the first part alone: all three callers together send three times as many.
LEAST: Final = 1700
_TOKEN: Final = "a" * 32


@pytest.fixture(autouse=True)
def no_limit(settings: Any) -> None:
    """So many at once are not what is tested here."""
    settings.API_RATE = 0


@pytest.fixture(params=CALLERS)
def caller(
    request: pytest.FixtureRequest, company: Company, client_of: Callable[[User], Client]
) -> dict[str, Any]:
    """The headers and cookies of who asks."""
    if request.param == CALLERS[-1]:
        agent = UserFactory(email="bob@acme.test", company=company, role="agent")
        Lead.objects.update(owner=agent)
        cookies = {name: morsel.value for name, morsel in client_of(agent).cookies.items()}
        return {"cookies": {**cookies, "csrftoken": _TOKEN}, "headers": {"X-CSRFToken": _TOKEN}}
    scopes = ["read"] if request.param == "key: read" else ["read", "write", "admin"]
    secret = people.create_api_key(company, "Fuzz", scopes).secret
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def test_every_answer_is_as_described(
    application: WSGIHandler,  # noqa: F811
    company: Company,
    records: dict[str, str],  # noqa: F811
    caller: dict[str, Any],
) -> None:
    count = sum(fuzz_all(application, records, mode, caller, EXAMPLES) for mode in GenerationMode)
    assert count >= LEAST


def test_what_one_answers_may_be_asked_of_the_next(
    application: WSGIHandler,  # noqa: F811
    company: Company,
    records: dict[str, str],  # noqa: F811
    caller: dict[str, Any],
) -> None:
    class Scenario(description(application).as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return caller

        def validate_response(self, response: Any, case: Any, *args: Any, **options: Any) -> None:
            case.validate_response(response, checks=LOOKED_AT)

    Scenario.run(
        settings=hypothesis_settings(
            max_examples=SCENARIOS,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
