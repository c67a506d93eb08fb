"""`make chaos`: the long form of every chaos test, and the page of its figures, docs/reliability-report.md.

    python -m tests.chaos                              everything, about 40 minutes on two cores
    python -m tests.chaos --runs 2000                  with the state machine at its full length: an hour or two more
    python -m tests.chaos --only storm --scale 0.1 --no-page
    make chaos CHAOS="--runs 2000"

Each part prints its seed. A part that fails is named in the page, with its seed; the exit code says so, too. The page
is written after each part, so that what was found is there if the run is stopped. What was not run stays in it as it
was found before, with the commit and the day of that.
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


Options = argparse.Namespace


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
    commit = _commit()
    rows = {} if options.no_page else _rows_before()
    holds = True
    for name, part in PARTS.items():
        if options.only and name not in options.only:
            continue
        print(f"── {name}", flush=True)
        started = time.monotonic()
        lines = part(options)
        holds = holds and all(line.holds for line in lines)
        when = f"{commit}, {time.strftime('%d %B %Y, %H:%M')}, {(time.monotonic() - started) / 60:.0f} min"
        rows[name] = [_row(name, line, when, options.scale) for line in lines]
        if not options.no_page:
            PAGE.write_text(_page(rows))
    print(_page(rows))
    return 0 if holds else 1


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="make chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 is a tenth of everything")
    parser.add_argument("--runs", type=int, default=200, help="of the state machine, each of 50 steps")
    parser.add_argument("--no-page", action="store_true", help="print only")
    return parser.parse_args()


# ── Parts ──────────────────────────────────────────────────────────────────────────────────────────────


def storm(options: Options) -> list[Line]:
    """20,000 events, 4 workers, 100 kills, a tenth of LinkedIn's answers bad."""
    found = _storm("--events", _scaled(20_000, options.scale), "--kills", _scaled(100, options.scale))
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


def calm(options: Options) -> list[Line]:
    """50,000 events without a fault: two beats, each message four times, sixteen senders."""
    words = ("--kills", "0", "--faults", "0", "--senders", "16", "--beats", "2", "--nudges", "4")
    found = _storm("--events", _scaled(50_000, options.scale), *words)
    result = f"{found['duplicates']} duplicates, {found['lost']} lost; {found['seconds']:.0f} s"
    what = f"{found['events']:,} events, two beats, each message four times, sixteen senders"
    return [Line(what, "0 duplicates", result, found["holds"] and not found["duplicates"])]


def failpoints(options: Options) -> list[Line]:
    """SIGKILL at each failpoint, a hundred times; forty frozen workers."""
    kills = _scaled(100, options.scale)
    line = _tests("tests/chaos/test_failpoints.py", {"CHAOS_KILLS": kills})
    wanted = "0 lost; after_claim and before_post 0 duplicates, the others kills × batch, as counted; frozen: 0 regress"
    return [Line(f"SIGKILL at 4 failpoints × {kills}, {int(kills) * 2 // 5} frozen workers", wanted, *line)]


def outage(options: Options) -> list[Line]:
    """LinkedIn away for seven days."""
    days = str(max(1, round(7 * options.scale)))
    line = _tests("tests/chaos/test_outage.py", {"CHAOS_OUTAGE_DAYS": days})
    wanted = "all accepted after, ≤ 110 requests a day, nothing charged"
    what = f"LinkedIn away for {days} simulated days with 503, and for {min(int(days), 2)} without an answer"
    return [Line(what, wanted, *line)]


def erasures(options: Options) -> list[Line]:
    """Erasure races the claim."""
    races = _scaled(200, options.scale)
    line = _tests("tests/capi/test_erasing.py::test_erasing_races_the_claim", {"CHAOS_RACES": races})
    return [Line(f"Erasure races the claim × {races}", "no request starts after it completes", *line)]


