"""What can be wrong with the settings of the installation; each with a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.http.request import validate_host

from capi.base_url import BaseUrl
from leadmachine import sign_in
from leadmachine.database import privileged_role, switched_off

SECRET_KEY_LENGTH = 50
SECRET_KEY_VARIETY = 5
ERASURE_KEY_LENGTH = 32
METRICS_TOKEN_LENGTH = 32


PRIVILEGED = "is a superuser or has BYPASSRLS, and can pass by the walls between companies."
UNPRIVILEGED = (
    "Connect as a role that owns the database and is neither; docs/operating.md says how to make one."
)


@register(Tags.database)
def check_database_role(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Asked with `check --database default` and by each migrate; a warning, so that an upgrade can be finished."""
    roles = [privileged_role(connections[alias]) for alias in databases or ()]
    return [
        checks.Warning(f"The database role {role} {PRIVILEGED}", hint=UNPRIVILEGED, id="leadmachine.W003")
        for role in roles
        if role
    ]


@register(Tags.database)
def check_durability(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """What is said to be saved must be on the disk, or a crash of the server loses events that nobody misses."""
    return [
        checks.Warning(
            f"PostgreSQL runs with {name} off: a crash loses what was reported as saved.",
            hint=f"Set {name} to on, in postgresql.conf or for the role.",
            id="leadmachine.W004",
        )
        for alias in databases or ()
        for name in switched_off(connections[alias])
    ]


@register()
def check_public_url(**kwargs: Any) -> list[CheckMessage]:
    """Sessions and API keys travel to this address, so it must be https, or stay on this machine."""
    hint = "Set PUBLIC_URL to the https:// address that people open, or unset it to stay on this machine."
    url = BaseUrl.read(settings.PUBLIC_URL)
    if url is None or url.has_extras:
        text = "PUBLIC_URL is not a plain base URL: scheme, host and port, nothing else."
        return [Error(text, hint=hint, id="leadmachine.E001")]
    if url.scheme == "http" and not url.is_loopback:
        text = "PUBLIC_URL is http: passwords and sessions would cross the network unencrypted."
        return [Error(text, hint=hint, id="leadmachine.E002")]
    return []


@register()
def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    """Whoever guesses it can make sessions."""
    key = settings.SECRET_KEY
    is_strong = len(key) >= SECRET_KEY_LENGTH and len(set(key)) >= SECRET_KEY_VARIETY
    if is_strong and not key.startswith("django-insecure-"):
        return []
    return [
        Error(
            f"SECRET_KEY is weak: it needs at least {SECRET_KEY_LENGTH} random characters.",
            hint="Set it to the output of: openssl rand -base64 48",
            id="leadmachine.E003",
        )
    ]


@register()
def check_erasure_key(**kwargs: Any) -> list[CheckMessage]:
    """Whoever guesses it can try addresses against the tombstones."""
    if len(settings.ERASURE_KEY) >= ERASURE_KEY_LENGTH:
        return []
    text = f"ERASURE_KEY is weak: it needs at least {ERASURE_KEY_LENGTH} random characters."
    hint = (
        "Before anybody is erased: set it to the output of openssl rand -base64 48. It never changes later."
    )
    return [Error(text, hint=hint, id="leadmachine.E007")]


@register()
def check_metrics_token(**kwargs: Any) -> list[CheckMessage]:
    """Whoever guesses it learns how much is sold here."""
    if not settings.METRICS_TOKEN or len(settings.METRICS_TOKEN) >= METRICS_TOKEN_LENGTH:
        return []
    text = f"METRICS_TOKEN is weak: it needs at least {METRICS_TOKEN_LENGTH} random characters."
    hint = "Set it to the output of openssl rand -hex 24, or unset it and have no /metrics."
    return [Error(text, hint=hint, id="leadmachine.E008")]


@register()
def check_debug(**kwargs: Any) -> list[CheckMessage]:
    """DEBUG shows settings, code and personal data to whoever meets an error."""
    if not (settings.DEBUG and settings.IS_HTTPS):
        return []
    text = "DEBUG is on while PUBLIC_URL is public."
    return [Error(text, hint="Unset DEBUG.", id="leadmachine.E004")]


@register()
def check_allowed_hosts(**kwargs: Any) -> list[CheckMessage]:
    """A foreign Host header must not end up in links, and the public one must be let in."""
    if "*" in settings.ALLOWED_HOSTS:
        return [
            checks.Warning(
                "ALLOWED_HOSTS lets every Host header in, so links can be made to point elsewhere.",
                hint="Name the hosts that people open, separated by commas.",
                id="leadmachine.W001",
            )
        ]
    url = BaseUrl.read(settings.PUBLIC_URL)
    if url and not validate_host(_as_header(url.host), settings.ALLOWED_HOSTS):
        return [
            checks.Warning(
                "ALLOWED_HOSTS leaves out the host of PUBLIC_URL, so that address answers 400 to everybody.",
                hint=f"Add {url.host} to ALLOWED_HOSTS, or unset it.",
                id="leadmachine.W002",
            )
        ]
    return []


@register()
def check_api_rate(**kwargs: Any) -> list[CheckMessage]:
    """A limit below one request refuses every request."""
    wrong = [name for name in ("API_RATE", "API_BURST") if getattr(settings, name) < 1]
    return [
        Error(f"{name} must be at least 1.", hint=f"Unset {name} for the default.", id="leadmachine.E005")
        for name in wrong
    ]


@register()
def check_services(**kwargs: Any) -> list[CheckMessage]:
    """Half a client is a slip: the button to sign in with that service would just not be there."""
    return [
        Error(
            f"{key.upper()}_CLIENT_ID and {key.upper()}_CLIENT_SECRET belong together, and one is missing.",
            hint="Set both to let people sign in with it, or neither.",
            id="leadmachine.E006",
        )
        for key in sign_in.SERVICES
        if any(sign_in.client_of(key)) and not all(sign_in.client_of(key))
    ]


def _as_header(host: str) -> str:
    return f"[{host}]" if ":" in host else host
