"""`custom-fields/`, and `custom{}` on leads and deals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.models import Company, CustomField
from tests.crm.api.caller import Api, attrs

pytestmark = pytest.mark.django_db
NEW = {"entity": "lead", "name": "Plan", "kind": "choice", "options": ["Basic", "Pro"], "position": 0}


def test_a_field_is_added_changed_and_deleted(api: Api) -> None:
    made = api.post("custom-fields/", NEW)
    assert made.status_code == 201, made.content
    assert {name: made.json()[name] for name in NEW} == NEW
    assert made.json()["key"] == "plan"
    place = f"custom-fields/{made.json()['id']}/"
    assert api.patch(place, {"name": "Tariff"}).json() == {**made.json(), "name": "Tariff"}
    assert attrs(api.patch(place, {"kind": "text"})) == ["kind"]
    assert api.get("custom-fields/?entity=deal").json()["results"] == []
    assert api.delete(place).status_code == 204
    assert not CustomField.objects.exists()


def test_changing_fields_takes_the_scope_admin(company: Company, caller_of: Callable[..., Api]) -> None:
    writer = caller_of(company, "read", "write")
    assert writer.get("custom-fields/").status_code == 200
    assert writer.post("custom-fields/", NEW).status_code == 403


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({}, "entity"),
        ({**NEW, "entity": "user"}, "entity"),
        ({**NEW, "kind": "blob"}, "kind"),
        ({**NEW, "options": []}, "options"),
        ({**NEW, "options": "Pro"}, "options"),
        ({**NEW, "key": "mine"}, "key"),
        ({**NEW, "name": "x" * 41}, "name"),
    ],
)
def test_a_field_that_will_not_do_is_refused_by_name(api: Api, body: dict[str, Any], attr: str) -> None:
    assert attr in attrs(api.post("custom-fields/", body))
    assert not CustomField.objects.exists()


@pytest.mark.parametrize("path", ["leads/", "deals/"])
def test_values_come_back_as_they_are_stored(api: Api, path: str) -> None:
    entity = path.removesuffix("s/")
    for kind in ("number", "yes_no", "date", "text"):
        api.post("custom-fields/", {"entity": entity, "name": kind, "kind": kind})
    api.post("custom-fields/", {**NEW, "entity": entity, "kind": "choices"})
    who = {"last_name": "Quist"} if entity == "lead" else {"title": "Docks"}
    custom = {"number": 5, "yes_no": False, "date": "2026-02-28", "text": "x", "plan": ["Pro"]}
    made = api.post(path, {**who, "custom": custom})
    assert made.status_code == 201, made.content
    assert made.json()["custom"] == custom
    changed = api.patch(f"{path}{made.json()['id']}/", {"custom": {"number": None, "text": "y"}})
    assert changed.json()["custom"] == {"yes_no": False, "date": "2026-02-28", "text": "y", "plan": ["Pro"]}
    assert api.get(f"{path}{made.json()['id']}/").json()["custom"] == changed.json()["custom"]


@pytest.mark.parametrize(
    ("value", "attr"),
    [([], "custom"), ("x", "custom"), ({"nope": 1}, "custom.nope"), ({"budget": "x"}, "custom.budget")],
)
def test_a_wrong_value_is_refused_by_its_key(api: Api, value: object, attr: str) -> None:
    api.post("custom-fields/", {"entity": "lead", "name": "Budget", "kind": "number"})
    assert attrs(api.post("leads/", {"last_name": "Quist", "custom": value})) == [attr]


@pytest.mark.parametrize("path", ["leads/", "deals/"])
def test_lists_are_filtered_by_own_fields(api: Api, path: str) -> None:
    entity = path.removesuffix("s/")
    api.post("custom-fields/", {"entity": entity, "name": "Budget", "kind": "number"})
    api.post("custom-fields/", {**NEW, "entity": entity})
    for custom in ({"budget": 5, "plan": "Pro"}, {"budget": 6}, {}):
        who = {"last_name": "Quist"} if entity == "lead" else {"title": "Docks"}
        api.post(path, {**who, "custom": custom})

    def found(query: str) -> list[Any]:
        return [row["custom"] for row in api.get(f"{path}?ordering=created_at&{query}").json()["results"]]

    assert found("cf_budget-from=5&cf_budget-to=5.5") == [{"budget": 5, "plan": "Pro"}]
    assert found("cf_budget=6") == [{"budget": 6}]
    assert found("cf_plan=Basic,Pro") == [{"budget": 5, "plan": "Pro"}]
    page = api.get(f"{path}?cf_budget-from=1&limit=1").json()
    assert [row["custom"] for row in api.get(page["next"]).json()["results"]] == [
        {"budget": 5, "plan": "Pro"}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "cf_budget=many",
        "cf_budget-from=1e99",
        "cf_budget-to=",
        "cf_budget=1&cf_budget=2",
        "cf_budget-is=1",
        "cf_gone=1",
        "cf_plan=Free",
        "cf_=1",
        "cf_%00=1",
    ],
)
@pytest.mark.parametrize("path", ["leads/", "deals/"])
def test_a_filter_that_will_not_do_is_refused_by_its_name(api: Api, path: str, query: str) -> None:
    entity = path.removesuffix("s/")
    api.post("custom-fields/", {"entity": entity, "name": "Budget", "kind": "number"})
    api.post("custom-fields/", {**NEW, "entity": entity})
    answer = api.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert all(attr.startswith("cf_") for attr in attrs(answer))


def test_exports_take_the_filters_of_the_list(api: Api) -> None:
    api.post("custom-fields/", {"entity": "lead", "name": "Budget", "kind": "number"})
    for budget in (5, 6):
        api.post("leads/", {"last_name": "Quist", "custom": {"budget": budget}})
    answer = api.post("exports/", {"kind": "leads", "filters": {"cf_budget-from": "6"}})
    assert answer["X-Row-Count"] == "1"
    for wrong in ({"cf_budget": "many"}, {"cf_gone": "1"}):
        assert attrs(api.post("exports/", {"kind": "leads", "filters": wrong})) == ["filters"]
    assert attrs(api.post("exports/", {"kind": "deals", "filters": {"cf_budget": "6"}})) == ["filters"]
