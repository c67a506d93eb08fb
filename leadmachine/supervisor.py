"""Keeps programs running: starts them, restarts what dies, and ends all, even when it is killed itself.

Three things see to the last: each program leads a process group of its own; a watcher process (`watcher.py`)
hears through a pipe when the supervisor is gone and ends those groups; and on Linux the kernel signals each
program when its parent dies, should the watcher have been killed as well. Single-threaded, and used from the
main thread: Python delivers signals there, and the kernel's is tied to the thread that started the program.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self

PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A program that dies at once is not restarted in a tight loop, yet always within the promised 2 s.
RESTART_DELAY = 1.0
STEADY_AFTER = 5.0
# A worker asks for work every few seconds. One that has not for so long is alive but deaf, and is replaced.
DEAF_AFTER = 120.0
LOOK_EVERY = 5.0
WATCHER = Path(__file__).with_name("watcher.py")


@dataclass(frozen=True)
class Program:
    """What to run. `label` is the command as a person would know it."""

    name: str
    command: Sequence[str]
    label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    grace: float = 10.0
    """Seconds from the polite signal to the final one."""
    serves_others: bool = False
    """Stopped only when the programs that need it are gone."""
    is_chatty: bool = False
    """Greets at length on standard output, which is then dropped; what it logs on standard error is not."""
    heartbeat: Path | None = None
    """A folder of files; while it works, one of them is younger than `deaf_after`, or from the future."""
    deaf_after: float = DEAF_AFTER
    """Seconds without a heartbeat after which it is killed, and so started again."""


@dataclass
class Child:
    """One program's present process, or when to start the next."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0


