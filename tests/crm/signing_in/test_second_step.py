"""The second step: codes work once, guessing is slow, nothing goes round it, and a company can ask for it."""

from __future__ import annotations

import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.core.management import call_command

from crm.models import Company, User
from tests.crm.signing_in.conftest import Visitor
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
WRONG = "Incorrect code"
NOW = 1_800_000_000


def code_at(secret: str, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


@pytest.fixture
def secret(owner: User) -> str:
    secret = generate_totp_secret()
    TOTP.activate(owner, secret)
    RecoveryCodes.activate(owner)
    return secret


@pytest.fixture
def halfway(owner: User, secret: str) -> Visitor:
    """The password was right."""
    visitor = Visitor()
    answer = visitor.signs_in(owner.email)
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert not visitor.is_in()
    return visitor


def enter(visitor: Visitor, code: str) -> str:
    answer = visitor.client.post("/accounts/2fa/authenticate/", {"code": code})
    return str(answer.content.decode())


def test_the_password_alone_lets_nobody_in(halfway: Visitor, secret: str) -> None:
    enter(halfway, code_at(secret))
    assert halfway.is_in()


@pytest.mark.parametrize(("steps", "is_taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_for_one_step_before_and_after(
    owner: User, secret: str, steps: int, is_taken: bool
) -> None:
    with time_machine.travel(NOW, tick=False):
        visitor = Visitor()
        visitor.signs_in(owner.email)
        enter(visitor, code_at(secret, steps))
        assert visitor.is_in() is is_taken


@pytest.mark.parametrize("later", [0, 29, 31, 59])
def test_a_code_works_once(owner: User, secret: str, later: int) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        code = code_at(secret, 1)
        first, second = Visitor("192.0.2.1"), Visitor("192.0.2.2")
        first.signs_in(owner.email)
        enter(first, code)
        assert first.is_in()
        clock.shift(later)
        second.signs_in(owner.email)
        assert WRONG in enter(second, f"{code[:3]} {code[3:]}")
        assert not second.is_in()


def test_guessing_ends_after_five_tries(halfway: Visitor, owner: User, secret: str) -> None:
    answers = [enter(halfway, f"{n:06}") for n in range(7)]
    assert [WRONG in answer for answer in answers] == [True] * 5 + [False] * 2
    elsewhere = Visitor("203.0.113.5")
    elsewhere.signs_in(owner.email)
    enter(elsewhere, code_at(secret))
    assert not elsewhere.is_in(), "Another address gives no further tries."


def test_a_recovery_code_works_once(halfway: Visitor, owner: User) -> None:
    code = Authenticator.objects.get(user=owner, type="recovery_codes").wrap().get_unused_codes()[0]
    enter(halfway, code)
    assert halfway.is_in()
    other = Visitor("192.0.2.2")
    other.signs_in(owner.email)
    assert WRONG in enter(other, code)


def test_a_new_password_by_mail_does_not_go_round_it(owner: User, secret: str, settings: object) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"  # type: ignore[attr-defined]
    visitor = Visitor()
    visitor.client.post("/accounts/password/reset/", {"email": owner.email})
    link = next(word for word in mail.outbox[0].body.split() if "/accounts/password/reset/key/" in word)
    form = visitor.client.get(link, follow=True).redirect_chain[-1][0]
    new = "another-long-password"
    visitor.client.post(form, {"password1": new, "password2": new})
    owner.refresh_from_db()
    assert owner.check_password(new)
    assert not visitor.is_in()
    visitor.signs_in(owner.email, new)
    assert not visitor.is_in()


def test_secrets_are_stored_encrypted_and_rotated(owner: User, secret: str, settings: object) -> None:
    stored = [row.data.get("secret") or row.data["seed"] for row in Authenticator.objects.all()]
    assert all(value.startswith("v1:") and secret not in value for value in stored)
    from leadmachine.env import new_field_key

    settings.FIELD_KEYS = [new_field_key(), *settings.FIELD_KEYS]  # type: ignore[attr-defined]
    call_command("rotatekeys")
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]  # type: ignore[attr-defined]
    app = Authenticator.objects.get(type="totp").wrap()
    assert app.validate_code(code_at(secret))


def test_setting_up_the_app_gives_recovery_codes(owner: User) -> None:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    assert "/accounts/reauthenticate/" in visitor.client.get("/accounts/2fa/totp/activate/")["Location"]
    visitor.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = visitor.client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    assert "data:image/svg+xml;base64," in page.content.decode()
    answer = visitor.client.post("/accounts/2fa/totp/activate/", {"code": code_at(secret)}, follow=True)
    codes = Authenticator.objects.get(user=owner, type="recovery_codes").wrap().get_unused_codes()
    assert all(code in answer.content.decode() for code in codes)
    assert len(codes) == 10


def test_a_company_can_ask_for_it(company: Company, owner: User) -> None:
    company.mfa_required = True
    company.save()
    visitor = Visitor()
    visitor.signs_in(owner.email)
    for path in ("/", "/leads/", "/settings/", "/admin/"):
        assert visitor.client.get(path)["Location"] == "/settings/you/", path
    assert visitor.client.get("/api/v1/leads/").json()["errors"][0]["code"] == "second_step_required"
    assert "asks everybody for a second step" in visitor.client.get("/settings/you/").content.decode()
    visitor.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert visitor.client.get("/accounts/2fa/totp/activate/").status_code == 200
    TOTP.activate(owner, generate_totp_secret())
    assert visitor.client.get("/leads/").status_code == 200


def test_asking_reaches_no_other_company(company: Company, owner: User, stranger: User) -> None:
    company.mfa_required = True
    company.save()
    visitor = Visitor()
    visitor.signs_in(stranger.email)
    assert visitor.client.get("/leads/").status_code == 200


def test_no_page_shows_the_secret_again(owner: User, secret: str) -> None:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    enter(visitor, code_at(secret))
    for path in ("/settings/you/", "/accounts/2fa/totp/activate/", "/accounts/2fa/totp/deactivate/"):
        assert secret not in visitor.client.get(path, follow=True).content.decode()


def test_somebody_else_s_passkey_is_not_there(owner: User, agent: User) -> None:
    theirs = Authenticator.objects.create(user=agent, type="webauthn", data={"name": "CANARY"})
    visitor = Visitor()
    visitor.signs_in(owner.email)
    visitor.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for verb in ("remove", "edit"):
        path = f"/accounts/2fa/webauthn/keys/{theirs.pk}/{verb}/"
        answers = [visitor.client.get(path), visitor.client.post(path, {"name": "Mine"})]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert all(b"CANARY" not in answer.content for answer in answers)
    theirs.refresh_from_db()
    assert theirs.data == {"name": "CANARY"}
