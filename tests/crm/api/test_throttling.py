"""The rate limit: a bucket for each caller, kept in the broker, and none while the broker is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crm.api.throttling import Buckets
from crm.models import Company, User
from tests.crm.api.caller import Api, code

pytestmark = pytest.mark.django_db


def test_a_caller_who_is_too_fast_waits(api: Api, settings: Any) -> None:
    settings.API_RATE, settings.API_BURST = 60, 3
    assert [api.get("tags/").status_code for _ in range(3)] == [200] * 3
    refused = api.get("tags/")
    assert code(refused, 429) == "throttled"
    assert refused.headers["Retry-After"] == "1"
    time.sleep(1.05)
    assert api.get("tags/").status_code == 200


def test_callers_do_not_slow_each_other(
    api: Api,
    company: Company,
    owner: User,
    settings: Any,
    caller_of: Callable[..., Api],
    session_of: Callable[..., Api],
) -> None:
    settings.API_RATE, settings.API_BURST = 1, 1
    for caller in (api, caller_of(company), session_of(owner)):
        assert [caller.get("tags/").status_code for _ in range(2)] == [200, 429]


def test_a_refused_post_is_not_kept_for_its_key(api: Api, settings: Any) -> None:
    settings.API_RATE, settings.API_BURST = 1, 1
    key = {"Idempotency-Key": "k1"}
    api.get("tags/")
    assert code(api.post("leads/", {"last_name": "A"}, **key), 429) == "throttled"
    settings.API_RATE = 0
    assert api.post("leads/", {"last_name": "A"}, **key).status_code == 201


def test_a_bucket_fills_up_to_its_size(settings: Any) -> None:
    buckets = Buckets(settings.REDIS_URL)
    name = f"test:{time.monotonic_ns()}"
    assert [buckets.take(name, 20, 2) for _ in range(2)] == [0, 0]
    assert 0 < buckets.take(name, 20, 2) <= 0.05
    time.sleep(0.3)  # six could have come; two fit
    assert [buckets.take(name, 20, 2) for _ in range(2)] == [0, 0]
    assert buckets.take(name, 20, 2) > 0


def test_without_a_broker_everybody_is_let_through_quickly(api: Api, settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    settings.API_RATE, settings.API_BURST = 1, 1
    assert [api.get("tags/").status_code for _ in range(5)] == [200] * 5


def test_a_broker_that_does_not_answer_is_left_alone_for_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection, never says a word
        buckets = Buckets(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        began = time.monotonic()
        assert [buckets.take("test", 1, 1) for _ in range(100)] == [0] * 100
        assert time.monotonic() - began < 2.5  # a hundred time-outs are 5 s
