"""`members/`: roles, and letting people go, through the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crm.actions import people
from crm.models import Company, Lead, Membership, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import LeadFactory, UserFactory

pytestmark = pytest.mark.django_db


def path_of(user: User, verb: str = "") -> str:
    return f"members/{Membership.objects.get(user=user).pk}/{verb}"


def test_a_role_is_changed(api: Api, agent: User) -> None:
    changed = api.patch(path_of(agent), {"role": "manager"})
    assert (changed.status_code, changed.json()["role"]) == (200, "manager")
    assert api.get(path_of(agent)).json() == changed.json()


def test_a_key_makes_and_unmakes_no_owners(api: Api, owner: User, agent: User) -> None:
    assert attrs(api.patch(path_of(agent), {"role": "owner"})) == ["role"]
    assert attrs(api.patch(path_of(owner), {"role": "agent"})) == ["role"]
    assert attrs(api.post(path_of(owner, "deactivate/"), {"hand_over": "nobody"})) == ["role"]
    assert attrs(api.patch(path_of(agent), {"role": "root"})) == ["role"]
    assert attrs(api.patch(path_of(agent), {"role": "agent", "is_active": False})) == ["is_active"]


def test_an_owner_makes_an_owner(session_of: Callable[[User], Api], owner: User, agent: User) -> None:
    assert session_of(owner).patch(path_of(agent), {"role": "owner"}).json()["role"] == "owner"


@pytest.mark.parametrize("to", ["alice@acme.test", "fallback", "nobody", None])
def test_somebody_leaves(api: Api, company: Company, owner: User, agent: User, to: str | None) -> None:
    LeadFactory(company=company, owner=agent)
    people.create_api_key(company, "Zapier", ["read"], user=agent)
    left = api.post(path_of(agent, "deactivate/"), {"hand_over": to} if to else {})
    assert left.status_code == 200, left.content
    said = left.json()
    assert (said["member"]["is_active"], said["leads"], said["deals"]) == (False, 1, 0)
    assert [key.startswith("Zapier (lm_") for key in said["api_keys"]] == [True]
    assert Lead.objects.get().owner == (None if to == "nobody" else owner)
    back = api.post(path_of(agent, "reactivate/"))
    assert back.json()["is_active"]


@pytest.mark.parametrize("to", ["charlie@umbrella.test", "bob@acme.test", "root", "\x00"])
def test_nobody_takes_over_who_cannot(api: Api, agent: User, stranger: User, to: str) -> None:
    assert attrs(api.post(path_of(agent, "deactivate/"), {"hand_over": to})) == ["hand_over"]
    assert Membership.objects.get(user=agent).is_active


@pytest.mark.parametrize("scopes", [("read",), ("write",), ("read", "write")])
def test_it_takes_the_scope_admin(
    company: Company, agent: User, caller_of: Callable[..., Api], scopes: tuple[str, ...]
) -> None:
    caller = caller_of(company, *scopes)
    assert code(caller.patch(path_of(agent), {"role": "admin"}), 403) == "permission_denied"
    assert code(caller.post(path_of(agent, "deactivate/"), {}), 403) == "permission_denied"


@pytest.mark.parametrize("role", ["agent", "manager"])
def test_it_takes_somebody_who_manages(
    company: Company, agent: User, session_of: Callable[[User], Api], role: str
) -> None:
    caller = session_of(UserFactory(company=company, role=role))
    assert code(caller.patch(path_of(agent), {"role": "admin"}), 403) == "permission_denied"
    assert code(caller.post(path_of(agent, "deactivate/"), {}), 403) == "permission_denied"
