"""What a worker leaves behind for `up`: that it works, and until when it may."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from capi import tasks
from crm import tasks as crm_tasks
from leadmachine import celery
from leadmachine.programs import Address, programs
from leadmachine.supervisor import DEAF_AFTER


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEARTBEATS", str(tmp_path))
    return tmp_path


def heard_until(folder: Path) -> float:
    """In seconds from now."""
    (file,) = folder.iterdir()
    return file.stat().st_mtime - time.time()


def test_a_task_is_heard_of_until_its_time_is_over(folder: Path) -> None:
    celery.say_busy(task=tasks.deliver)
    assert 70 < heard_until(folder) <= 75
    celery.say_busy(task=crm_tasks.apply_retention)
    assert 3600 < heard_until(folder) <= 3700


def test_a_task_that_is_done_is_heard_of_no_longer(folder: Path) -> None:
    celery.say_busy(task=crm_tasks.apply_retention)
    celery.say_done()
    assert -5 < heard_until(folder) <= 0


def test_elsewhere_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEARTBEATS", raising=False)
    celery.say_busy(task=tasks.deliver)


def test_up_listens_to_worker_and_schedule_alike(tmp_path: Path) -> None:
    listed = {program.name: program for program in programs(Address("127.0.0.1", 8000), tmp_path, None)}
    worker, schedule = listed["worker"], listed["schedule"]
    assert worker.heartbeat == schedule.heartbeat
    assert worker.environment["HEARTBEATS"] == str(worker.heartbeat)
    assert worker.deaf_after == DEAF_AFTER == 120
    assert listed["web"].heartbeat is None
