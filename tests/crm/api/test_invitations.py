"""`invitations/`: offered, seen, sent again and withdrawn; the link is told once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core import mail

from crm.actions import invitations as actions
from crm.models import Company, IdempotencyRecord, Invitation, User
from tests.crm.api.caller import Api, attrs, code

pytestmark = pytest.mark.django_db

DANA = {"email": "Dana@acme.test", "first_name": "Dana", "role": "manager"}


def test_an_invitation_is_made_with_its_link(api: Api) -> None:
    made = api.post("invitations/", DANA)
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["email"], shown["role"], shown["is_open"]) == ("dana@acme.test", "manager", True)
    assert shown["is_mailed"] is False
    found = actions.find(shown["link"].rstrip("/").rpartition("/")[2])
    assert found is not None
    assert str(found.pk) == shown["id"]


def test_the_link_is_never_shown_again(api: Api) -> None:
    made = api.post("invitations/", DANA, Idempotency_Key="once").json()
    assert "link" not in api.get(f"invitations/{made['id']}/").json()
    again = api.post("invitations/", DANA, Idempotency_Key="once")
    assert again.json() == made | {"link": None}
    assert made["link"] not in IdempotencyRecord.objects.get().body


def test_where_mail_is_set_up_the_link_is_mailed(api: Api, settings: object) -> None:
    settings.MAILS = True  # type: ignore[attr-defined]
    made = api.post("invitations/", DANA).json()
    assert (made["is_mailed"], made["link"]) == (True, None)
    assert mail.outbox[0].to == ["dana@acme.test"]


@pytest.mark.parametrize(
    ("wrong", "attr"),
    [({"email": "nobody"}, "email"), ({"email": "alice@acme.test"}, "email"), ({"role": "owner"}, "role")],
)
def test_what_is_wrong_is_refused_by_name(api: Api, wrong: dict[str, str], attr: str) -> None:
    assert attrs(api.post("invitations/", DANA | wrong)) == [attr]


def test_an_address_is_invited_once(api: Api) -> None:
    api.post("invitations/", DANA)
    assert attrs(api.post("invitations/", DANA)) == ["email"]


def test_sending_again_ends_the_link_before(api: Api) -> None:
    made = api.post("invitations/", DANA).json()
    again = api.post(f"invitations/{made['id']}/resend/")
    assert again.status_code == 200, again.content
    assert again.json()["link"] not in (None, made["link"])
    assert actions.find(made["link"].rstrip("/").rpartition("/")[2]) is None


def test_the_role_can_change_until_they_join(api: Api) -> None:
    made = api.post("invitations/", DANA).json()
    assert api.patch(f"invitations/{made['id']}/", {"role": "agent"}).json()["role"] == "agent"
    assert attrs(api.patch(f"invitations/{made['id']}/", {"email": "eve@acme.test"})) == ["email"]


def test_an_invitation_can_be_withdrawn(api: Api) -> None:
    made = api.post("invitations/", DANA).json()
    assert api.delete(f"invitations/{made['id']}/").status_code == 204
    assert api.get("invitations/").json()["results"] == []
    assert Invitation.objects.get().revoked_at


def test_it_takes_an_admin(
    company: Company, agent: User, caller_of: Callable[..., Api], session_of: Callable[[User], Api]
) -> None:
    assert code(caller_of(company, "read", "write").post("invitations/", DANA), 403)
    assert code(session_of(agent).get("invitations/"), 403)
    assert code(session_of(agent).post("invitations/", DANA), 403)
