"""`views/`: lists under a name; private ones are nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.models import Company, SavedView, User
from tests.crm.api.caller import Api, attrs

pytestmark = pytest.mark.django_db

SAID = {
    "entity": "lead",
    "name": "Winners",
    "query": "view=all&status=won&col=owner&sort=-touch",
    "is_pinned": True,
    "is_locked": False,
    "is_default": False,
}


def created(api: Api, **said: Any) -> Any:
    response = api.post("views/", SAID | said)
    assert response.status_code == 201, response.content
    return response.json()


def test_everything_said_of_a_view_comes_back(owner: User, session_of: Callable[[User], Api]) -> None:
    shown = created(session_of(owner))
    assert {name: shown[name] for name in SAID} == SAID
    assert (shown["owner"], shown["is_shared"]) == (owner.email, False)


def test_a_view_is_changed_and_deleted(owner: User, session_of: Callable[[User], Api]) -> None:
    api = session_of(owner)
    path = f"views/{created(api)['id']}/"
    assert api.patch(path, {"name": "Lost", "query": "status=lost"}).json()["query"] == "status=lost"
    assert api.patch(path, {"is_locked": True}).status_code == 200
    assert attrs(api.patch(path, {"query": "status=won"})) == [None]
    assert attrs(api.delete(path)) == [None]
    assert api.patch(path, {"is_locked": False}).status_code == 200
    assert api.delete(path).status_code == 204
    assert not SavedView.objects.exists()


def test_what_a_key_makes_is_shared(api: Api, agent: User, session_of: Callable[[User], Api]) -> None:
    shown = created(api)
    assert (shown["owner"], shown["is_shared"]) == (None, True)
    bob = session_of(agent)
    assert [view["id"] for view in bob.get("views/").json()["results"]] == [shown["id"]]
    assert bob.patch(f"views/{shown['id']}/", {"name": "Mine"}).status_code == 403
    assert bob.delete(f"views/{shown['id']}/").status_code == 403


def test_private_views_are_not_found_by_others(
    api: Api, owner: User, agent: User, session_of: Callable[[User], Api]
) -> None:
    shown = created(session_of(owner))
    for other in (api, session_of(agent)):
        assert other.get(f"views/{shown['id']}/").status_code == 404
        assert other.get("views/").json()["results"] == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"entity": "pipe"}, "entity"),
        ({"name": ""}, "name"),
        ({"query": "x" * 2001}, "query"),
        ({"name": "a\x00b"}, "name"),
        ({"owner": "alice@acme.test"}, "owner"),
    ],
)
def test_wrong_fields_are_named(api: Api, company: Company, wrong: dict[str, Any], named: str) -> None:
    assert attrs(api.post("views/", SAID | wrong)) == [named]
