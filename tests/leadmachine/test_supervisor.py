"""The supervisor: real processes, really killed."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from leadmachine.env import REPOSITORY

# A child with a child of its own, as gunicorn and Celery have; it writes both process ids into a file.
PARENT = """
    import os, subprocess, sys, time
    family = sys.argv[1]
    below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(family + ".new", "w") as file:
        file.write(f"{os.getpid()} {below.pid}")
    os.replace(family + ".new", family)
    time.sleep(600)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
LAST_WORDS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("{0} left", flush=True)))
print("{0} came", flush=True)
time.sleep(600)
"""

SUPERVISE = """
    import sys
    from pathlib import Path
    from leadmachine.supervisor import Program, Supervisor

    def python(name, code, *words, **options):
        return Program(name, [sys.executable, "-c", code, *words], name, **options)

    scratch = Path(sys.argv[1])
    programs = eval(sys.argv[2])
    with Supervisor(programs, scratch=scratch, say=lambda line: print(line, flush=True)) as supervisor:
        supervisor.run(on_ready=lambda: print("ready", flush=True))
    print("over", flush=True)
"""


class Run:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, folder: Path, programs: str) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(SUPERVISE), str(self.scratch), programs],
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def pids(self, name: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"^{name} +pid (\d+)", self.said, re.MULTILINE)]

    def family(self, name: str) -> list[int]:
        """The process and its child, once both are there."""
        path = self.scratch / name
        eventually(path.exists)
        return [int(pid) for pid in path.read_text().split()]

    def watcher(self) -> int:
        children = psutil.Process(self.process.pid).children()
        return next(child.pid for child in children if any("watcher.py" in word for word in child.cmdline()))


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    runs: list[Run] = []

    def start(programs: str) -> Run:
        run = Run(tmp_path, programs)
        runs.append(run)
        eventually(lambda: "ready" in run.said, saying=lambda: run.said)
        return run

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()


def test_a_dead_child_is_started_again_within_two_seconds_every_time(supervise: Callable[[str], Run]) -> None:
    run = supervise(f"[python('one', {STUBBORN!r})]")
    for already in (1, 2):
        os.kill(run.pids("one")[-1], signal.SIGKILL)
        eventually(lambda already=already: len(run.pids("one")) == already + 1, within=2)
    assert "one      ended (SIGKILL); starting it again" in run.said


def test_what_a_dead_child_leaves_behind_is_ended_before_it_starts_again(
    supervise: Callable[[str], Run],
) -> None:
    run = supervise(family("one"))
    leader, below = run.family("one")
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: len(run.pids("one")) == 2, within=2)
    assert not alive(below)


@pytest.mark.parametrize("request_to_stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_stop_ends_everything(
    supervise: Callable[[str], Run], request_to_stop: signal.Signals
) -> None:
    run = supervise(family("one"))
    everyone = [*run.family("one"), run.watcher()]
    run.process.send_signal(request_to_stop)
    assert run.process.wait(5) == 0
    assert "over" in run.said
    eventually(lambda: not any(map(alive, everyone)))
    assert not run.scratch.exists()


def test_a_child_that_will_not_go_is_killed_when_its_grace_is_over(supervise: Callable[[str], Run]) -> None:
    run = supervise(f"[python('one', {STUBBORN!r}, grace=0.5)]")
    time.sleep(0.3)  # until it ignores the signal
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(5) == 0
    assert not alive(run.pids("one")[0])


def test_asking_twice_does_not_wait_for_the_grace(supervise: Callable[[str], Run]) -> None:
    run = supervise(f"[python('one', {STUBBORN!r}, grace=600)]")
    time.sleep(0.3)  # until it ignores the signal
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(5) == 0


def test_what_serves_others_leaves_last(supervise: Callable[[str], Run]) -> None:
    def leaver(name: str) -> str:
        return f"python({name!r}, {LAST_WORDS.format(name)!r}, serves_others={name == 'server'})"

    run = supervise(f"[{leaver('server')}, {leaver('client')}]")
    eventually(lambda: "server came" in run.said and "client came" in run.said)
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(5) == 0
    assert run.said.index("client left") < run.said.index("server left")


def test_everything_ends_when_the_supervisor_is_killed(supervise: Callable[[str], Run]) -> None:
    run = supervise(family("one"))
    everyone = [*run.family("one"), run.watcher()]
    run.process.kill()
    run.process.wait()
    eventually(lambda: not any(map(alive, everyone)), within=5)
    assert not run.scratch.exists()


def test_a_killed_watcher_is_replaced_and_its_successor_knows_the_children(
    supervise: Callable[[str], Run],
) -> None:
    run = supervise(family("one"))
    everyone = run.family("one")
    first = run.watcher()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: has_watcher_besides(run, first), within=2)
    run.process.kill()
    run.process.wait()
    eventually(lambda: not any(map(alive, everyone)), within=5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's part exists on Linux only")
def test_children_end_even_when_the_watcher_is_killed_with_the_supervisor(
    supervise: Callable[[str], Run],
) -> None:
    run = supervise(family("one"))
    leader, below = run.family("one")
    run.process.send_signal(signal.SIGSTOP)  # so that it cannot replace the watcher
    os.kill(run.watcher(), signal.SIGKILL)
    run.process.kill()
    run.process.wait()
    eventually(lambda: not alive(leader))
    os.kill(
        below, signal.SIGKILL
    )  # gunicorn's and Celery's children leave with their parent; this one does not


def family(name: str) -> str:
    return f"[python({name!r}, {textwrap.dedent(PARENT)!r}, str(scratch / {name!r}))]"


def has_watcher_besides(run: Run, first: int) -> bool:
    try:
        return run.watcher() != first
    except (StopIteration, psutil.NoSuchProcess, psutil.ZombieProcess):
        return False  # between the two


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not collected yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(holds: Callable[[], bool], within: float = 10, saying: Callable[[], str] = lambda: "") -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, f"not within {within} s. {saying()}"
        time.sleep(0.02)


BEATING = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1]); folder.mkdir(exist_ok=True)
while True:
    (folder / "1").touch()
    time.sleep(0.2)
"""


