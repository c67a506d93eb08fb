"""Writes signing in and out, and what protects it, into the audit log of every company the person belongs to."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as social
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import Signal, receiver
from django.http import HttpRequest

from crm import audit
from crm.actor import Actor
from crm.addresses import client_address
from crm.models import User

# What allauth tells, and what the log calls it. Each is sent with `request` and `user`.
TOLD: tuple[tuple[Signal, str], ...] = (
    (account.password_set, "password_changed"),
    (account.password_changed, "password_changed"),
    (account.password_reset, "password_reset"),
    (account.email_changed, "email_changed"),
    (mfa.authenticator_added, "mfa_added"),
    (mfa.authenticator_removed, "mfa_removed"),
    (mfa.authenticator_reset, "recovery_codes_made"),
    (mfa.authentication_failed, "mfa_failed"),
)


@receiver(user_logged_in, dispatch_uid="crm.sign_ins.on_signed_in")
def on_signed_in(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    audit.record_for(user, _by(user, request), "sign_in", changes=_service(request))


@receiver(user_logged_out, dispatch_uid="crm.sign_ins.on_signed_out")
def on_signed_out(sender: object, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        audit.record_for(user, _by(user, request), "sign_out")


@receiver(user_login_failed, dispatch_uid="crm.sign_ins.on_refused")
def on_refused(
    sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Whose account it was, never what was typed; an address that nobody has belongs in nobody's log."""
    user = User.objects.filter(email__iexact=str(credentials.get("email") or "")).first()
    if user is not None:
        address = client_address(request) if request else ""
        audit.record_for(user, Actor("web", label="Somebody", address=address), "sign_in_failed")


@receiver(social.social_account_added, dispatch_uid="crm.sign_ins.on_connected")
def on_connected(sender: object, request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    changes = {"provider": (None, sociallogin.account.provider)}
    audit.record_for(sociallogin.user, _by(sociallogin.user, request), "login_connected", changes=changes)


@receiver(social.social_account_removed, dispatch_uid="crm.sign_ins.on_disconnected")
def on_disconnected(sender: object, request: HttpRequest, socialaccount: Any, **kwargs: Any) -> None:
    changes = {"provider": (socialaccount.provider, None)}
    audit.record_for(
        socialaccount.user, _by(socialaccount.user, request), "login_disconnected", changes=changes
    )


@receiver(mfa.authenticator_used, dispatch_uid="crm.sign_ins.on_authenticator_used")
def on_authenticator_used(
    sender: object, request: HttpRequest, user: User, authenticator: Any, **kwargs: Any
) -> None:
    """Recovery codes only: they run out, and nobody but a person who lost their factor should use one."""
    if authenticator.type == "recovery_codes":
        audit.record_for(user, _by(user, request), "recovery_code_used")


def listen() -> None:
    """Connect what allauth tells."""
    for signal, action in TOLD:
        signal.connect(_teller(action), weak=False, dispatch_uid=f"crm.sign_ins.{action}")


def _teller(action: str) -> Any:
    def on_told(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
        audit.record_for(user, _by(user, request), action, changes=_factor(kwargs.get("authenticator")))

    return on_told


def _factor(authenticator: Any) -> dict[str, tuple[object, object]]:
    """Which kind of factor: totp, webauthn, recovery_codes."""
    return {"method": (None, str(authenticator.type))} if authenticator is not None else {}


def _service(request: HttpRequest) -> dict[str, tuple[object, object]]:
    """Where they signed in from, if it was not here."""
    ways = request.session.get("account_authentication_methods", [])
    found = [way["provider"] for way in ways if way.get("method") == "socialaccount"]
    return {"provider": (None, found[-1])} if found else {}


def _by(user: User, request: HttpRequest | None) -> Actor:
    return Actor("web", user=user, address=client_address(request) if request else "")
