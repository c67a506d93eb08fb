"""Guessing passwords is slow for strangers and never locks the owner out; nothing tells who has an account."""

from __future__ import annotations

import re
import time

import pytest
from django.test import Client

from crm.models import User
from tests.crm.signing_in.conftest import Visitor
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
TOO_MANY = "Too many failed login attempts"


def said(answer: object) -> str:
    return str(answer.content.decode())  # type: ignore[attr-defined]


def test_twenty_wrong_ones_are_stopped_after_five(owner: User) -> None:
    stranger = Visitor("198.51.100.7")
    answers = [said(stranger.signs_in(owner.email, f"wrong-password-{n}")) for n in range(20)]
    assert [TOO_MANY in answer for answer in answers] == [False] * 5 + [True] * 15
    assert TOO_MANY in said(stranger.signs_in(owner.email))


def test_the_owner_gets_in_from_elsewhere(owner: User) -> None:
    stranger = Visitor("198.51.100.7")
    for n in range(20):
        stranger.signs_in(owner.email, f"wrong-password-{n}")
    assert Visitor("203.0.113.5").signs_in(owner.email).status_code == 302


def test_a_thousand_places_against_one_person_leave_their_own_browser_open(owner: User) -> None:
    owners = Visitor("203.0.113.5")
    owners.signs_in(owner.email)
    owners.client.post("/accounts/logout/")
    for n in range(1000):
        Client(REMOTE_ADDR=f"10.{n // 250}.{n % 250}.1").post(
            "/accounts/login/", {"login": owner.email, "password": "wrong-password"}
        )
    assert TOO_MANY in said(Visitor("198.51.100.9").signs_in(owner.email))
    assert owners.signs_in(owner.email).status_code == 302


def test_a_thousand_people_from_one_place_are_stopped(owner: User) -> None:
    stranger = Visitor("198.51.100.7")
    answers = [stranger.signs_in(f"person{n}@acme.test", "wrong-password") for n in range(100)]
    tried = [answer for answer in answers if answer.status_code != 429 and TOO_MANY not in said(answer)]
    assert len(tried) == 20
    assert Visitor("203.0.113.5").signs_in(owner.email).status_code == 302


def test_a_forged_forwarding_header_and_a_wandering_ipv6_count_as_one_place(owner: User) -> None:
    for n in range(5):
        Client(REMOTE_ADDR=f"2001:db8:1:2::{n}", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}").post(
            "/accounts/login/", {"login": owner.email, "password": "wrong-password"}
        )
    assert TOO_MANY in said(Visitor("2001:db8:1:2:ffff::1").signs_in(owner.email))


def test_a_known_browser_s_cookie_serves_no_other_account(owner: User, agent: User) -> None:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    cookie = visitor.client.cookies["known"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert owner.email not in cookie.value
    visitor.client.post("/accounts/logout/")
    for n in range(5):
        visitor.signs_in(agent.email, f"wrong-password-{n}")
    assert TOO_MANY in said(visitor.signs_in(agent.email))


def test_unknown_people_hear_the_same_words(owner: User) -> None:
    known = said(Visitor("198.51.100.1").signs_in(owner.email, "wrong-password"))
    unknown = said(Visitor("198.51.100.2").signs_in("eve@acme.test", "wrong-password"))
    token = re.compile(r"[A-Za-z0-9]{64}")
    assert token.sub("", known.replace(owner.email, "X")) == token.sub(
        "", unknown.replace("eve@acme.test", "X")
    )
    assert "not correct" in known


def test_unknown_people_wait_as_long(owner: User, settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # type: ignore[attr-defined]
    owner.set_password(PASSWORD)
    owner.save()

    def seconds(email: str, n: int) -> float:
        visitor, start = Visitor(f"198.51.{n}.1"), time.process_time()
        visitor.signs_in(email, "wrong-password")
        return time.process_time() - start

    times = [(seconds(owner.email, n), seconds("eve@acme.test", n + 100)) for n in range(9)]
    # The quickest of each: whatever else the machine does only adds to the others.
    known, unknown = map(min, zip(*times, strict=True))
    assert unknown == pytest.approx(known, rel=0.5)  # without hashing, it would be a hundredth


@pytest.mark.parametrize(
    ("password", "is_taken"),
    [
        ("short-one", False),
        ("password1234", False),
        ("all lower case words", True),
        ("ünïcödé ist auch ein passwort", True),
        ("x9" * 32, True),
        ("long enough " * 10, True),
    ],
)
def test_the_rules_for_passwords_are_length_and_not_being_common(
    owner: User, password: str, is_taken: bool
) -> None:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    visitor.client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": password, "password2": password},
    )
    owner.refresh_from_db()
    assert owner.check_password(password) is is_taken
