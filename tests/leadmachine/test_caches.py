"""The shared cache: one count for all processes, and sign-ins that go on while the broker is away."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from crm.models import User
from leadmachine import caches
from leadmachine.caches import SharedCache
from tests.factories import PASSWORD

AWAY = "unix:///nonexistent/broker.sock"


def cache(server: str, prefix: str) -> SharedCache:
    return SharedCache(server, {"KEY_PREFIX": prefix})


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex}"


def test_two_processes_share_it(prefix: str) -> None:
    one, two = (cache(os.environ["REDIS_URL"], prefix) for _ in range(2))
    assert one.add("tries", [1.5, 2.5], 60)
    assert not two.add("tries", [], 60)
    assert two.get("tries") == [1.5, 2.5]
    two.set("tries", [3.5], 60)
    assert one.get("tries") == [3.5]
    assert one.delete("tries")
    assert two.get("tries", "nothing") == "nothing"


def test_values_are_never_pickled(prefix: str) -> None:
    with pytest.raises(TypeError):
        cache(os.environ["REDIS_URL"], prefix).set("tries", object(), 60)


def test_without_the_broker_each_process_counts_for_itself(
    prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    alone = cache(AWAY, prefix)
    assert alone.add("tries", [1.0], 60)
    assert not alone.add("tries", [2.0], 60)
    assert alone.get("tries") == [1.0]
    assert caplog.text.count("the broker does not answer") == 1, "Once, not for every question."


def test_the_broker_is_asked_again_after_a_while(prefix: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(caches, "PAUSE", 0)
    flapping = cache(AWAY, prefix)
    flapping.set("tries", 1, 60)
    flapping._shared = cache(os.environ["REDIS_URL"], prefix)._shared
    assert flapping.get("tries") is None
    flapping.set("tries", 2, 60)
    assert cache(os.environ["REDIS_URL"], prefix).get("tries") == 2


@pytest.mark.django_db
def test_one_signs_in_and_is_throttled_without_the_broker(owner: User, settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "leadmachine.caches.SharedCache",
            "LOCATION": AWAY,
            "KEY_PREFIX": uuid4().hex,
        }
    }
    stranger = Client(REMOTE_ADDR="198.51.100.1")
    for n in range(5):
        stranger.post("/accounts/login/", {"login": owner.email, "password": f"wrong-password-{n}"})
    refused = stranger.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert "Too many" in refused.content.decode()
    welcome = Client(REMOTE_ADDR="198.51.100.2")
    assert welcome.post("/accounts/login/", {"login": owner.email, "password": PASSWORD}).status_code == 302
