"""A whole installation whose broker goes bad, and whose worker is told to end while LinkedIn answers.

CHAOS_KILLS sets how often the worker is ended: 3 times unless said otherwise, half of it in the long form.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection as BrokerConnection

from capi.sandbox.running import RunningSandbox, running_sandbox
from capi.sandbox.world import SANDBOX_TOKEN
from leadmachine import broker
from tests.chaos.running import Installation, installation, wait_for, with_company
from tests.chaos.test_broker import add_lead
from tests.chaos.test_kills import accepted_in_log

pytestmark = [pytest.mark.chaos, pytest.mark.own_installation]

ENDS = max(3, int(os.environ.get("CHAOS_KILLS", "0")) // 2)
# A worker that the broker has broken is started again by then, and the sweep has found what was nudged in vain.
BACK = 120


@dataclass
class Stand:
    """An installation with a broker that can be reached and hurt, and the LinkedIn that it tells."""

    running: Installation
    sandbox: RunningSandbox
    broker: str
    redis: Any
    leads: int = 0

    def add_lead(self) -> None:
        self.leads += 1
        add_lead(self.running, f"lead{self.leads}@customer.test")

    def all_is_accepted(self) -> bool:
        return accepted_in_log(self.running) == self.leads

    def check(self) -> None:
        wait_for(self.all_is_accepted, BACK, f"{self.leads} accepted events", self.why)
        assert self.sandbox.control.stats().duplicates == 0
        assert self.running.accounts_add_up()

    def why(self) -> str:
        return "".join(self.running.output[-40:])


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = Path(tempfile.mkdtemp(prefix="lm-"))  # a socket's path must be short
    server = broker.start(folder)
    data = tmp_path_factory.mktemp("installation")
    try:
        with running_sandbox() as sandbox, installation(data, sandbox.url, REDIS_URL=server.url) as running:
            with_company(running)
            running.call("PUT", "capi/connection/", token=SANDBOX_TOKEN)
            running.call("POST", "capi/rules/", name="Lead", event="lead_created", conversion_id="23948811")
            yield Stand(running, sandbox, server.url, redis.Redis.from_url(server.url))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def publish(stand: Stand, body: Any, **words: Any) -> None:
    """A message in the queue of the worker, whatever it is."""
    options = {"global_keyprefix": "leadmachine:"}
    with BrokerConnection(broker.celery_url(stand.broker), transport_options=options) as connection:
        connection.Producer().publish(body, routing_key="celery", **words)


class Bomb:
    """Pickled, it makes a file where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.file),))


def test_a_worker_that_is_told_to_end_finishes_its_request(stand: Stand) -> None:
    """Row 6: nothing is sent twice, and nobody has to guess what LinkedIn did."""
    for _ in range(ENDS):
        worker, requests = stand.running.pids["worker"], stand.sandbox.control.stats().requests
        stand.sandbox.control.fault("slow", seconds=1.5, count=1)
        stand.add_lead()
        wait_for(lambda: sending(stand) == 1, 15, "a request under way", stand.why)
        os.kill(worker, signal.SIGTERM)
        wait_for(
            lambda worker=worker: stand.running.pids["worker"] != worker, 60, "another worker", stand.why
        )
        wait_for(stand.all_is_accepted, BACK, "the event", stand.why)
        assert stand.sandbox.control.stats().requests == requests + 1
    log = stand.running.call("GET", "capi/events/?limit=100")["results"]
    assert not any(event["possible_duplicate"] for event in log)
    stand.check()


def sending(stand: Stand) -> int:
    return len(stand.running.call("GET", "capi/events/?status=sending")["results"])


def test_messages_that_are_none_stop_nobody_and_are_never_run(stand: Stand, tmp_path: Path) -> None:
    """Row 17: a pickle, a task that there is not, arguments of another version, and no message at all."""
    file = tmp_path / "bomb"
    words = {"content_type": "application/x-python-serialize", "content_encoding": "binary"}
    publish(stand, pickle.dumps(Bomb(file)), headers={"task": "capi.tasks.deliver", "id": "1"}, **words)
    publish(stand, [[], {}, {}], serializer="json", headers={"task": "capi.tasks.no_such", "id": "2"})
    publish(
        stand, [[1, 2, 3, 4], {}, {}], serializer="json", headers={"task": "capi.tasks.deliver", "id": "3"}
    )
    publish(stand, "{", content_type="application/json", content_encoding="utf-8")
    stand.redis.lpush("leadmachine:celery", "this is no message")
    stand.add_lead()
    stand.check()
    assert not file.exists()


def test_a_broker_that_is_full_loses_nothing(stand: Stand) -> None:
    """Row 23: it refuses to write. What is saved meanwhile is saved as quickly, and delivered after."""
    stand.redis.config_set("maxmemory", 1)
    try:
        for _ in range(5):
            stand.add_lead()
        time.sleep(3)
    finally:
        stand.redis.config_set("maxmemory", 0)
    stand.check()


def test_a_broker_that_forgets_where_its_queues_are_is_heard_of_again(stand: Stand) -> None:
    """Row 24: keys that a broker with another policy would evict first."""
    assert stand.redis.delete(*stand.redis.keys("leadmachine:_kombu.binding.*"))
    stand.add_lead()
    stand.check()


def test_a_broker_that_forgets_everything_costs_time_only(stand: Stand) -> None:
    """Row 19."""
    for _ in range(5):
        stand.add_lead()
        stand.redis.flushall()
    stand.check()
