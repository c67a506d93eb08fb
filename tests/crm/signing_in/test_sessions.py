"""Sessions: a new one at sign-in, ends when it should, and one can see and end them all."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from crm.models import User
from tests.crm.signing_in.conftest import Visitor
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(owner: User) -> Visitor:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    assert visitor.is_in()
    return visitor


def test_a_session_that_somebody_planted_is_not_kept(owner: User) -> None:
    visitor = Visitor()
    visitor.client.get("/accounts/login/")
    session = visitor.client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    visitor.signs_in(owner.email)
    assert visitor.client.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()


def test_signing_out_ends_the_session_on_the_server(visitor: Visitor) -> None:
    key = visitor.client.session.session_key
    visitor.client.post("/accounts/logout/")
    visitor.client.cookies["sessionid"] = key
    assert not visitor.is_in()


def test_a_new_password_signs_the_others_out(visitor: Visitor, owner: User) -> None:
    other = Visitor("192.0.2.9")
    other.signs_in(owner.email)
    assert other.is_in()
    new = "another-long-password"
    visitor.client.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert not other.is_in()
    assert visitor.is_in()


def test_twelve_idle_hours_end_it(visitor: Visitor) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=11, minutes=59)):
        assert visitor.is_in()
    with time_machine.travel(timezone.now() + timedelta(hours=24)):
        assert not visitor.is_in()


def test_fourteen_days_end_it_in_any_case(visitor: Visitor) -> None:
    start = timezone.now()
    for hours in range(11, 14 * 24, 11):
        with time_machine.travel(start + timedelta(hours=hours)):
            assert visitor.is_in(), hours
    with time_machine.travel(start + timedelta(days=14, minutes=5)):
        assert not visitor.is_in()


def test_all_sessions_are_listed_and_each_can_be_ended(visitor: Visitor, owner: User) -> None:
    other = Visitor("192.0.2.9")
    other.client.defaults["HTTP_USER_AGENT"] = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/144.0"
    other.signs_in(owner.email)
    page = visitor.client.get("/settings/you/").content.decode()
    assert "Firefox on Windows" in page
    assert "192.0.2.9" in page
    session = UserSession.objects.get(ip="192.0.2.9")
    visitor.client.post(f"/settings/you/sessions/{session.pk}/end/")
    assert not other.is_in()
    assert visitor.is_in()


def test_all_others_are_ended_at_once(visitor: Visitor, owner: User) -> None:
    others = [Visitor(f"192.0.2.{n}") for n in (7, 8)]
    for other in others:
        other.signs_in(owner.email)
    visitor.client.post("/settings/you/sessions/end/")
    assert [other.is_in() for other in others] == [False, False]
    assert visitor.is_in()


def test_somebody_else_s_session_is_not_there(visitor: Visitor, agent: User) -> None:
    other = Visitor("192.0.2.9")
    other.signs_in(agent.email)
    session = UserSession.objects.get(user=agent)
    missing = visitor.client.post(f"/settings/you/sessions/{session.pk + 1000}/end/")
    theirs = visitor.client.post(f"/settings/you/sessions/{session.pk}/end/")
    assert theirs.status_code == missing.status_code == 404
    assert other.is_in()
