"""Reads EMAIL_URL: where mail leaves from. Without one nothing is mailed, and links are shown instead.

smtp+tls://user:password@mail.example:587?from=crm@example.com    STARTTLS
smtps://user:password@mail.example:465?from=crm@example.com       TLS from the first byte
smtp://127.0.0.1:25?from=crm@example.com                          plain, for a relay on this machine
console:                                                          written to standard error, for trying out
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from leadmachine.env import Misconfigured

_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True)
class Mail:
    """As Django's EMAIL_… settings."""

    backend: str = "django.core.mail.backends.dummy.EmailBackend"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    starts_tls: bool = False
    is_tls: bool = False
    sender: str = "leadmachine@localhost"


def mail(url: str | None) -> Mail:
    """The settings that a URL stands for. Raises Misconfigured, without repeating the URL: it holds a password."""
    if not url:
        return Mail()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Misconfigured("EMAIL_URL cannot be read. Its port must be a number.") from error
    sender = parse_qs(parts.query).get("from", [f"leadmachine@{parts.hostname or 'localhost'}"])[0]
    if parts.scheme == "console":
        return Mail(backend="django.core.mail.backends.console.EmailBackend", sender=sender)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Misconfigured("EMAIL_URL must start with smtp+tls://, smtps:// or smtp://, and name a host.")
    return Mail(
        backend=_SMTP,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starts_tls=parts.scheme == "smtp+tls",
        is_tls=parts.scheme == "smtps",
        sender=sender,
    )
