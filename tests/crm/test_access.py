"""The one policy: what roles may, and that nothing else decides by roles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.access import ABILITIES, Ability, Principal, is_operator, may_open_panel, roles_with
from crm.models import Company, Lead, Role, User
from leadmachine.env import REPOSITORY
from tests.factories import LeadFactory, UserFactory

# Where a role or a power may be looked at: the policy itself.
POLICY = "crm/access.py"
POWERS = ("is_superuser", "is_staff")
# They write the switch that lets somebody into the panel, from what the policy says.
WRITERS = {"crm/actions/members.py", "crm/actions/people.py", "crm/models/person.py"}


@pytest.mark.parametrize(
    ("ability", "roles"),
    [
        (Ability.WORK, {"agent", "manager", "admin", "owner"}),
        (Ability.SEE_ALL, {"manager", "admin", "owner"}),
        (Ability.DELETE, {"manager", "admin", "owner"}),
        (Ability.SEE_LINKEDIN, {"manager", "admin", "owner"}),
        (Ability.READ_REPORTS, {"manager", "admin", "owner"}),
        (Ability.MANAGE, {"admin", "owner"}),
        (Ability.OWN, {"owner"}),
        (Ability.DELETE_COMPANY, {"owner"}),
    ],
)
def test_the_roles_that_may(ability: Ability, roles: set[str]) -> None:
    assert roles_with(ability) == roles


def test_every_role_and_every_ability_is_in_the_policy() -> None:
    assert set(ABILITIES) == set(Role.values)
    assert set().union(*ABILITIES.values()) == set(Ability)


def test_no_role_at_all_may_nothing(company: Company) -> None:
    assert not any(Principal(company, role="").can(ability) for ability in Ability)
    assert not any(Principal(company, role="root").can(ability) for ability in Ability)


def test_agents_assign_to_themselves_and_others_to_every_active_member(
    company: Company, owner: User, agent: User, stranger: User
) -> None:
    bob = Principal(company, agent, "agent")
    assert list(bob.assignees()) == [agent]
    assert [bob.may_assign(each) for each in (agent, owner, None)] == [True, False, False]
    mona = Principal(company, UserFactory(company=company, role="manager"), "manager")
    assert set(mona.assignees()) == {owner, agent, mona.user}
    assert [mona.may_assign(each) for each in (agent, owner, None)] == [True, True, True]


def test_an_agent_without_a_user_sees_nothing_rather_than_everything(company: Company) -> None:
    LeadFactory(company=company)
    assert Lead.objects.exists()
    with pytest.raises(PermissionError):
        Principal(company, role="agent").leads()


def test_the_operator_is_an_active_superuser(owner: User) -> None:
    boss = User(is_superuser=True, is_staff=True)
    assert (is_operator(boss), may_open_panel(boss)) == (True, True)
    boss.is_active = False
    assert (is_operator(boss), may_open_panel(boss)) == (False, False)
    assert not is_operator(owner)


# ── Nobody else decides ────────────────────────────────────────────────────────────────────────────────


def decisions(source: str) -> Iterator[int]:
    """The lines that compare a role, filter by one, or look at a power of Django's."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(_is_role(part) for part in ast.walk(node)):
            if not _asks_policy(ast.unparse(node)):
                yield node.lineno
        elif isinstance(node, ast.keyword) and (node.arg or "").startswith("role"):
            if any(_is_role_name(part) for part in ast.walk(node.value)) and _is_filter(source, node):
                yield node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in POWERS and isinstance(node.ctx, ast.Load):
            yield node.lineno


def _asks_policy(comparison: str) -> bool:
    """`role in roles_with(…)`, also under a name in capitals that stands for it."""
    return "roles_with(" in comparison or comparison.endswith(" in OWNING")


def _is_role(node: ast.AST) -> bool:
    return _is_role_name(node) or (
        isinstance(node, ast.Attribute) and node.attr == "role" and not _is_form(node.value)
    )


def _is_form(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("form", "request")


def _is_role_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Role"


def _is_filter(source: str, keyword: ast.keyword) -> bool:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(
        getattr(call.func, "attr", "") in ("filter", "exclude", "get", "get_or_create")
        for call in calls
        if any(each.lineno == keyword.lineno and each.arg == keyword.arg for each in call.keywords)
    )


def test_roles_are_compared_in_the_policy_alone() -> None:
    found = []
    for folder in ("crm", "capi", "leadmachine"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            name = str(path.relative_to(REPOSITORY))
            if name == POLICY or "/migrations/" in name:
                continue
            found += [f"{name}:{line}" for line in decisions(path.read_text()) if not _may(name, path, line)]
    assert found == [], "Ask crm.access: principal.can(Ability.…), roles_with(…), is_operator(…)."


def _may(name: str, path: Path, line: int) -> bool:
    text = path.read_text().splitlines()[line - 1]
    # The second: whether a role is another one now, which is what is written down of a change.
    return (name in WRITERS and any(power in text for power in POWERS)) or "before == after" in text


@pytest.mark.parametrize(
    "line",
    [
        "if membership.role == 'owner': pass",
        "if principal.role in (Role.ADMIN, Role.OWNER): pass",
        "owners = Membership.objects.filter(role=Role.OWNER)",
        "owners = Membership.objects.active().filter(role__in=(Role.OWNER,))",
        "if request.user.is_superuser: pass",
        "may = user.is_staff and True",
    ],
)
def test_a_planted_decision_is_found(line: str) -> None:
    assert list(decisions(line)) == [1]


def test_saying_which_role_somebody_gets_is_no_decision() -> None:
    assert list(decisions("people.add_member(company, user, Role.OWNER)\nuser.is_staff = True")) == []
