"""The team's page: inviting, joining, roles, leaving and coming back."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from crm.models import AuditEntry, Company, Invitation, Lead, Membership, User
from crm.tenancy import company_scope
from tests.crm.views.conftest import Browser
from tests.factories import PASSWORD, LeadFactory, UserFactory

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://[^\s<]+(/invitations/[^/\s<]+/)")
GUEST = {"email": "lena@acme.test", "first_name": "Lena", "last_name": "Hofmann", "role": "manager"}
JOINING = {"first_name": "Lena", "last_name": "Hofmann", "password": PASSWORD}


def link_in(answer: object) -> str:
    found = LINK.search(answer.content.decode())  # type: ignore[attr-defined]
    assert found
    return found[1]


def test_the_settings_open_with_the_company(alice: Browser) -> None:
    assert alice.get("settings")["Location"] == "/settings/company/"


def test_the_team_is_listed(alice: Browser) -> None:
    page = alice.seen("settings_team")
    assert "alice@acme.test" in page
    assert "the only one" in page


def test_those_who_do_not_manage_see_no_settings(bob: Browser, manager: User, browser_of: object) -> None:
    assert 'href="/settings/team/"' not in bob.seen("home")
    assert bob.get("settings_team").status_code == 403
    assert bob.post("settings_team", **GUEST).status_code == 403
    assert not Invitation.objects.exists()


def test_without_mail_the_link_is_told_once(alice: Browser) -> None:
    answer = alice.post("settings_team", **GUEST)
    link = link_in(answer)
    assert LINK.search(alice.seen("settings_team")) is None
    guest = Client()
    page = guest.get(link).content.decode()
    assert "Join Acme" in page
    assert "lena@acme.test" in page
    assert guest.post(link, JOINING)["Location"] == "/"
    assert Membership.objects.get(user__email="lena@acme.test").role == "manager"
    assert guest.get("/leads/").status_code == 200
    assert Client().get(link).status_code == 410


def test_with_mail_the_link_is_mailed(alice: Browser, settings: object) -> None:
    settings.MAILS = True  # type: ignore[attr-defined]
    answer = alice.post("settings_team", **GUEST)
    assert answer["Location"] == "/settings/team/"
    assert mail.outbox[0].to == ["lena@acme.test"]
    found = LINK.search(mail.outbox[0].body)
    assert found
    assert Client().get(found[1]).status_code == 200


def test_a_mail_that_does_not_leave_shows_the_link(alice: Browser, settings: object) -> None:
    settings.MAILS = True  # type: ignore[attr-defined]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # type: ignore[attr-defined]
    assert link_in(alice.post("settings_team", **GUEST))


def test_sending_again_shows_another_link(alice: Browser) -> None:
    first = link_in(alice.post("settings_team", **GUEST))
    second = link_in(alice.post("settings_invitation_resend", Invitation.objects.get().pk))
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200


def test_a_withdrawn_invitation_ends(alice: Browser) -> None:
    link = link_in(alice.post("settings_team", **GUEST))
    alice.post("settings_invitation_role", Invitation.objects.get().pk, role="agent")
    assert Invitation.objects.get().role == "agent"
    alice.post("settings_invitation_revoke", Invitation.objects.get().pk)
    assert Client().get(link).status_code == 410


def test_a_weak_password_is_refused_beside_the_field(alice: Browser) -> None:
    link = link_in(alice.post("settings_team", **GUEST))
    answer = Client().post(link, {**JOINING, "password": "password1234"})
    assert answer.status_code == 422
    assert "too common" in answer.content.decode()
    assert not User.objects.filter(email="lena@acme.test").exists()


def test_somebody_with_an_account_signs_in_and_joins(
    alice: Browser, other_company: Company, browser_of: object
) -> None:
    user = UserFactory(email="lena@acme.test", company=other_company, role="agent")
    link = link_in(alice.post("settings_team", **GUEST))
    assert "has an account here" in Client().get(link).content.decode()
    assert "has an account here" in alice.client.get(link).content.decode()
    alice.client.post(link)
    assert not Membership.objects.filter(user=user).exists()
    theirs = Client()
    theirs.force_login(user)
    assert "Join Acme" in theirs.get(link).content.decode()
    assert theirs.post(link)["Location"] == "/"
    assert "Acme" in theirs.get("/").content.decode()
    with company_scope(other_company):
        assert Membership.objects.filter(user=user).exists()


@pytest.mark.parametrize(("email", "said"), [("bob@acme.test", "in the team already"), ("x", "valid e-mail")])
def test_what_cannot_be_invited_is_said_beside_the_field(
    alice: Browser, agent: User, email: str, said: str
) -> None:
    answer = alice.post("settings_team", **{**GUEST, "email": email})
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_roles_change_and_only_owners_make_owners(
    alice: Browser, company: Company, agent: User, browser_of: object
) -> None:
    membership = Membership.objects.get(user=agent)
    alice.post("settings_member_role", membership.pk, role="admin")
    membership.refresh_from_db()
    assert membership.role == "admin"
    bob = browser_of(agent)  # type: ignore[operator]
    bob.post("settings_member_role", membership.pk, role="owner")
    membership.refresh_from_db()
    assert membership.role == "admin"
    assert "Only an owner" in bob.said()


def test_the_last_owner_stays(alice: Browser, owner: User) -> None:
    membership = Membership.objects.get(user=owner)
    alice.post("settings_member_role", membership.pk, role="agent")
    assert "last owner" in alice.said()
    assert alice.post("settings_member_deactivate", membership.pk, to="nobody").status_code == 422


def test_somebody_leaves_and_hands_over(alice: Browser, company: Company, owner: User, agent: User) -> None:
    lead = LeadFactory(company=company, owner=agent)
    membership = Membership.objects.get(user=agent)
    assert "They leave 1 lead and 0 deals" in alice.seen("settings_member_deactivate", membership.pk)
    alice.post("settings_member_deactivate", membership.pk, to=str(owner.pk))
    lead.refresh_from_db()
    assert Lead.objects.get().owner == owner
    page = alice.seen("settings_team")
    assert "Left the team" in page
    alice.post("settings_member_reactivate", membership.pk)
    assert Membership.objects.active().filter(user=agent).exists()


def test_who_has_left_is_out_with_the_page_still_open(alice: Browser, agent: User, bob: Browser) -> None:
    assert bob.get("leads").status_code == 200
    membership = Membership.objects.get(user=agent)
    alice.post("settings_member_deactivate", membership.pk, to="nobody")
    assert bob.get("leads").status_code == 403
    assert bob.client.get("/api/v1/leads/").status_code in (401, 403)


def test_everybody_can_be_asked_for_a_second_step(alice: Browser, company: Company) -> None:
    assert "with a password only" in alice.seen("settings_team")
    alice.post("settings_second_step", required="yes")
    company.refresh_from_db()
    assert company.mfa_required
    assert alice.get("settings_team")["Location"] == "/settings/you/"
    assert AuditEntry.objects.get(action="settings_changed").changes == {"mfa_required": [False, True]}


def test_the_team_costs_the_same_whatever_its_size(
    alice: Browser, company: Company, django_assert_max_num_queries: object
) -> None:
    for n in range(8):
        UserFactory(email=f"person{n}@acme.test", company=company, role="agent")
    alice.seen("settings_team")
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        alice.seen("settings_team")
