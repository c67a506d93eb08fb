"""`tasks/`: everything comes back as it was said, strangers stay out, and wrong fields are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.actions import tasks
from crm.models import Company, Lead, Task, User
from tests.crm.api.caller import Api, attrs
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(company: Company) -> Lead:
    return LeadFactory(company=company)


def created(api: Api, **body: Any) -> Any:
    response = api.post("tasks/", {"title": "Call"} | body)
    assert response.status_code == 201, response.content
    return response.json()


def test_everything_said_of_a_task_comes_back(api: Api, lead: Lead, owner: User, agent: User) -> None:
    said = {
        "title": "Call",
        "notes": "About the dock",
        "due_on": "2030-01-02",
        "due_time": "15:30",
        "priority": "high",
        "lead": str(lead.pk),
        "deal": None,
        "assignees": ["alice@acme.test", "bob@acme.test"],
        "subtasks": [{"title": "Find the number", "done": True}, {"title": "Ring", "done": False}],
        "done": False,
    }
    shown = created(api, **said)
    assert {name: shown[name] for name in said} == said
    rest = {"done_at": None, "done_by": None, "overdue": False}
    assert {name: shown[name] for name in rest} == rest
    assert set(shown) - set(said) - set(rest) == {"id", "created_at", "updated_at"}
    assert api.get(f"tasks/{shown['id']}/").json() == shown


def test_a_task_is_done_and_opened_again_by_a_patch(api: Api) -> None:
    task = created(api)
    done = api.patch(f"tasks/{task['id']}/", {"done": True}).json()
    assert done["done"]
    assert done["done_at"]
    assert api.get("tasks/?done=false").json()["results"] == []
    assert not api.patch(f"tasks/{task['id']}/", {"done": False}).json()["done"]


def test_late_ones_are_found(api: Api) -> None:
    late = created(api, due_on="2020-01-01")
    created(api, due_on="2199-01-01")
    assert late["overdue"]
    assert [row["id"] for row in api.get("tasks/?overdue=true").json()["results"]] == [late["id"]]
    assert len(api.get("tasks/?overdue=false").json()["results"]) == 1


def test_filters_and_orders(api: Api, lead: Lead, agent: User, company: Company) -> None:
    deal = DealFactory(company=company, lead=lead)
    first = created(api, lead=str(lead.pk), assignees=["bob@acme.test"], due_on="2030-01-02")
    second = created(api, deal=str(deal.pk), priority="low", title="Send the quote")
    for query, wanted in {
        f"lead={lead.pk}": [first],
        f"deal={deal.pk}": [second],
        "assignee=bob@acme.test": [first],
        "priority=low": [second],
        "search=quote": [second],
        "ordering=due_on": [first, second],
        "ordering=-due_on": [second, first],
    }.items():
        found = api.get(f"tasks/?{query}").json()["results"]
        assert [row["id"] for row in found] == [row["id"] for row in wanted], query


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"title": ""}, "title"),
        ({"title": 7}, "title"),
        ({"due_on": "02.01.2030"}, "due_on"),
        ({"due_time": "25:00", "due_on": "2030-01-02"}, "due_time"),
        ({"due_time": "15:30"}, "due_on"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": ["high"]}, "priority"),
        ({"assignees": ["nobody@acme.test"]}, "assignees.0"),
        ({"lead": "01890000-0000-7000-8000-000000000000"}, "lead"),
        ({"subtasks": [{"title": ""}]}, "subtasks.0.title"),
        ({"done_at": "2026-01-01T00:00:00Z"}, "done_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], attr: str) -> None:
    response = api.post("tasks/", {"title": "Call"} | body)
    assert response.status_code == 400
    assert attrs(response) == [attr]
    assert not Task.objects.exists()


def test_a_task_is_deleted(api: Api) -> None:
    task = created(api)
    assert api.client.delete(f"/api/v1/tasks/{task['id']}/").status_code == 204
    assert not Task.objects.exists()


def test_an_agent_takes_tasks_and_gives_none_away(
    session_of: Callable[[User], Api], company: Company, owner: User, agent: User
) -> None:
    bob = session_of(agent)
    hers = tasks.create_task(company, {"title": "Hers", "assignees": [owner]}, SHELL)
    assert bob.get("tasks/").json()["results"] == []
    assert bob.get(f"tasks/{hers.pk}/").status_code == 404
    assert created(bob)["assignees"] == ["bob@acme.test"]
    refused = bob.post("tasks/", {"title": "Yours", "assignees": ["alice@acme.test"]})
    assert (refused.status_code, attrs(refused)) == (400, ["assignees"])


def test_an_agent_may_give_a_task_up(session_of: Callable[[User], Api], agent: User, owner: User) -> None:
    bob = session_of(agent)
    task = created(bob)
    assert bob.patch(f"tasks/{task['id']}/", {"assignees": []}).status_code == 200
    assert bob.get(f"tasks/{task['id']}/").status_code == 404
