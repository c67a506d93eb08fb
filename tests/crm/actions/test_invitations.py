"""Invitations: offered, sent again, withdrawn, used once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.utils import timezone

from crm.actions import invitations
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import AuditEntry, Company, Invitation, Membership, User
from crm.tenancy import company_scope
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
ADDRESS = "lena@acme.test"


@pytest.fixture
def actor(owner: User) -> Actor:
    return Actor("web", user=owner)


@pytest.fixture
def invited(company: Company, actor: Actor) -> invitations.NewInvitation:
    return invitations.invite(company, "Lena@Acme.test", "manager", actor, first_name="Lena")


def joined(token: str) -> User:
    invitation = invitations.find(token)
    assert invitation
    return invitations.accept_as_new(
        invitation, PASSWORD, Actor("web"), first_name="Lena", last_name="Hofmann"
    )


def test_the_link_makes_an_account_and_a_membership(invited: invitations.NewInvitation) -> None:
    user = joined(invited.token)
    member = Membership.objects.get(user=user)
    assert (user.email, user.check_password(PASSWORD)) == (ADDRESS, True)
    assert (member.role, member.is_active) == ("manager", True)


def test_the_link_works_once(invited: invitations.NewInvitation) -> None:
    held_back = invitations.find(invited.token)
    joined(invited.token)
    assert invitations.find(invited.token) is None
    assert held_back
    with pytest.raises(Conflict, match="used or withdrawn"):
        invitations.accept(held_back, User.objects.get(email=ADDRESS), Actor("web"))


def test_the_link_lasts_seven_days(invited: invitations.NewInvitation) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=-5)):
        assert invitations.find(invited.token)
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=5)):
        assert invitations.find(invited.token) is None


def test_sending_again_makes_a_new_link_and_ends_the_old(
    invited: invitations.NewInvitation, actor: Actor
) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=20)):
        again = invitations.resend(invited.row, actor)
        assert invitations.find(invited.token) is None
        found = invitations.find(again.token)
        assert found
        assert found.days_left == 7


def test_a_withdrawn_invitation_lets_nobody_in(invited: invitations.NewInvitation, actor: Actor) -> None:
    invitations.revoke(invited.row, actor)
    assert invitations.find(invited.token) is None
    with pytest.raises(Conflict):
        invitations.resend(invited.row, actor)
    assert invitations.invite(invited.row.company, ADDRESS, "agent", actor).row.pk != invited.row.pk


def test_only_a_digest_is_stored(invited: invitations.NewInvitation) -> None:
    row = Invitation.objects.get()
    assert invited.token not in str(vars(row))
    assert len(row.digest) == 64


@pytest.mark.parametrize("token", ["", "x", "0" * 75, "é" * 40])
def test_a_wrong_link_is_nothing(invited: invitations.NewInvitation, token: str) -> None:
    assert invitations.find(token) is None
    assert invitations.find(invited.token[:32] + token) is None


def test_a_link_of_one_company_opens_no_other(
    invited: invitations.NewInvitation, other_company: Company
) -> None:
    assert invitations.find(other_company.pk.hex + invited.token[32:]) is None


@pytest.mark.parametrize(
    ("email", "role", "field"),
    [
        ("not an address", "agent", "email"),
        ("bob@acme.test", "agent", "email"),
        (ADDRESS, "agent", "email"),
        ("new@acme.test", "owner", "role"),
        ("new@acme.test", "king", "role"),
    ],
)
def test_what_is_refused(
    invited: invitations.NewInvitation, agent: User, actor: Actor, email: str, role: str, field: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        invitations.invite(invited.row.company, email, role, actor)
    assert list(refusal.value.message_dict) == [field]


def test_somebody_with_an_account_joins_with_it(
    invited: invitations.NewInvitation, other_company: Company
) -> None:
    user = UserFactory(email=ADDRESS, company=other_company, role="agent")
    invitation = invitations.find(invited.token)
    assert invitation
    assert invitations.accept(invitation, user, Actor("web", user=user)).role == "manager"
    with company_scope(other_company):
        assert Membership.objects.get(user=user).role == "agent"


def test_somebody_else_cannot_use_it(invited: invitations.NewInvitation, stranger: User) -> None:
    with pytest.raises(Conflict, match=r"sent to lena@acme\.test"):
        invitations.accept(invited.row, stranger, Actor("web", user=stranger))
    assert invitations.find(invited.token)


def test_every_step_is_in_the_audit_log(invited: invitations.NewInvitation, actor: Actor) -> None:
    joined(invitations.resend(invited.row, actor).token)
    steps = AuditEntry.objects.exclude(action="member_added")
    actions = steps.order_by("at", "id").values_list("action", flat=True)
    assert list(actions) == ["member_invited", "invitation_resent", "member_joined"]
