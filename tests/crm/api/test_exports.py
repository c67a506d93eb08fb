"""`exports/`: files of leads and deals."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from crm.models import AuditEntry, Company, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import DealFactory, LeadFactory


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, b"".join(answer)
    return list(csv.DictReader(StringIO(b"".join(answer).decode(), newline="")))


def test_it_answers_with_what_the_filters_find(company: Company, api: Api) -> None:
    LeadFactory(company=company, last_name="Berg", source="Fair")
    LeadFactory(company=company, last_name="Zorn", source="Web")
    answer = api.post("exports/", {"kind": "leads", "filters": {"source": "Fair"}})
    assert answer["X-Row-Count"] == "1"
    assert "-1-rows.csv" in answer["Content-Disposition"]
    assert [row["Last name"] for row in rows_of(answer)] == ["Berg"]
    answer = api.post("exports/", {"kind": "leads", "filters": {"search": "zorn"}})
    assert [row["Last name"] for row in rows_of(answer)] == ["Zorn"]


def test_a_key_that_reads_is_enough(company: Company, caller_of: Callable[..., Api]) -> None:
    DealFactory(company=company, title="Docks")
    answer = caller_of(company, "read").post("exports/", {"kind": "deals", "columns": "shown"})
    assert [row["Deal"] for row in rows_of(answer)] == ["Docks"]
    assert AuditEntry.objects.get(action="deals_exported").channel == "api"
    assert code(caller_of(company, "capture").post("exports/", {"kind": "deals"}), 403)


def test_an_agent_gets_their_own(
    company: Company, owner: User, agent: User, session_of: Callable[[User], Api]
) -> None:
    LeadFactory(company=company, owner=owner, last_name="Theirs")
    LeadFactory(company=company, owner=agent, last_name="Mine")
    answer = session_of(agent).post("exports/", {"kind": "leads"})
    assert [row["Last name"] for row in rows_of(answer)] == ["Mine"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "kind"),
        ({"kind": "users"}, "kind"),
        ({"kind": "leads", "format": "pdf"}, "format"),
        ({"kind": "leads", "filters": {"nope": "x"}}, "filters"),
        ({"kind": "leads", "filters": {"status": "nope"}}, "status"),
        ({"kind": "leads", "filters": {"consent": "nope"}}, "filters"),
        ({"kind": "leads", "filters": {"search": "x" * 201}}, "filters"),
        ({"kind": "leads", "filters": ["status"]}, "filters"),
        ({"kind": "leads", "more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named(api: Api, body: dict[str, Any], named: str) -> None:
    assert attrs(api.post("exports/", body)) == [named]
