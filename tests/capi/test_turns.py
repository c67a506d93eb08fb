"""However often somebody says that there is work, one message of a company goes on with it, and nobody waits behind."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache

from capi import delivery, heartbeat, tasks
from crm import turns

LARGE = [uuid4() for _ in range(3)]
SMALL = uuid4()


@pytest.fixture(autouse=True)
def no_batons() -> Iterator[None]:
    yield
    for company in (*LARGE, SMALL):
        cache.delete(f"turn:deliver:{company}")


class Queue:
    """The broker's queue, one worker, and who had a turn."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.messages: deque[tuple[str, ...]] = deque()
        self.turns: list[UUID] = []
        patch.setattr(tasks.deliver, "apply_async", lambda args, retry: self.messages.append(args))
        patch.setattr(delivery, "companies_with_work", lambda: LARGE)
        patch.setattr(delivery, "deliver_turn", self._turn)
        patch.setattr(heartbeat, "asked", lambda: None)

    def _turn(self, company: UUID) -> bool:
        self.turns.append(company)
        return company in LARGE

    def work(self, count: int) -> None:
        """Take messages until so many of them were turns; a needless one takes no time."""
        wanted = len(self.turns) + count
        while self.messages and len(self.turns) < wanted:
            tasks.deliver(*self.messages.popleft())


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    return Queue(monkeypatch)


def test_sweeps_over_a_backlog_do_not_fill_the_queue(queue: Queue) -> None:
    for _ in range(50):
        tasks.deliver_due()
        queue.work(2)
    assert len(queue.messages) <= 3 * len(LARGE)


def test_one_event_waits_for_one_turn_of_each_company_and_no_more(queue: Queue) -> None:
    for _ in range(50):
        tasks.deliver_due()
        queue.work(2)
    tasks.deliver.apply_async(args=(str(SMALL),), retry=False)
    before = len(queue.turns)
    queue.work(3 * len(LARGE))
    assert SMALL in queue.turns[before : before + len(LARGE) + 1]


def test_companies_with_a_backlog_take_turns(queue: Queue) -> None:
    tasks.deliver_due()
    queue.work(9)
    assert queue.turns == LARGE * 3


def test_a_message_that_was_lost_is_missed_for_half_a_minute_at_most(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "KEPT_SECONDS", 0.01)
    tasks.deliver_due()
    queue.work(3)
    queue.messages.clear()
    time.sleep(0.02)
    tasks.deliver_due()
    queue.work(3)
    assert queue.turns == LARGE * 2


def test_a_turn_that_cannot_queue_up_again_leaves_no_baton(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(args: object, retry: bool) -> None:
        raise OSError("The broker is away.")

    monkeypatch.setattr(tasks.deliver, "apply_async", away)
    with pytest.raises(OSError, match="away"):
        tasks.deliver(str(LARGE[0]))
    assert not turns.is_needless(f"deliver:{LARGE[0]}", "")


def test_a_message_that_is_delivered_again_after_its_worker_died_is_taken(queue: Queue) -> None:
    tasks.deliver(str(LARGE[0]))
    args = queue.messages[0]
    assert not turns.is_needless(f"deliver:{LARGE[0]}", args[1])  # taken, and then its worker died
    tasks.deliver(*args)
    assert queue.turns == [LARGE[0]] * 2
