"""A storm: four workers deliver a backlog while workers, broker and PostgreSQL are killed and LinkedIn fails.

    python -m tests.chaos.storm --events 20000 --kills 100           the long form; `make chaos` runs it
    python -m tests.chaos.storm --events 50000 --kills 0 --faults 0 --senders 16 --beats 2 --nudges 4

The programs are those of `manage.py up`, with their real command lines, on a PostgreSQL whose commits are on the disk;
two of the senders are the worker's processes, the others run `manage.py deliver`. It prints its seed first and ends
with a line of JSON. Nothing that dies is spared: worker parents and children, `deliver`, the broker (SIGKILL), and
PostgreSQL (immediate stop, then recovery).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from leadmachine import broker, env
from tests.benchmarks.stage import Stage

if TYPE_CHECKING:
    from capi.sandbox.control import SandboxControl

VICTIMS = {"child": 45, "worker": 15, "deliver": 25, "broker": 8, "database": 7}
COMPANIES = 20


@dataclass
class Found:
    """What the storm left. `lost` and `false` must be 0; duplicates no more than kills × batch, and counted."""

    seed: int
    events: int
    kills: int
    killed: dict[str, int]
    requests: int
    accepted: int = 0
    at_linkedin: int = 0
    lost: int = 0
    false: int = 0
    duplicates: int = 0
    possible_duplicates: int = 0
    unknown_requests: int = 0
    bound: int = 0
    other_ids: int = 0
    adds_up: bool = False
    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return (
            self.adds_up
            and self.accepted == self.at_linkedin == self.events
            and not (self.lost or self.false or self.other_ids)
            and self.duplicates <= self.possible_duplicates
            and self.duplicates <= self.bound
        )


class Storm(Stage):
    """The programs, and what is done to them."""

    def __init__(self, options: argparse.Namespace, chance: random.Random) -> None:
        super().__init__()
        self.options = options
        self.chance = chance
        self.killed: Counter[str] = Counter()

    def begin(self) -> None:
        """Start everything that sends."""
        self.start_sandbox()
        self._start_worker()
        for number in range(self.options.beats):
            self._start_schedule(number)
        for number in range(max(0, self.options.senders - 2)):
            self._start_deliver(number)

    def strike(self) -> None:
        """Kill one of them, and start it again as `up` would."""
        victim = self.chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        self.killed[victim] += 1
        strikes: dict[str, Callable[[], None]] = {
            "child": self._kill_child,
            "worker": self._kill_worker,
            "deliver": self._kill_deliver,
            "broker": self._kill_broker,
            "database": self._crash_database,
        }
        strikes[victim]()

    def keep_up(self) -> None:
        """Start again whatever has ended."""
        for name, process in list(self._running):
            if process.poll() is None:
                continue
            self._running.remove((name, process))
            kind, _, number = name.partition("-")
            starts: dict[str, Callable[[], object]] = {
                "worker": self._start_worker,
                "schedule": lambda number=number: self._start_schedule(int(number)),
                "deliver": lambda number=number: self._start_deliver(int(number)),
            }
            if kind not in starts:
                raise RuntimeError(f"The {name} ended by itself:\n{self._printed(name)}")
            starts[kind]()

    # --- starting

    def _start_worker(self) -> None:
        self._launch("worker", self._programs["worker"])

    def _start_schedule(self, number: int) -> None:
        self._launch(f"schedule-{number}", self._programs["schedule"])

    def _launch(self, name: str, program: Any) -> None:
        self.start(program, name=name, **self._variables())

    def _start_deliver(self, number: int) -> None:
        command = [sys.executable, str(env.REPOSITORY / "manage.py"), "deliver"]
        self._spawn(
            f"deliver-{number}", command, {**self._programs["worker"].environment, **self._variables()}
        )

    def _variables(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_LEASE": str(self.options.lease),
            "DELIVERY_POLL_SECONDS": "1",
            "LOG_LEVEL": "ERROR",
        }

    # --- striking

    def _process(self, name: str) -> subprocess.Popen[bytes]:
        return next(process for label, process in self._running if label.startswith(name))

    def _kill_child(self) -> None:
        try:
            children = psutil.Process(self._process("worker").pid).children()
        except psutil.NoSuchProcess:
            return
        if children:
            self.chance.choice(children).kill()

    def _kill_worker(self) -> None:
        process = self._process("worker")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _kill_deliver(self) -> None:
        senders = [process for label, process in self._running if label.startswith("deliver")]
        if senders:
            chosen = self.chance.choice(senders)
            chosen.kill()
            chosen.wait()

    def _kill_broker(self) -> None:
        assert self._broker
        self._broker.stop()
        (self.folder / "broker" / broker.SOCKET).unlink(missing_ok=True)
        self._broker = broker.start(self.folder / "broker")

    def _crash_database(self) -> None:
        from django.db import connection

        assert self._postgres
        connection.close()
        self._postgres.crash()
        self._postgres = self._postgres.again()


def main() -> int:
    """Run it, print what was found, and end with 1 if a promise was broken."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    print(f"seed {options.seed}", flush=True)
    started = time.monotonic()
    with Storm(options, random.Random(options.seed)) as storm:
        found = _run(storm, options)
    found.seconds = round(time.monotonic() - started, 1)
    print(json.dumps({**asdict(found), "holds": found.holds}))
    return 0 if found.holds else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--faults", type=float, default=0.1, help="share of LinkedIn's answers that fail")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--beats", type=int, default=1)
    parser.add_argument("--nudges", type=int, default=1, help="how often each message is sent")
    parser.add_argument("--lease", type=int, default=90)
    parser.add_argument("--pause", type=float, default=0.8, help="seconds between two kills, on average")
    parser.add_argument(
        "--give-up", type=float, default=900.0, help="seconds for everything to be accepted after"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    return parser.parse_args()


def _run(storm: Storm, options: argparse.Namespace) -> Found:
    import django

    django.setup()
    from django.core.management import call_command

    from capi.sandbox.control import SandboxControl
    from tests.benchmarks.delivery import Senders

    call_command("migrate", interactive=False, verbosity=0)
    senders = Senders.make()
    events = senders.fill(options.events)
    ids = _ids()
    storm.begin()
    control = SandboxControl(
        storm.sandbox_url.rsplit("/", 1)[0], key=storm._programs["sandbox"].environment["SANDBOX_CONTROL_KEY"]
    )
    if options.faults:
        _order_faults(control, options.faults, options.seed)
    _nudge(senders, options.nudges)
    storm.say(f"{events:,} events, {options.kills} kills …")
    kills = 0
    while kills < options.kills:
        time.sleep(storm.chance.uniform(0.2, 2 * options.pause - 0.2))
        storm.strike()
        kills += 1
        storm.keep_up()
        if kills % 10 == 0:
            # So that there is something on its way whenever somebody dies.
            storm.say(f"{kills} kills, {control.stats().unique:,} events at LinkedIn")
    control.clear_faults()
    _wait(storm, control, options.give_up)
    found = Found(options.seed, events, kills, dict(storm.killed), control.stats().requests)
    return _look(found, control, ids)


def _order_faults(control: SandboxControl, share: float, seed: int) -> None:
    """Some of the answers fail, in six ways; in the last two LinkedIn has stored the events."""
    kinds: list[dict[str, Any]] = [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "garbage"},
        {"kind": "reset"},
        {"kind": "close", "after_accept": True},
        {"kind": "cut"},
    ]
    for number, kind in enumerate(kinds):
        control.fault(**kind, count=None, probability=share / len(kinds), seed=seed + number)


