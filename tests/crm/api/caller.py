"""Callers of the API with short ways to send JSON, and what to expect of a refusal. Fixtures go into a conftest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import Company, User

API = "/api/v1/"


class Api:
    """A caller of the API: paths below /api/v1/, bodies as objects or as raw text."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.client.raise_request_exception = False

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path if path.startswith("http") else API + path, **options)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("post", path, body, headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("put", path, body, headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("patch", path, body, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self._send("delete", path, None, headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        return getattr(self.client, method)(API + path, raw, content_type="application/json", headers=named)


@pytest.fixture
def caller_of(api_of: Callable[..., Client]) -> Callable[..., Api]:
    """A caller with a fresh key of that company; all scopes unless said otherwise."""
    return lambda company, *scopes: Api(api_of(company, *scopes))


@pytest.fixture
def api(company: Company, owner: User, caller_of: Callable[..., Api]) -> Api:
    """A caller with every scope of Acme."""
    return caller_of(company)


@pytest.fixture
def session_of(client_of: Callable[[User], Client]) -> Callable[[User], Api]:
    """A caller by the session of the web pages."""
    return lambda user: Api(client_of(user))


def attrs(response: Any) -> list[str]:
    """What a refusal of the body or the query names; it must be one, and in the one shape."""
    assert response.status_code == 400, response.content
    body = response.json()
    assert set(body) == {"type", "errors"}
    assert body["type"] == "validation_error"
    assert all(set(error) == {"code", "detail", "attr"} for error in body["errors"])
    return [error["attr"] for error in body["errors"]]


def code(response: Any, status: int) -> str:
    """The code of the one error in an answer with that status."""
    assert response.status_code == status, response.content
    body = response.json()
    assert body["type"] == ("client_error" if status < 500 else "server_error")
    (error,) = body["errors"]
    assert set(error) == {"code", "detail", "attr"}
    assert error["detail"]
    return str(error["code"])
