"""`python -m tests.benchmarks`: runs everything once and prints one table."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tests.benchmarks.load import WrongAnswer
from tests.benchmarks.stage import DidNotStart, Stage
from tests.benchmarks.table import Row, WrongCount, show

if TYPE_CHECKING:
    from crm.models import Company, User

PARTS = ("pages", "api", "delivery", "files")


def main() -> int:
    """Measure, print, and leave nothing behind."""
    options = _options()
    # Asked to end, it stops its programs as it does after Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Stage() as stage:
            rows, where = _measure(stage, options)
    except KeyboardInterrupt:
        print("\nStopped; everything that was started is gone.", file=sys.stderr)
        return 130
    except (DidNotStart, WrongAnswer, WrongCount) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{where}\n\n{show(rows)}\n\n{_LEGEND}\nTook {stage.seconds:.0f} s.")
    return 0


_LEGEND = """\
4 clients on kept connections; gunicorn with 2 processes of 4 threads each, as `up` starts it; rates are medians of
the rounds, latencies percentiles over all of them. The bare project has no sign-in, scope or limit; its create is one
INSERT. Drains: 20 companies, 2 processes, the strict sandbox in a process of its own on the same cores."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--leads", type=int, default=20_000, help="in the one company that is looked at")
    parser.add_argument("--deals", type=int, help="default: 30 for 100 leads")
    parser.add_argument("--activities", type=int, help="default: 5 a lead")
    parser.add_argument(
        "--neighbours", type=int, default=2, help="companies of a tenth of that size beside it"
    )
    parser.add_argument("--rows", type=int, default=5000, help="of the file that is imported")
    parser.add_argument("--events", type=int, default=6000, help="drained live in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load on each page in each round")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the other parts out")
    return parser.parse_args()


def _measure(stage: Stage, options: argparse.Namespace) -> tuple[list[Row], str]:
    import django

    stage.say("Preparing …")
    django.setup()
    # From here on, for these need the settings.
    from tests.benchmarks.delivery import delivery
    from tests.benchmarks.files import files
    from tests.benchmarks.pages import pages
    from tests.benchmarks.rest import rest

    parts = options.only or PARTS
    company, user = _prepare(stage, options)
    where = _where(options, company)
    stage.start_sandbox()
    rows: list[Row] = []
    if {"pages", "api"} & set(parts):
        stage.start_web()
        stage.start_bare_web()
    if "pages" in parts:
        stage.say("Pages …")
        rows += pages(stage, company, user, rounds=options.rounds, seconds=options.seconds)
    if "api" in parts:
        stage.say("API …")
        rows += rest(stage, company, rounds=options.rounds, seconds=options.seconds)
    stage.stop("web")
    stage.stop("bare web")
    if "delivery" in parts:
        _forget_nudges()
        rows += delivery(stage, events=options.events, rounds=options.rounds)
    if "files" in parts:
        stage.say("Files …")
        rows += files(stage, company, user, rows=options.rows)
    return rows, where


def _prepare(stage: Stage, options: argparse.Namespace) -> tuple[Company, User]:
    """Tables, static files and a company with a past."""
    from django.core.management import call_command
    from django.db import connection

    from crm.models import Membership, Role
    from crm.tenancy import company_scope
    from leadmachine import assets, demo

    call_command("migrate", interactive=False, verbosity=0)
    assets.collect()
    deals = options.leads * 3 // 10 if options.deals is None else options.deals
    activities = options.leads * 5 if options.activities is None else options.activities
    stage.say(f"{options.leads:,} leads, {deals:,} deals, {activities:,} activities …")
    company = demo.seed(demo.Plan(1, options.leads, deals, activities))[0]
    if beside := options.neighbours:
        share = (beside * number // 10 for number in (options.leads, deals, activities))
        demo.seed(demo.Plan(beside, *share))
    with company_scope(company):
        owner = Membership.objects.select_related("user").get(role=Role.OWNER)
    os.environ["BENCHMARK_COMPANY"] = str(company.pk)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as autovacuum will have done to tables of this age
    return company, owner.user


def _forget_nudges() -> None:
    """No worker ran while the API was measured; what it recorded is not what is measured next."""
    import redis

    redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()


def _where(options: argparse.Namespace, company: Company) -> str:
    from django.db import connection

    from crm.models import Activity, Deal, Lead
    from crm.tenancy import company_scope

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    with company_scope(company):
        size = ", ".join(
            f"{model.objects.count():,} {model._meta.verbose_name_plural}" for model in (Lead, Deal, Activity)
        )
    return (
        f"LeadMachine at {_commit()}, {time.strftime('%d %B %Y, %H:%M')}\n"
        f"{os.cpu_count()} × {_processor()}, {platform.platform(terse=True)}, load {os.getloadavg()[0]:.1f} before, "
        f"Python {platform.python_version()}, PostgreSQL {version} (commits on the disk)\n"
        f"{size}; {options.rounds} rounds of {options.seconds} s, {options.events:,} events a drain"
    )


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "an unknown commit"
    return f"{commit} with local changes" if git("status", "--porcelain") else commit


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
