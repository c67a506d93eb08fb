"""`leads/bulk/`: a result for each row, and no row that loses another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from capi.models import ConversionEvent
from crm.models import Company, Lead, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db


def send(api: Api, rows: list[Any], mode: str | None = None, **headers: str) -> dict[str, Any]:
    answer = api.post("leads/bulk/", {"rows": rows} | ({"mode": mode} if mode else {}), **headers)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    assert [result["row"] for result in body["results"]] == list(range(len(rows)))
    assert body["created"] + body["updated"] + body["failed"] == len(rows)
    return body


def statuses(body: dict[str, Any]) -> list[int]:
    return [result["status"] for result in body["results"]]


def test_rows_are_added_and_changed(api: Api, company: Company) -> None:
    known = LeadFactory(company=company, external_id="crm-1", title="Buyer")
    body = send(
        api,
        [
            {"external_id": "crm-1", "title": "Head of Buying"},
            {"external_id": "crm-2", "first_name": "Ada", "email": "ada@one.test", "tags": ["VIP"]},
            {"id": str(known.pk), "country_code": "DE"},
        ],
    )
    assert statuses(body) == [200, 201, 200]
    assert (body["created"], body["updated"], body["failed"]) == (1, 2, 0)
    assert body["results"][0]["id"] == body["results"][2]["id"] == str(known.pk)
    known.refresh_from_db()
    assert (known.title, known.country_code) == ("Head of Buying", "DE")
    ada = api.get(f"leads/{body['results'][1]['id']}/").json()
    assert (ada["email"], ada["tags"]) == ("ada@one.test", ["VIP"])


def test_a_bad_row_never_loses_the_others(api: Api) -> None:
    body = send(
        api,
        [
            {"first_name": "Ada", "email": "ada@one.test"},
            {"first_name": "Bob", "email": "no address", "country_code": "DEU"},
            {"frist_name": "Cid"},
            {},
            {"first_name": "Dora", "status": "nowhere"},
            {"first_name": "Eve", "email": "eve@five.test"},
        ],
    )
    assert statuses(body) == [201, 400, 400, 400, 400, 201]
    wrong = [{error["attr"] for error in result["errors"]} for result in body["results"]]
    assert wrong == [set(), {"country_code"}, {"frist_name"}, {"last_name"}, {"status"}, set()]
    assert all(result["id"] is None for result in body["results"] if result["status"] == 400)
    assert set(Lead.objects.values_list("first_name", flat=True)) == {"Ada", "Eve"}


def test_a_row_that_fails_late_leaves_nothing_behind(
    api: Api, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    RuleFactory(company=company, event="lead_created")
    from crm.actions import notifications

    def fail(lead: Lead, actor: object) -> None:
        if lead.first_name == "Bob":
            raise RuntimeError("nobody expects this")

    monkeypatch.setattr(notifications, "lead_assigned", fail)
    body = send(api, [{"first_name": "Ada"}, {"first_name": "Bob"}, {"first_name": "Cid"}])
    assert statuses(body) == [201, 500, 201]
    assert body["results"][1]["errors"][0]["code"] == "error"
    assert "expects" not in str(body)
    names = set(Lead.objects.values_list("first_name", flat=True))
    assert names == set(ConversionEvent.objects.values_list("lead__first_name", flat=True)) == {"Ada", "Cid"}


def test_every_row_that_is_added_is_reported(api: Api, company: Company) -> None:
    RuleFactory(company=company, event="lead_created")
    send(api, [{"first_name": f"Lead {number}"} for number in range(120)])
    assert ConversionEvent.objects.filter(event="lead_created").count() == 120


def test_the_same_person_twice_is_added_once(api: Api) -> None:
    body = send(api, [{"external_id": "a", "first_name": "Ada"}, {"external_id": "a", "title": "Buyer"}])
    assert statuses(body) == [201, 200]
    lead = Lead.objects.get()
    assert (lead.first_name, lead.title) == ("Ada", "Buyer")


def test_create_only_adds(api: Api, company: Company) -> None:
    known = LeadFactory(company=company, external_id="crm-1")
    rows = [{"external_id": "crm-1", "first_name": "Other"}, {"id": str(known.pk)}, {"first_name": "New"}]
    body = send(api, rows, "create")
    assert statuses(body) == [400, 400, 201]
    assert [error["attr"] for error in body["results"][0]["errors"]] == ["external_id"]
    assert [error["attr"] for error in body["results"][1]["errors"]] == ["id"]


def test_update_only_changes(api: Api, company: Company) -> None:
    LeadFactory(company=company, external_id="crm-1")
    rows = [
        {"external_id": "crm-1", "title": "CEO"},
        {"external_id": "crm-2", "title": "CEO"},
        {"title": "CEO"},
        {"id": str(uuid4()), "title": "CEO"},
    ]
    body = send(api, rows, "update")
    assert statuses(body) == [200, 404, 400, 404]
    assert Lead.objects.count() == 1


def test_another_company_s_lead_is_a_missing_one(api: Api, other_company: Company) -> None:
    from crm.tenancy import company_scope

    with company_scope(other_company):
        theirs = LeadFactory(company=other_company, external_id="crm-1", title="CEO")
    body = send(api, [{"id": str(theirs.pk), "title": "Owned"}, {"external_id": "crm-1", "title": "Ours"}])
    assert statuses(body) == [404, 201]
    with company_scope(other_company):
        theirs.refresh_from_db()
        assert theirs.title == "CEO"


def test_an_agent_writes_their_own_rows_only(
    company: Company, owner: User, agent: User, session_of: Callable[[User], Api]
) -> None:
    theirs = LeadFactory(company=company, owner=owner, external_id="crm-1", title="CEO")
    body = send(
        session_of(agent),
        [
            {"first_name": "Mine"},
            {"first_name": "Given away", "owner": "alice@acme.test"},
            {"id": str(theirs.pk), "title": "Stolen"},
            {"external_id": "crm-1", "title": "Stolen"},
        ],
    )
    assert statuses(body) == [201, 400, 404, 400]
    assert Lead.objects.get(first_name="Mine").owner == agent
    theirs.refresh_from_db()
    assert theirs.title == "CEO"


def test_repeated_with_its_key_it_is_done_once(api: Api) -> None:
    rows = [{"first_name": "Ada"}, {"email": "nothing"}]
    first = send(api, rows, Idempotency_Key="bulk-1")
    assert send(api, rows, Idempotency_Key="bulk-1") == first
    assert Lead.objects.count() == 1
    other = api.post("leads/bulk/", {"rows": rows[:1]}, Idempotency_Key="bulk-1")
    assert code(other, 409) == "key_reused"


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({}, "rows"),
        ({"rows": []}, "rows"),
        ({"rows": [{"first_name": "A"}] * 1001}, "rows"),
        ({"rows": [7]}, "rows.0"),
        ({"rows": [{"first_name": "A"}], "mode": "merge"}, "mode"),
        ({"rows": [{"first_name": "A"}], "sure": True}, "sure"),
    ],
)
def test_a_body_that_is_wrong_as_a_whole_writes_nothing(api: Api, body: dict[str, Any], attr: str) -> None:
    assert attrs(api.post("leads/bulk/", body)) == [attr]
    assert not Lead.objects.exists()


def test_it_takes_the_scope_write(company: Company, owner: User, caller_of: Callable[..., Api]) -> None:
    assert code(caller_of(company, "read").post("leads/bulk/", {"rows": [{"first_name": "A"}]}), 403)


def test_what_rows_name_is_looked_up_once(api: Api, company: Company) -> None:
    def queries(count: int, prefix: str) -> int:
        rows = [
            {
                "external_id": f"{prefix}-{number}",
                "first_name": "Ada",
                "email": f"{prefix}{number}@one.test",
                "status": "contacted",
                "type": "referral",
                "owner": "alice@acme.test",
            }
            for number in range(count)
        ]
        with CaptureQueriesContext(connection) as seen:
            send(api, rows)
        return len(seen)

    few, many = queries(10, "few"), queries(60, "many")
    assert (many - few) / 50 <= 16
