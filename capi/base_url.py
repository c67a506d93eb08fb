"""Reads a base URL from the settings and says what matters about it. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class BaseUrl:
    """`https://host[:port][/path]`. `has_extras`: user, query or fragment, none of which a base URL may have."""

    scheme: str
    host: str
    has_extras: bool

    @classmethod
    def read(cls, text: str) -> BaseUrl | None:
        """The URL, or None if it is not one with http or https and a host."""
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018  raises for a port that is not a number
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in text):
            return None
        extras = bool(parts.query or parts.fragment or "@" in parts.netloc)
        return cls(parts.scheme, parts.hostname, extras)

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
