"""What the tests of signing in share: counters that start at nothing, and a browser that types in a password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.factories import PASSWORD


@pytest.fixture(autouse=True)
def fresh_counters() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


class Visitor:
    """A browser at an address of its own, not signed in."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.client = Client(REMOTE_ADDR=address)

    def signs_in(self, email: str, password: str = PASSWORD) -> Any:
        return self.client.post("/accounts/login/", {"login": email, "password": password})

    def is_in(self) -> bool:
        return bool(self.client.get("/settings/you/").status_code == 200)
