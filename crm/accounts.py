"""Signing in: what differs from allauth's ways.

Wrong passwords are counted for each address and place they are tried from, and not for the address alone: else
anybody could lock anybody out. A browser that has signed in before keeps a cookie and is counted apart, so that
its owner gets in even while thousands of strangers try.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import cache
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.crypto import get_random_string, salted_hmac

from crm.addresses import client_address

KNOWN_COOKIE: Final = "__Host-known" if settings.IS_HTTPS else "known"
KNOWN_SECONDS: Final = 180 * 24 * 3600
CODE_SECONDS: Final = 180
_SALT: Final = "crm.accounts.known"


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up by themselves: people are invited, or the first-run page makes the owner."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """In the language of whoever gets it, if they chose one: the browser that asks may be anybody's."""
        chosen = getattr(context.get("user"), "language", "")
        with translation.override(chosen or translation.get_language()):
            super().send_mail(template_prefix, email, context)

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or str(IPv4Address(0))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Besides the count for address and place: all strangers together get so many tries an hour."""
        super().pre_authenticate(request, **credentials)
        login = _login_of(credentials)
        if _known_browser(request, login):
            return
        self._strangers = ratelimit.consume(
            request, app="allauth.account", action="login_strangers", key=login
        )
        if not self._strangers:
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        super()._rollback_login_failed_rl_usage()
        if strangers := getattr(self, "_strangers", None):
            strangers.rollback()

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        login = _login_of(credentials)
        place = _known_browser(request, login) or ratelimit.truncate_ip(self.get_client_ip(request))
        return f"{login}|{place}"

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        remember_browser(response, user.get_username())
        return response


def remember_browser(response: HttpResponse, login: str) -> None:
    """Let this browser be counted apart from strangers when it signs in as the same person again."""
    word = f"{_hidden(login)}.{get_random_string(22)}"
    response.set_cookie(
        KNOWN_COOKIE,
        Signer(salt=_SALT).sign(word),
        max_age=KNOWN_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.IS_HTTPS,
    )


def _known_browser(request: HttpRequest, login: str) -> str:
    """The name of a browser that has signed in as this person; "" for a stranger's."""
    try:
        word = Signer(salt=_SALT).unsign(request.COOKIES.get(KNOWN_COOKIE, ""))
    except BadSignature:
        return ""
    return word if word.startswith(f"{_hidden(login)}.") else ""


def _login_of(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email", "")).strip().lower()


def _hidden(login: str) -> str:
    return salted_hmac(_SALT, login.lower(), algorithm="sha256").hexdigest()


class _OnceOnly:
    """A code lets in once, for as long as the clock would accept it again."""

    user: Any
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]  # a mixin of allauth's forms
        digits = "".join(filter(str.isalnum, code))
        if not cache.add(f"second-step-used:{self.user.pk}:{_hidden(digits)}", 1, timeout=CODE_SECONDS):
            from allauth.mfa.adapter import get_adapter

            raise get_adapter().validation_error("incorrect_code")
        return code


class SecondStepForm(_OnceOnly, AuthenticateForm):
    """The second step when signing in."""


class ConfirmForm(_OnceOnly, ReauthenticateForm):
    """The second step when confirming something that matters."""