def _nudge(senders: Any, times: int) -> None:
    from capi.tasks import deliver

    for _ in range(times):
        for company in senders.companies:
            deliver.apply_async(args=(str(company.pk),), retry=False)


def _ids() -> set[str]:
    from capi.models import ConversionEvent
    from crm.tenancy import every_company

    with every_company():
        return set(ConversionEvent.objects.values_list("event_id", flat=True))


def _wait(storm: Storm, control: SandboxControl, seconds: float) -> None:
    """Until nothing waits any more. What it waits for is time: leases, breakers, and the connection's waits."""
    from capi.models import ConversionEvent, Status
    from crm.tenancy import every_company

    until = time.monotonic() + seconds
    said = 0.0
    while time.monotonic() < until:
        storm.keep_up()
        with every_company():
            left = ConversionEvent.objects.filter(
                status__in=(Status.PENDING, Status.SENDING, Status.HELD)
            ).count()
        if not left:
            return
        if time.monotonic() - said > 10:
            said = time.monotonic()
            storm.say(f"{left:,} events wait, {control.stats().unique:,} are at LinkedIn")
        time.sleep(0.5)


def _look(found: Found, control: SandboxControl, ids: set[str]) -> Found:
    from django.db.models import Count, Sum

    from capi import accounting, claiming
    from capi.models import Attempt, AttemptOutcome, ConversionEvent, Status
    from crm.models import Company
    from crm.tenancy import company_scope, every_company

    stored = {event_id for counts in control.accepted().values() for event_id in counts}
    with every_company():
        rows = ConversionEvent.objects.order_by()
        accepted = set(rows.filter(status=Status.ACCEPTED).values_list("event_id", flat=True))
        found.statuses = dict(rows.values_list("status").annotate(count=Count("pk")))
        found.possible_duplicates = rows.aggregate(sum=Sum("unknown_outcomes"))["sum"] or 0
        found.other_ids = len(set(rows.values_list("event_id", flat=True)) ^ ids)
    found.adds_up = True
    for company in Company.objects.all():
        with company_scope(company):
            found.adds_up = found.adds_up and accounting.account(company).adds_up
    stats = control.stats()
    found.accepted, found.at_linkedin = len(accepted), stats.unique
    found.lost, found.false = len(ids - stored), len(accepted - stored)
    found.duplicates = stats.duplicates
    with every_company():
        found.unknown_requests = Attempt.objects.filter(outcome=AttemptOutcome.UNKNOWN).count()
    # Each request whose outcome nobody knows, by a kill or a lost answer, may cost one batch and no more.
    found.bound = found.unknown_requests * claiming.LIVE_BATCH
    return found


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
