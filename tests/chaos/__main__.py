"""`make chaos`: the long form of every chaos test, and the page of its figures, docs/reliability-report.md.

    python -m tests.chaos                         everything; some hours on two cores
    python -m tests.chaos --only storm --scale 0.1 --no-page

Each part prints its seed. A part that fails is named in the page, with its seed; the exit code says so, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadmachine.env import REPOSITORY

PAGE = REPOSITORY / "docs" / "reliability-report.md"


@dataclass(frozen=True)
class Line:
    """One line of the page: what was done, what must hold, what was found."""

    what: str
    wanted: str
    found: str
    holds: bool


def main() -> int:
    """Run what was chosen and write the page."""
    options = _options()
    started = time.monotonic()
    lines: list[Line] = []
    for name, part in PARTS.items():
        if not options.only or name in options.only:
            print(f"── {name}", flush=True)
            lines += part(options.scale)
    page = _page(lines, time.monotonic() - started, options.scale)
    print(page)
    if not options.no_page:
        PAGE.write_text(page)
    return 0 if all(line.holds for line in lines) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 is a tenth of everything")
    parser.add_argument("--no-page", action="store_true", help="print only")
    return parser.parse_args()


# ── Parts ──────────────────────────────────────────────────────────────────────────────────────────────


def storm(scale: float) -> list[Line]:
    """20,000 events, 4 workers, 100 kills, a tenth of LinkedIn's answers bad."""
    found = _storm("--events", _scaled(20_000, scale), "--kills", _scaled(100, scale))
    killed = ", ".join(f"{count} {name}" for name, count in sorted(found["killed"].items()))
    result = (
        f"{found['lost']} lost, {found['false']} falsely accepted, {found['duplicates']} duplicates, "
        f"{found['possible_duplicates']} shown as possible, {found['unknown_requests']} requests without an "
        f"outcome; killed: {killed}; {found['seconds']:.0f} s, seed {found['seed']}"
    )
    what = f"{found['events']:,} events, 4 senders, {found['kills']} kills, 10 % faults at LinkedIn"
    return [
        Line(what, "0 lost, 0 false, duplicates ≤ requests without an outcome × 100", result, found["holds"])
    ]


def calm(scale: float) -> list[Line]:
    """50,000 events without a fault: two beats, each message four times, sixteen senders."""
    words = ("--kills", "0", "--faults", "0", "--senders", "16", "--beats", "2", "--nudges", "4")
    found = _storm("--events", _scaled(50_000, scale), *words)
    result = f"{found['duplicates']} duplicates, {found['lost']} lost; {found['seconds']:.0f} s"
    what = f"{found['events']:,} events, two beats, each message four times, sixteen senders"
    return [Line(what, "0 duplicates", result, found["holds"] and not found["duplicates"])]


def failpoints(scale: float) -> list[Line]:
    """SIGKILL at each failpoint, a hundred times; forty frozen workers."""
    kills = _scaled(100, scale)
    line = _tests("tests/chaos/test_failpoints.py", {"CHAOS_KILLS": kills})
    wanted = "0 lost; after_claim and before_post 0 duplicates, the others kills × batch, as counted; frozen: 0 regress"
    return [Line(f"SIGKILL at 4 failpoints × {kills}, {int(kills) * 2 // 5} frozen workers", wanted, *line)]


def outage(scale: float) -> list[Line]:
    """LinkedIn away for seven days."""
    days = str(max(1, round(7 * scale)))
    line = _tests("tests/chaos/test_outage.py", {"CHAOS_OUTAGE_DAYS": days})
    wanted = "all accepted after, ≤ 110 requests a day, nothing charged"
    return [Line(f"LinkedIn away for {days} simulated days, twice", wanted, *line)]


def erasures(scale: float) -> list[Line]:
    """Erasure races the claim."""
    races = _scaled(200, scale)
    line = _tests("tests/capi/test_erasing.py::test_erasing_races_the_claim", {"CHAOS_RACES": races})
    return [Line(f"Erasure races the claim × {races}", "no request starts after it completes", *line)]


def invariants(scale: float) -> list[Line]:
    """The state machine."""
    runs = _scaled(2000, scale)
    line = _tests("tests/chaos/test_invariants.py", {"CHAOS_RUNS": runs, "CHAOS_STEPS": "50"})
    return [Line(f"State machine, {runs} runs × 50 steps", "0 failures", *line)]


PARTS: dict[str, Callable[[float], list[Line]]] = {
    "failpoints": failpoints,
    "storm": storm,
    "calm": calm,
    "outage": outage,
    "erasures": erasures,
    "invariants": invariants,
}


def _scaled(number: int, scale: float) -> str:
    return str(max(1, round(number * scale)))


def _storm(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.chaos.storm", *words]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise SystemExit(f"The storm did not end: {done.stdout}") from error
    return found


def _tests(path: str, variables: dict[str, str]) -> tuple[str, bool]:
    """The last line of a test run, with the figures that the tests print."""
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-rP", path]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    figures = re.findall(r"^(?:requests a day|CHAOS_SEED).*$", done.stdout, re.MULTILINE)
    if done.returncode:
        print(done.stdout)
    return "; ".join([*figures, done.stdout.strip().splitlines()[-1].strip("= ")]), done.returncode == 0


# ── The page ───────────────────────────────────────────────────────────────────────────────────────────


def _page(lines: list[Line], seconds: float, scale: float) -> str:
    rows = "\n".join(
        f"| {line.what} | {line.wanted} | {line.found} | {'holds' if line.holds else '**does not hold**'} |"
        for line in lines
    )
    shorter = "" if scale == 1 else f" At {scale:g} of the full size."
    return f"""# What a storm left

Written by `make chaos` at {_commit()} on {time.strftime("%d %B %Y, %H:%M")}, after {seconds / 60:.0f} minutes on
{os.cpu_count()} × {_processor()}, {platform.platform(terse=True)}, Python {platform.python_version()}; PostgreSQL,
broker and LinkedIn's stand-in ran on the same machine.{shorter} Nothing here was written by hand.

| What was done | What must hold | What was found | |
|---|---|---|---|
{rows}

*Possible duplicates* are what the log shows: events whose request got no answer that anybody could read. LinkedIn has
some of them once and some twice; nobody can know which.
"""


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=REPOSITORY).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "an unknown commit"
    return f"{commit} with local changes" if git("status", "--porcelain") else commit


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