class Supervisor:
    """Use as a context: `run()` returns when a person or the system asks it to stop, leaving it ends all."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        scratch: Path,
        say: Callable[[str], object],
        watcher_fds: Sequence[int] = (),
    ) -> None:
        """`scratch` is removed at the end; `watcher_fds` stay open until every program is gone."""
        self._children = [Child(program) for program in programs]
        self._scratch = scratch
        self._say = say
        self._watcher_fds = watcher_fds
        self._watcher: subprocess.Popen[bytes] | None = None
        self._stop_requests = 0
        self._handlers: dict[int, object] = {}
        self._wake_reader, self._wake_writer = os.pipe()
        self._previous_wakeup = -1

    def __enter__(self) -> Self:
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._previous_wakeup = signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, self._on_stop)
        # A handler is needed for the wake-up; what to do about it is decided in the loop.
        self._handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        self._start_watcher()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()
        self._stop_watcher()
        signal.set_wakeup_fd(self._previous_wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    @property
    def stopping(self) -> bool:
        return self._stop_requests > 0

    def run(
        self, ready: Callable[[], bool] = lambda: True, on_ready: Callable[[], object] = lambda: None
    ) -> None:
        """Keeps all programs running until asked to stop; calls `on_ready` once, when `ready` says so."""
        announced = False
        while not self.stopping:
            self._revive()
            if not announced and ready():
                announced = True
                on_ready()
            self._sleep(0.1 if not announced else self._until_next_start())

    # --- starting and restarting

    def _revive(self) -> None:
        if self._watcher is None or self._watcher.poll() is not None:
            self._start_watcher()
        for child in self._children:
            if child.process is not None and child.process.poll() is None and _is_deaf(child):
                self._say(f"{child.program.name:<9}has done nothing for {child.program.deaf_after:g} s")
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
            if child.process is None and time.monotonic() >= child.due and not self.stopping:
                self._start(child)

    def _start(self, child: Child) -> None:
        program = child.program
        child.process = subprocess.Popen(
            program.command,
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if program.is_chatty else None,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        child.started = time.monotonic()
        self._tell_watcher(f"+{child.process.pid}")
        self._say(f"{program.name:<9}pid {child.process.pid:<8}{program.label}")

    def _bury(self, child: Child) -> None:
        """Ends what the dead process left behind and sets the time of the next start."""
        assert child.process is not None
        code = child.process.returncode
        # The children of a killed server hold its port, and those of a killed worker its work.
        _signal_group(child.process.pid, signal.SIGKILL)
        self._tell_watcher(f"-{child.process.pid}")
        child.process = None
        _forget_promises(child.program)
        now = time.monotonic()
        child.due = now if now - child.started > STEADY_AFTER else now + RESTART_DELAY
        self._say(f"{child.program.name:<9}ended ({_why(code)}); starting it again")

    def _until_next_start(self) -> float | None:
        due = [child.due for child in self._children if child.process is None]
        if due:
            return max(0.0, min(due) - time.monotonic())
        return LOOK_EVERY if any(child.program.heartbeat for child in self._children) else None

    # --- stopping

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop_requests += 1

    def _stop_all(self) -> None:
        self._stop([child for child in self._children if not child.program.serves_others])
        self._stop([child for child in self._children if child.program.serves_others])

    def _stop(self, children: Sequence[Child]) -> None:
        running = [child for child in children if child.process is not None]
        asked = time.monotonic()
        for child in running:
            _signal(child, signal.SIGTERM)
        while running := [child for child in running if not _ended(child)]:
            for child in running:
                # Asked twice, a person does not want to wait.
                if self._stop_requests > 1 or time.monotonic() - asked > child.program.grace:
                    _signal(child, signal.SIGKILL)
            self._sleep(0.2)
        for child in children:
            if child.process is not None:
                _signal_group(child.process.pid, signal.SIGKILL)
                self._tell_watcher(f"-{child.process.pid}")
                child.process = None

    # --- the watcher

    def _start_watcher(self) -> None:
        self._watcher = subprocess.Popen(
            [sys.executable, "-S", str(WATCHER), str(self._scratch)],
            stdin=subprocess.PIPE,
            pass_fds=tuple(self._watcher_fds),
            start_new_session=True,
        )
        for child in self._children:
            if child.process is not None:
                self._tell_watcher(f"+{child.process.pid}")

    def _tell_watcher(self, line: str) -> None:
        assert self._watcher is not None
        assert self._watcher.stdin is not None
        try:
            self._watcher.stdin.write(f"{line}\n".encode())
            self._watcher.stdin.flush()
        except BrokenPipeError:
            # It was killed. The loop starts another, which is told of every child.
            self._watcher.kill()

    def _stop_watcher(self) -> None:
        assert self._watcher is not None
        try:
            self._watcher.communicate()
        except BrokenPipeError:
            self._watcher.wait()

    def _sleep(self, seconds: float | None) -> None:
        """Until a signal comes or a child ends, but no longer than this."""
        select.select([self._wake_reader], [], [], seconds)
        try:
            os.read(self._wake_reader, 4096)
        except BlockingIOError:
            return


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: on Linux, the kernel signals the new process when the calling thread ends."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask_kernel


def _is_deaf(child: Child) -> bool:
    """Whether it had time enough to say something, and has not."""
    folder = child.program.heartbeat
    if folder is None or time.monotonic() - child.started < child.program.deaf_after:
        return False
    return time.time() - max(_heartbeats(folder), default=0.0) > child.program.deaf_after


def _heartbeats(folder: Path) -> list[float]:
    return [file.stat().st_mtime for file in folder.glob("*")]


def _forget_promises(program: Program) -> None:
    """What a dead process said it would be busy until counts no more."""
    if program.heartbeat is None:
        return
    for file in program.heartbeat.glob("*"):
        if file.stat().st_mtime > time.time():
            file.unlink(missing_ok=True)


def _ended(child: Child) -> bool:
    return child.process is None or child.process.poll() is not None


def _signal(child: Child, number: signal.Signals) -> None:
    """To the leader alone: gunicorn and Celery see to their own children."""
    assert child.process is not None
    child.process.send_signal(number)


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        # Nobody is left; macOS says "not permitted" of a group of zombies.
        return


def _why(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