def test_a_child_that_is_alive_and_does_nothing_is_started_again(supervise: Callable[[str], Run]) -> None:
    run = supervise(f"[python('one', {STUBBORN!r}, heartbeat=scratch / 'beats', deaf_after=1.0)]")
    eventually(lambda: len(run.pids("one")) > 1, within=15)
    assert "one      has done nothing for 1 s" in run.said
    assert not psutil.pid_exists(run.pids("one")[0])


def test_a_child_that_is_heard_of_is_left_alone(supervise: Callable[[str], Run]) -> None:
    run = supervise(
        f"[python('one', {BEATING!r}, str(scratch / 'beats'), heartbeat=scratch / 'beats', deaf_after=2.0),"
        f" python('two', {BEATING!r}, str(scratch / 'beats'), heartbeat=scratch / 'beats', deaf_after=2.0)]"
    )
    time.sleep(8)
    assert len(run.pids("one")) == 1


def test_a_frozen_child_is_started_again(supervise: Callable[[str], Run]) -> None:
    run = supervise(
        f"[python('one', {BEATING!r}, str(scratch / 'beats'), heartbeat=scratch / 'beats', deaf_after=1.5)]"
    )
    os.kill(run.pids("one")[0], signal.SIGSTOP)
    eventually(lambda: len(run.pids("one")) > 1, within=15)


def test_a_long_task_may_take_as_long_as_it_said(supervise: Callable[[str], Run]) -> None:
    promises = (
        "import os, pathlib, sys, time; folder = pathlib.Path(sys.argv[1]); folder.mkdir(exist_ok=True); "
    )
    promises += "(folder / '1').touch(); os.utime(folder / '1', (time.time() + 600,) * 2); time.sleep(600)"
    run = supervise(
        f"[python('one', {promises!r}, str(scratch / 'beats'), heartbeat=scratch / 'beats', deaf_after=1.0)]"
    )
    time.sleep(7)
    assert len(run.pids("one")) == 1
    # Once it is dead, what it said counts no more.
    os.kill(run.pids("one")[0], signal.SIGKILL)
    eventually(lambda: len(run.pids("one")) == 2, within=3)
