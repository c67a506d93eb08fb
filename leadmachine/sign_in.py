"""The services that people may sign in with, as allauth takes them: each that the environment has a client for."""

from __future__ import annotations

from typing import Any, Final

from leadmachine import env

# Name, where OpenID Connect is described, where its pages are, and whether it takes a proof key (PKCE).
SERVICES: Final = {
    "linkedin": ("LinkedIn", "https://www.linkedin.com/oauth", "https://www.linkedin.com", False),
    "google": ("Google", "https://accounts.google.com", "https://accounts.google.com", True),
}


def apps() -> list[dict[str, Any]]:
    """For SOCIALACCOUNT_PROVIDERS, from NAME_CLIENT_ID and NAME_CLIENT_SECRET; without either, a service is off."""
    return [app(key, *client) for key in SERVICES if all(client := client_of(key))]


def client_of(key: str) -> tuple[str, str]:
    """Id and secret of our client there, as far as the environment names them."""
    clients = {
        "linkedin": (env.text("LINKEDIN_CLIENT_ID", ""), env.text("LINKEDIN_CLIENT_SECRET", "")),
        "google": (env.text("GOOGLE_CLIENT_ID", ""), env.text("GOOGLE_CLIENT_SECRET", "")),
    }
    return clients[key]


def app(key: str, client_id: str, secret: str) -> dict[str, Any]:
    """One service."""
    name, server, pages, has_proof_key = SERVICES[key]
    return {
        "provider_id": key,
        "name": name,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": server, "pages": pages, "oauth_pkce_enabled": has_proof_key},
    }
