"""Signing in with LinkedIn or Google: only into an account that is there, only by its own person, and audited."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from crm.models import AuditEntry, Company, Membership, User
from leadmachine import sign_in
from tests.crm.signing_in.conftest import Visitor
from tests.crm.signing_in.provider import CLIENT, SECRET, FakeService, running_service
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
GOOGLE = "/accounts/oidc/google/login/"
BACK = f"{GOOGLE}callback/"


@pytest.fixture
def google(settings: Settings) -> Iterator[FakeService]:
    """Google, played by a server of ours."""
    with running_service() as service:
        app = sign_in.app("google", CLIENT, SECRET)
        app["settings"] |= {"server_url": service.origin, "pages": service.origin}
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
        yield service


def goes_there(visitor: Visitor, **form: str) -> dict[str, str]:
    """Press the button; what the service is asked."""
    answer = visitor.client.post(GOOGLE, form)
    assert answer.status_code == 302, answer.content
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def comes_back(visitor: Visitor, **form: str) -> Any:
    """There and back again."""
    state = goes_there(visitor, **form)["state"]
    return visitor.client.get(BACK, {"code": "code-1", "state": state})


def connect(user: User, uid: str = "person-1", service: str = "google") -> SocialAccount:
    account: SocialAccount = SocialAccount.objects.create(user=user, provider=service, uid=uid)
    return account


def said(answer: Any) -> str:
    return str(answer.content.decode())


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


# ── Who gets in ────────────────────────────────────────────────────────────────────────────────────────


def test_a_connected_service_signs_its_person_in(google: FakeService, company: Company, owner: User) -> None:
    connect(owner)
    visitor = Visitor()
    assert comes_back(visitor)["Location"] == "/"
    assert visitor.is_in()
    entry = AuditEntry.objects.get(action="sign_in")
    assert (entry.actor_id, entry.address, entry.changes) == (
        owner.pk,
        "192.0.2.1",
        {"provider": [None, "google"]},
    )


def test_it_is_known_by_its_own_id_and_not_by_an_address(
    google: FakeService, owner: User, agent: User
) -> None:
    connect(owner)
    google.profile["email"] = agent.email
    visitor = Visitor()
    comes_back(visitor)
    assert visitor.client.get("/settings/you/").context["person"] == owner


def test_the_second_step_is_asked_all_the_same(google: FakeService, owner: User) -> None:
    connect(owner)
    TOTP.activate(owner, generate_totp_secret())
    visitor = Visitor()
    assert comes_back(visitor)["Location"] == "/accounts/2fa/authenticate/"
    assert not visitor.is_in()


def test_who_was_let_go_stays_out(google: FakeService, owner: User) -> None:
    connect(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    visitor = Visitor()
    assert comes_back(visitor)["Location"] == "/accounts/inactive/"
    assert not visitor.is_in()


def test_a_page_that_was_asked_for_comes_after(google: FakeService, owner: User) -> None:
    connect(owner)
    assert comes_back(Visitor(), next="/leads/")["Location"] == "/leads/"
    assert comes_back(Visitor(), next="https://evil.test/")["Location"] == "/"


def test_a_stranger_gets_no_account_and_no_membership(google: FakeService, company: Company) -> None:
    google.profile |= {"sub": "person-2", "email": "eve@evil.test"}
    visitor = Visitor()
    answer = comes_back(visitor)
    assert answer["Location"] == "/accounts/login/"
    assert not visitor.is_in()
    assert (User.objects.count(), Membership.objects.count(), SocialAccount.objects.count()) == (0, 0, 0)
    assert visitor.client.get("/accounts/signup/").status_code == 200
    assert "By invitation only" in said(visitor.client.get("/accounts/signup/"))


def test_a_verified_address_alone_lets_nobody_in(google: FakeService, owner: User) -> None:
    visitor = Visitor()
    comes_back(visitor)
    assert not visitor.is_in()
    assert not SocialAccount.objects.exists()
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)


def test_whether_there_is_such_an_account_is_not_told(google: FakeService, owner: User) -> None:
    pages = []
    for email in (owner.email, "eve@evil.test"):
        google.profile["email"] = email
        visitor = Visitor()
        comes_back(visitor)
        page = said(visitor.client.get("/accounts/login/"))
        start = page.index("<p><b>Google")
        pages.append(page[start : page.index("</p>", start)].replace(email, "X"))
    assert pages[0] == pages[1]


# ── The first time ─────────────────────────────────────────────────────────────────────────────────────


def test_the_password_once_connects_it(google: FakeService, company: Company, owner: User) -> None:
    visitor = Visitor()
    comes_back(visitor)
    assert "knows you as alice@acme.test" in said(visitor.client.get("/accounts/login/"))
    visitor.signs_in(owner.email)
    assert SocialAccount.objects.get().user == owner
    assert "Google is connected" in said(visitor.client.get("/settings/you/"))
    assert sorted(actions()[-2:]) == ["login_connected", "sign_in"]
    assert comes_back(Visitor())["Location"] == "/"


def test_the_second_step_comes_before_the_connection(google: FakeService, owner: User) -> None:
    TOTP.activate(owner, generate_totp_secret())
    visitor = Visitor()
    comes_back(visitor)
    visitor.signs_in(owner.email)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"email": "bob@acme.test"},
        {"email": ""},
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": None},
        {"email_verified": "1"},
    ],
)
def test_another_or_an_unverified_address_connects_nothing(
    google: FakeService, owner: User, change: dict[str, Any]
) -> None:
    google.profile |= change
    visitor = Visitor()
    comes_back(visitor)
    visitor.signs_in(owner.email)
    assert visitor.is_in()
    assert not SocialAccount.objects.exists()


def test_after_ten_minutes_it_is_forgotten(google: FakeService, owner: User) -> None:
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        visitor = Visitor()
        comes_back(visitor)
        clock.shift(601)
        visitor.signs_in(owner.email)
        assert visitor.is_in()
        assert not SocialAccount.objects.exists()


def test_it_serves_once(google: FakeService, owner: User, agent: User) -> None:
    visitor = Visitor()
    comes_back(visitor)
    visitor.signs_in(agent.email)
    visitor.client.post("/accounts/logout/")
    visitor.signs_in(owner.email)
    assert not SocialAccount.objects.exists()


# ── On one's own page ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def visitor(owner: User) -> Visitor:
    """Alice, who has just given her password again."""
    visitor = Visitor()
    visitor.signs_in(owner.email)
    visitor.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return visitor


def test_whoever_is_signed_in_connects_whichever_they_have(
    google: FakeService, company: Company, owner: User, visitor: Visitor
) -> None:
    google.profile["email"] = "alice.at.home@example.test"
    answer = comes_back(visitor)
    assert answer["Location"] == "/settings/you/"
    account = SocialAccount.objects.get()
    assert (account.user, account.uid) == (owner, "person-1")
    page = said(visitor.client.get("/settings/you/"))
    assert "Google is connected." in page
    assert "as alice.at.home@example.test" in page
    assert actions()[-1] == "login_connected"


def test_the_password_is_asked_again_first(google: FakeService, owner: User) -> None:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    assert comes_back(visitor)["Location"] == "/accounts/reauthenticate/"
    assert not SocialAccount.objects.exists()
    visitor.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert SocialAccount.objects.get().user == owner


def test_one_that_is_another_s_stays_another_s(google: FakeService, agent: User, visitor: Visitor) -> None:
    connect(agent)
    comes_back(visitor)
    assert SocialAccount.objects.get().user == agent
    assert "Another person here signs in with that Google account" in said(
        visitor.client.get("/settings/you/")
    )


def test_disconnecting_is_written_down_and_asks_again_first(
    google: FakeService, company: Company, owner: User
) -> None:
    path = f"/settings/you/services/{connect(owner).pk}/disconnect/"
    visitor = Visitor()
    visitor.signs_in(owner.email)
    answer = visitor.client.post(path)
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert SocialAccount.objects.exists()
    visitor.client.post(answer["Location"], {"password": PASSWORD})
    assert not SocialAccount.objects.exists()
    assert actions()[-1] == "login_disconnected"
    stranger = Visitor()
    comes_back(stranger)
    assert not stranger.is_in()


def test_somebody_else_s_connection_is_not_there(agent: User, visitor: Visitor) -> None:
    theirs = connect(agent)
    for pk in (theirs.pk, theirs.pk + 1):
        assert visitor.client.post(f"/settings/you/services/{pk}/disconnect/").status_code == 404
    assert SocialAccount.objects.exists()


def test_the_last_way_in_stays(owner: User, visitor: Visitor) -> None:
    account = connect(owner)
    owner.set_unusable_password()
    owner.save()
    client = Client()
    client.force_login(owner)
    answer = client.post(f"/settings/you/services/{account.pk}/disconnect/", follow=True)
    assert "Set a password first" in said(answer)
    assert SocialAccount.objects.exists()


def test_one_that_is_no_longer_offered_can_be_disconnected(owner: User, visitor: Visitor) -> None:
    account = connect(owner, service="linkedin")
    assert "Connected, but switched off on this server" in said(visitor.client.get("/settings/you/"))
    visitor.client.post(f"/settings/you/services/{account.pk}/disconnect/")
    assert not SocialAccount.objects.exists()


# ── What is asked, kept and let out ────────────────────────────────────────────────────────────────────


def test_the_service_is_asked_for_name_and_address_alone_with_a_proof_key(google: FakeService) -> None:
    asked = goes_there(Visitor())
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
        CLIENT,
        "code",
        "S256",
    )
    assert asked["redirect_uri"] == f"http://testserver{BACK}"
    assert SECRET not in str(asked)


def test_the_code_goes_to_the_service_with_its_proof(google: FakeService, owner: User) -> None:
    comes_back(Visitor())
    sent = next(sent for path, sent in google.asked if path == "/token")
    assert (sent["code"], sent["client_id"], sent["client_secret"]) == ("code-1", CLIENT, SECRET)
    assert len(sent["code_verifier"]) >= 43


def test_nothing_but_the_address_is_kept(google: FakeService, owner: User, visitor: Visitor) -> None:
    google.profile |= {"picture": "https://pictures.test/1", "locale": "de"}
    comes_back(visitor)
    comes_back(Visitor())
    assert SocialAccount.objects.get().extra_data == {"email": owner.email}
    assert not SocialToken.objects.exists()
    sessions = json.dumps([session.get_decoded() for session in Session.objects.all()])
    assert "CANARY-access" not in sessions


def test_pages_let_forms_leave_for_the_services_and_others_do_not(
    google: FakeService, owner: User, visitor: Visitor
) -> None:
    for client, path, leaves in (
        (Client(), "/accounts/login/", True),
        (visitor.client, "/settings/you/", True),
        (visitor.client, "/leads/", False),
        (visitor.client, "/accounts/reauthenticate/", False),
    ):
        policy = client.get(path)["Content-Security-Policy"]
        assert (f"form-action 'self' {google.origin}" in policy) is leaves, path


def test_without_a_client_there_is_nothing(owner: User, visitor: Visitor) -> None:
    assert "Sign in with" not in said(Client().get("/accounts/login/"))
    assert "Other ways to sign in" not in said(visitor.client.get("/settings/you/"))
    assert "form-action 'self';" in Client().get("/accounts/login/")["Content-Security-Policy"] + ";"
    for client in (Client(), visitor.client):
        assert client.post(GOOGLE).status_code == 404
        assert client.get(BACK).status_code == 404


def test_the_environment_names_the_clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    assert sign_in.apps() == []
    monkeypatch.setenv("GOOGLE_CLIENT_ID", "id")
    assert sign_in.apps() == []
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("GOOGLE_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("LINKEDIN_CLIENT_ID", "id")
    monkeypatch.setenv("LINKEDIN_CLIENT_SECRET", "secret")
    assert [(app["name"], app["secret"]) for app in sign_in.apps()] == [
        ("LinkedIn", "secret"),
        ("Google", "from a file"),
    ]


# ── Trouble ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_no_at_the_service_leads_back(google: FakeService) -> None:
    visitor = Visitor()
    state = goes_there(visitor)["state"]
    answer = visitor.client.get(BACK, {"error": "access_denied", "state": state})
    assert answer["Location"] == "/accounts/login/"


def test_a_state_of_another_browser_or_a_used_one_counts_for_nothing(
    google: FakeService, owner: User
) -> None:
    connect(owner)
    one, other = Visitor(), Visitor()
    state = goes_there(one)["state"]
    assert other.client.get(BACK, {"code": "code-1", "state": state}).status_code == 401
    assert other.client.get(BACK, {"code": "code-1"}).status_code == 401
    assert one.client.get(BACK, {"code": "code-1", "state": state}).status_code == 302
    one.client.post("/accounts/logout/")
    assert one.client.get(BACK, {"code": "code-1", "state": state}).status_code == 401
    assert not one.is_in()
    assert not other.is_in()


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://evil.test"}, {"aud": "another-client"}, {"exp": 1_000_000_000}, {"sub": "person-2"}],
    ids=lambda claims: next(iter(claims)),
)
def test_a_token_for_somebody_else_is_refused(
    google: FakeService, owner: User, claims: dict[str, Any]
) -> None:
    connect(owner)
    google.token_claims = claims
    visitor = Visitor()
    assert comes_back(visitor).status_code == 401
    assert not visitor.is_in()


@pytest.mark.parametrize("path", ["/token", "/profile"])
@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (200, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'"CANARY"'),
        (200, b"<html>"),
        (400, b'{"error": 1}'),
    ],
    ids=str,
)
def test_a_broken_answer_is_a_page_that_says_so(
    google: FakeService, owner: User, caplog: pytest.LogCaptureFixture, path: str, answer: tuple[int, bytes]
) -> None:
    connect(owner)
    google.answers[path] = answer
    visitor = Visitor()
    with caplog.at_level(logging.DEBUG):
        page = comes_back(visitor)
    assert page.status_code == 401
    assert "Google did not confirm who you are" in said(page)
    assert not visitor.is_in()
    assert owner.email not in caplog.text
    assert "CANARY" not in caplog.text + said(page)


@pytest.mark.parametrize("answer", [(500, b""), (200, b"{}"), (200, b"[]"), (200, b"<html>")], ids=str)
def test_a_service_that_is_away_is_said_before_one_goes_there(
    google: FakeService, answer: tuple[int, bytes]
) -> None:
    google.answers["/.well-known/openid-configuration"] = answer
    page = Visitor().client.post(GOOGLE)
    assert page.status_code == 401
    assert "Google did not confirm who you are" in said(page)


def test_an_id_that_is_none_is_refused(google: FakeService) -> None:
    for uid in ("", "x" * 192):
        google.profile["sub"] = uid
        assert comes_back(Visitor()).status_code == 401


def test_coming_too_often_is_stopped(google: FakeService, settings: Settings) -> None:
    stranger = Visitor("198.51.100.7")
    answers = [stranger.client.post(GOOGLE).status_code for _ in range(31)]
    assert answers == [302] * 30 + [429]
    assert stranger.client.get(BACK).status_code == 429
    assert Visitor("203.0.113.5").client.post(GOOGLE).status_code == 302


def test_nothing_begins_by_a_link(google: FakeService, visitor: Visitor) -> None:
    assert visitor.client.get(GOOGLE).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(GOOGLE).status_code == 403
