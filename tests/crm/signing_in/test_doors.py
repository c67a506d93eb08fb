"""Which of allauth's pages are open. One that is new with its next version fails here, until somebody decides."""

from __future__ import annotations

import re

import pytest
from django.template.loader import get_template
from django.test import Client
from django.urls import resolve

from crm.models import User
from leadmachine.env import REPOSITORY
from tests.crm.signing_in.conftest import Visitor
from tests.test_walls import routes

pytestmark = pytest.mark.django_db

# Open, in our look.
OPEN = {
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",  # which says: by invitation only
    "account_reauthenticate",
    "account_change_password",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_add_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "mfa_login_webauthn",
    "mfa_reauthenticate_webauthn",
}
# Their place is taken: they lead to the person's own account.
CLOSED = {
    "account_email",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_set_password",
    "account_confirm_login_code",
    "mfa_index",
    "mfa_list_webauthn",
}
OURS = {"openid_connect_login", "openid_connect_callback"}
PARTS = re.compile(r"<\w+:\w+>|\(\?P<\w+>[^)]*\)")


def paths() -> dict[str, str]:
    """Everything below /accounts/, by name."""
    found = [(name, "/" + PARTS.sub("1", route)) for route, name in routes() if route.startswith("accounts/")]
    return dict(found)


def test_every_page_is_open_or_closed_by_decision() -> None:
    assert set(paths()) == OPEN | CLOSED | OURS


def test_what_is_closed_is_answered_by_us() -> None:
    for name, path in paths().items():
        is_theirs = resolve(path).func.__module__.startswith("allauth")
        assert is_theirs is (name in OPEN and name != "account_login"), name


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_what_is_closed_leads_to_the_account(owner: User, name: str) -> None:
    visitor = Visitor()
    assert visitor.client.get(paths()[name])["Location"].startswith("/accounts/login/")
    visitor.signs_in(owner.email)
    answer = visitor.client.get(paths()[name], follow=True)
    assert answer.context["person"] == owner
    answer = visitor.client.post(paths()[name], {"email": "eve@evil.test", "action_add": ""})
    assert answer.status_code == 405
    owner.refresh_from_db()
    assert owner.email == "alice@acme.test"


def test_no_page_that_is_open_is_in_another_look(owner: User) -> None:
    visitor = Visitor()
    visitor.signs_in(owner.email)
    for client in (Client(), visitor.client):
        for name in sorted(OPEN - {"account_logout", "mfa_download_recovery_codes"}):
            answer = client.get(paths()[name], follow=True)
            used = [template.name for template in answer.templates if template.name]
            if used:
                page = get_template(used[0]).origin.name
                assert page.startswith(str(REPOSITORY / "templates")), f"{name} shows {page}"