def invariants(options: Options) -> list[Line]:
    """The state machine."""
    runs = _scaled(options.runs, options.scale)
    line = _tests("tests/chaos/test_invariants.py", {"CHAOS_RUNS": runs, "CHAOS_STEPS": "50"})
    return [Line(f"State machine, {runs} runs × 50 steps", "0 failures", *line)]


def others(options: Options) -> list[Line]:
    """What has no longer form, or hardly one: lines, brokers, databases, companies in turn, a backup while sending."""
    events, kills = _scaled(100_000, options.scale), _scaled(100, options.scale)
    ends = max(3, int(kills) // 2)
    rows = (
        ("The line to LinkedIn, PostgreSQL and the broker goes bad", "test_lines.py test_broker.py"),
        ("Worker, broker and supervisor die under a full queue", "test_kills.py"),
        (
            f"Worker ended under a request × {ends}; messages that are none; a broker full or forgetful",
            "test_worker.py",
        ),
        (f"No connection free, disk full, {events} held events let go", "test_database.py"),
        ("Sixteen claimers; companies and lanes in turn", "test_claims.py test_fairness.py"),
        ("A backup taken while sending, restored elsewhere", "test_backup.py"),
        ("Keys rotated while sending; tokens of two companies", "test_rotation.py test_tokens.py"),
    )
    variables = {"CHAOS_HELD": events, "CHAOS_KILLS": kills}
    return [
        Line(what, "0 lost; 0 duplicates but for what the counter says", *_tests(_in_chaos(files), variables))
        for what, files in rows
    ]


def _in_chaos(files: str) -> str:
    return " ".join(f"tests/chaos/{file}" for file in files.split())


PARTS: dict[str, Callable[[Options], list[Line]]] = {
    "failpoints": failpoints,
    "storm": storm,
    "calm": calm,
    "outage": outage,
    "erasures": erasures,
    "invariants": invariants,
    "others": others,
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


def _tests(paths: str, variables: dict[str, str]) -> tuple[str, bool]:
    """The last line of a test run, with the figures that the tests print."""
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-rP", *paths.split()]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    figures = re.findall(
        r"^(?:requests a day|CHAOS_SEED|\d+ events were let go|flowing to the end).*$",
        done.stdout,
        re.MULTILINE,
    )
    if done.returncode:
        print(done.stdout)
    return "; ".join([*figures, done.stdout.strip().splitlines()[-1].strip("= ")]), done.returncode == 0


# ── The page ───────────────────────────────────────────────────────────────────────────────────────────


_HEAD = """\
| Part | What was done | What must hold | What was found | | At |
|---|---|---|---|---|---|
"""


def _row(part: str, line: Line, when: str, scale: float) -> str:
    what = line.what if scale == 1 else f"{line.what} (at {scale:g} of the full size)"
    verdict = "holds" if line.holds else "**does not hold**"
    return f"| {part} | {what} | {line.wanted} | {line.found} | {verdict} | {when} |"


def _rows_before() -> dict[str, list[str]]:
    """The rows of the page as it is, by part."""
    rows: dict[str, list[str]] = {}
    for row in PAGE.read_text().partition(_HEAD)[2].splitlines() if PAGE.exists() else []:
        if (part := row.removeprefix("| ").partition(" |")[0]) in PARTS:
            rows.setdefault(part, []).append(row)
    return rows


def _page(rows: dict[str, list[str]]) -> str:
    table = "\n".join(row for part in PARTS for row in rows.get(part, []))
    missing = ", ".join(part for part in PARTS if part not in rows)
    return f"""# What a storm left

Written by `make chaos` on {os.cpu_count()} × {_processor()}, {platform.platform(terse=True)}, Python
{platform.python_version()}; PostgreSQL, broker and LinkedIn's stand-in ran on the same machine. Each row says at which
commit it was found, and when. Nothing here was written by hand.{f" **Not run: {missing}.**" if missing else ""}

{_HEAD}{table}

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
