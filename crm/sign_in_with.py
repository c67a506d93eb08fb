"""Signing in with another service, LinkedIn or Google: whom that lets in, and what is kept of them.

A service opens an account that is there already. It never makes one, and never a membership: people are invited.

- Connected once, the service's own id of the person counts, and no address any more.
- An account is connected on its own page, by whoever is signed in and has just proved so again.
- Or by signing in once: whoever comes from a service that is not connected is sent to the password. If they then get
  in, second step included, within ten minutes and as the very address that the service has verified, the two are
  connected.

An address alone, verified or not, lets nobody in. Accounts are made from links that need not have been mailed, so
one may have been made in somebody else's name; joining it to the right person on the word of a service would hand
the other one everything that person is invited to from then on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, _build_apps_from_settings
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from allauth.socialaccount.signals import social_account_added
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from crm.frame import Toast
from crm.models import User
from crm.toasts import show_toast

log = logging.getLogger(__name__)

WAITING: Final = "service_to_connect"
WAITING_SECONDS: Final = 600
# What a service may say of an address that it has verified; some send a word where the standard has a boolean.
_VERIFIED: Final = (True, "true")


@dataclass(frozen=True)
class Service:
    """Where people may sign in from."""

    key: str
    name: str


def services() -> list[Service]:
    """Those that the operator has set up, in order."""
    return [Service(app["provider_id"], app["name"]) for app in _apps()]


def name_of(key: str) -> str:
    """What people call a service; also one that is no longer set up."""
    return next((service.name for service in services() if service.key == key), key.capitalize())


def let_forms_leave(response: HttpResponse) -> HttpResponse:
    """Lets the forms of this page, and of no other, end at the services: browsers hold redirects to `form-action`."""
    if pages := [app["settings"]["pages"] for app in _apps()]:
        response._csp_update = {"form-action": pages}  # type: ignore[attr-defined]  # read by django-csp
    return response


def _apps() -> list[dict[str, Any]]:
    apps: list[dict[str, Any]] = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    return apps


class ServiceAdapter(DefaultSocialAccountAdapter):
    """What differs from allauth's ways."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """From the environment alone: no secret of a service is in the database."""
        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Mapping[str, Any]) -> User:
        """Called with what the service said, before anything is looked up: keep the address of it, no more."""
        said = _said(sociallogin.account.extra_data)
        if said.get("email_verified") not in _VERIFIED:
            sociallogin.email_addresses = []
        sociallogin.account.extra_data = {"email": str(said.get("email") or "")}
        user: User = super().populate_user(request, sociallogin, data)
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        sociallogin.token = None  # it may read a profile; nothing here does so again
        if sociallogin.is_existing or sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        request.session[WAITING] = {
            "service": sociallogin.account.provider,
            "uid": sociallogin.account.uid,
            "email": next((address.email for address in sociallogin.email_addresses), ""),
            "at": time.time(),
        }
        raise ImmediateHttpResponse(redirect("account_login"))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: Mapping[str, Any] | None = None,
    ) -> None:
        if error == AuthError.CANCELLED:
            raise ImmediateHttpResponse(redirect(_begin(request)))
        raise ImmediateHttpResponse(not_confirmed(request, provider.sub_id, exception))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        return "/settings/you/"


def not_confirmed(request: HttpRequest, service: str, exception: Exception | None) -> HttpResponse:
    """The page that says that a service did not say who somebody is. Its own words are nobody's business."""
    log.warning("%s did not confirm who somebody is: %s", service, type(exception).__name__)
    context = {"service": name_of(service), "back": _begin(request)}
    return render(request, "socialaccount/authentication_error.html", context, status=401)


def _begin(request: HttpRequest) -> str:
    return "settings_you" if request.user.is_authenticated else "account_login"


def _said(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims about the person. Raises PermissionDenied where the two sources of them speak of two people."""
    profile: Mapping[str, Any] = extra["userinfo"]
    if profile["sub"] != extra.get("id_token", profile)["sub"]:
        raise PermissionDenied
    return profile


# ── The first time: a password once ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Waiting:
    """Somebody whom a service named, and who has not signed in yet."""

    service: str
    uid: str
    email: str

    @property
    def name(self) -> str:
        return name_of(self.service)


def waiting(request: HttpRequest) -> Waiting | None:
    """Who came from a service in this browser a short while ago; `email` is "" unless the service verified it."""
    found = request.session.get(WAITING)
    if not found or time.time() - found["at"] > WAITING_SECONDS:
        return None
    return Waiting(found["service"], found["uid"], found["email"])


@receiver(user_logged_in, dispatch_uid="crm.sign_in_with.connect_who_waits")
def connect_who_waits(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Connect the service that somebody came from to the account that they then got into, if it is the same person."""
    came, _popped = waiting(request), request.session.pop(WAITING, None)
    if came is None or came.email.lower() != user.email.lower():
        return
    account, is_new = SocialAccount.objects.get_or_create(
        provider=came.service, uid=came.uid, defaults={"user": user, "extra_data": {"email": came.email}}
    )
    if is_new:
        login = SocialLogin(user=user, account=account)
        social_account_added.send(sender=SocialLogin, request=request, sociallogin=login)
        show_toast(
            request,
            Toast(_("{name} is connected. From now on it is enough to sign in with.").format(name=came.name)),
        )
