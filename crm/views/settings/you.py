"""What belongs to the person and not to the company: password, second step, browsers that are signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from crm import audit
from crm.actor import Actor
from crm.addresses import client_address
from crm.models import User
from crm.second_step import must_set_up
from crm.sign_in_with import let_forms_leave, name_of, services
from crm.views.page import done

YOU: Final = "settings_you"

# A word in the browser's own account of itself, and what people call it; the first that fits counts.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class SignedIn:
    """A browser that is signed in as this person."""

    pk: int
    browser: str
    address: str
    since: datetime
    seen_at: datetime
    is_this: bool


@dataclass(frozen=True)
class SecondStep:
    """What somebody has set up besides the password."""

    app: Authenticator | None
    passkeys: list[Authenticator]
    codes: Authenticator | None

    @property
    def codes_left(self) -> int:
        return len(self.codes.wrap().get_unused_codes()) if self.codes else 0

    @property
    def is_on(self) -> bool:
        return bool(self.app or self.passkeys)


@dataclass(frozen=True)
class SignInWith:
    """A service: as whom it signs this person in, and since when; or that it could."""

    key: str
    name: str
    is_offered: bool
    account: SocialAccount | None = None

    @property
    def email(self) -> str:
        return str(self.account.extra_data.get("email", "")) if self.account else ""


@require_safe
def your_account(request: HttpRequest) -> HttpResponse:
    """Everything about how this person signs in."""
    user = cast("User", request.user)
    context = {
        "person": user,
        "step": second_step_of(user),
        "sessions": _sessions(request),
        "services": _services(user),
        "must_set_up": must_set_up(request),
    }
    return let_forms_leave(render(request, "crm/settings/you.html", context))


@require_safe
def to_your_account(request: HttpRequest, key: str = "") -> HttpResponse:
    """In place of pages of allauth's that have no place here."""
    return redirect(YOU)


@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one browser out. Somebody else's is a 404, like one that does not exist."""
    session = UserSession.objects.filter(user_id=request.user.pk, pk=pk).first()
    if session is None:
        raise Http404
    _record_end(request)
    if session.session_key == request.session.session_key:
        session.delete()
        logout(request)
        return redirect("account_login")
    session.end()
    return done(request, "That browser is signed out.", reverse(YOU))


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """Sign every other browser out."""
    others = UserSession.objects.filter(user_id=request.user.pk).exclude(
        session_key=request.session.session_key
    )
    for session in others:
        _record_end(request)
        session.end()
    return done(request, "Every other browser is signed out.", reverse(YOU))


def _record_end(request: HttpRequest) -> None:
    user = cast("User", request.user)
    audit.record_for(user, Actor("web", user=user, address=client_address(request)), "session_ended")


def second_step_of(user: User) -> SecondStep:
    """What this person has set up."""
    authenticators = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    by_type = {authenticator.type: authenticator for authenticator in authenticators}
    return SecondStep(
        by_type.get(Authenticator.Type.TOTP),
        [each for each in authenticators if each.type == Authenticator.Type.WEBAUTHN],
        by_type.get(Authenticator.Type.RECOVERY_CODES),
    )


def _services(user: User) -> list[SignInWith]:
    """Those connected, also ones that the operator no longer offers, and those that could be."""
    connected = list(SocialAccount.objects.filter(user=user).order_by("date_joined"))
    offered = {service.key for service in services()}
    mine = {account.provider for account in connected}
    return [
        *(SignInWith(one.provider, name_of(one.provider), one.provider in offered, one) for one in connected),
        *(SignInWith(one.key, one.name, is_offered=True) for one in services() if one.key not in mine),
    ]


def browser_name(user_agent: str) -> str:
    """`Chrome on Windows`; as much of it as can be told."""
    browser = next((name for word, name in _BROWSERS if word in user_agent), "A browser")
    system = next((name for word, name in _SYSTEMS if word in user_agent), "")
    return f"{browser} on {system}" if system else browser


def _sessions(request: HttpRequest) -> list[SignedIn]:
    """The newest first, this one on top. Sessions that have ended are forgotten on the way."""
    sessions = UserSession.objects.purge_and_list(request.user)
    shown = [
        SignedIn(
            session.pk,
            browser_name(session.user_agent),
            session.ip,
            session.created_at,
            session.last_seen_at,
            session.session_key == request.session.session_key,
        )
        for session in sessions
    ]
    return sorted(shown, key=lambda each: (each.is_this, each.seen_at), reverse=True)
