"""Who calls the API: a company's key, or somebody signed in to the web pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from crm.access import Principal
from crm.models import ApiKey


@dataclass(frozen=True)
class KeyUser:
    """What DRF calls the user of a request that came with a key."""

    key: ApiKey
    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self) -> Any:
        return self.key.pk

    def __str__(self) -> str:
        return self.key.name


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer lm_…`. The middleware has looked the key up already, to open its company's scope."""

    def authenticate(self, request: Request) -> tuple[KeyUser, ApiKey] | None:
        if not request.headers.get("Authorization"):
            return None
        principal = principal_of(request)
        if principal is None or principal.key is None:
            raise AuthenticationFailed(
                "This is not a live API key. Send it as Authorization: Bearer lm_…", code="invalid_key"
            )
        return KeyUser(principal.key), principal.key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class WebSessionAuthentication(SessionAuthentication):
    """The session of the web pages, with its CSRF token."""


def principal_of(request: Request) -> Principal | None:
    """Who asks, for which company; None without a key, or for a user who is in no company."""
    return getattr(request._request, "principal", None)
