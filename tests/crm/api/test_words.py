"""`statuses/`, `types/`, `tags/`, `pipelines/` and `stages/`: added, changed, put in order, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.models import Company, Lead, LeadStatus, Pipeline, Stage, User
from tests.crm.api.caller import Api, attrs
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db

NEW: dict[str, dict[str, Any]] = {
    "statuses/": {"name": "Parked", "category": "lost", "colour": "teal", "position": 1},
    "types/": {"name": "Fair", "priority": 1, "position": 0},
    "tags/": {"name": "Big", "colour": "teal"},
    "pipelines/": {"name": "Partners", "counts_as_sales": True, "position": 0},
    "stages/": {"name": "Pilot", "kind": "open", "probability": 60, "position": 2, "pipeline": "sales"},
}


@pytest.mark.parametrize("path", NEW)
def test_a_word_is_added_changed_and_deleted(api: Api, path: str) -> None:
    made = api.post(path, NEW[path])
    assert made.status_code == 201, made.content
    assert {name: made.json()[name] for name in NEW[path]} == NEW[path]
    place = f"{path}{made.json()['id']}/"
    changed = api.patch(place, {"name": "Other"})
    assert changed.json() == {**made.json(), "name": "Other"}
    assert api.delete(place).status_code == 204
    assert api.get(place).status_code == 404


@pytest.mark.parametrize("path", NEW)
def test_changing_words_takes_the_scope_admin(
    company: Company, caller_of: Callable[..., Api], session_of: Any, agent: User, path: str
) -> None:
    for caller in (caller_of(company, "read", "write"), session_of(agent)):
        assert caller.get(path).status_code == 200
        assert caller.post(path, NEW[path]).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "attr"),
    [
        ("statuses/", {}, "name"),
        ("statuses/", {"name": "Won"}, "name"),
        ("statuses/", {"name": "X", "category": "maybe"}, "category"),
        ("statuses/", {"name": "X", "colour": "red"}, "colour"),
        ("statuses/", {"name": "X", "key": "x"}, "key"),
        ("types/", {"name": "X", "priority": 4}, "priority"),
        ("tags/", {"name": "vip"}, "name"),
        ("tags/", {"name": "a\x00b"}, "name"),
        ("pipelines/", {"name": "X", "template": "Nope"}, "template"),
        ("stages/", {"name": "X"}, "pipeline"),
        ("stages/", {"name": "X", "pipeline": "nope"}, "pipeline"),
        ("stages/", {"name": "X", "pipeline": "sales", "probability": 101}, "probability"),
    ],
)
def test_a_word_that_will_not_do_is_refused_by_field(
    api: Api, path: str, body: dict[str, Any], attr: str
) -> None:
    answer = api.post(path, body)
    assert answer.status_code == 400
    assert attr in attrs(answer)


def test_a_status_with_leads_needs_a_place_for_them(api: Api, company: Company) -> None:
    contacted, lost = LeadStatus.objects.get(key="contacted"), LeadStatus.objects.get(key="lost")
    LeadFactory(company=company, status=contacted)
    place = f"statuses/{contacted.pk}/"
    assert attrs(api.delete(place)) == ["move_to"]
    for nowhere in ("x", str(company.pk), "%00"):
        assert attrs(api.delete(f"{place}?move_to={nowhere}")) == ["move_to"]
    assert attrs(api.delete(f"{place}?to={lost.pk}")) == ["to"]
    assert Lead.objects.get().status == contacted
    assert api.delete(f"{place}?move_to={lost.pk}").status_code == 204
    assert Lead.objects.get().status == lost


def test_what_the_company_needs_stays(api: Api) -> None:
    for path, key, model in (
        ("statuses", "new", LeadStatus),
        ("stages", "closed-lost", Stage),
    ):
        word = model.objects.filter(key=key)[0]
        answer = api.delete(f"{path}/{word.pk}/")
        assert answer.status_code == 400
        assert model.objects.filter(pk=word.pk).exists()


def test_a_pipeline_and_a_template_are_said_once(api: Api) -> None:
    sales = Pipeline.objects.get(key="sales")
    assert attrs(api.patch(f"pipelines/{sales.pk}/", {"template": "Upsell"})) == ["template"]
    stage = sales.stages.all()[0]
    assert attrs(api.patch(f"stages/{stage.pk}/", {"pipeline": "upsell"})) == ["pipeline"]


def test_a_pipeline_starts_from_a_template(api: Api) -> None:
    made = api.post("pipelines/", {"name": "Partners", "template": "Renewal"}).json()
    assert [stage["key"] for stage in made["stages"]] == ["upcoming", "in-talks", "renewed", "not-renewed"]
    assert made["counts_as_sales"] is False
