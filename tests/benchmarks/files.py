"""A large file in, taken back, in again with a kill in the middle, and all of it out."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from subprocess import Popen

from django.conf import settings
from django.test import Client
from django.utils import timezone

from capi.models import ConversionEvent
from crm.access import Principal
from crm.actions import imports
from crm.actions.imports import Options
from crm.actor import Actor
from crm.models import Company, Import, ImportState, Lead, Role, User
from crm.tenancy import company_scope
from leadmachine import env
from leadmachine.supervisor import Program
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row, WrongCount

GIVE_UP_SECONDS = 900.0
HEADERS = ("First name", "Last name", "E-mail", "Organization", "Title", "Country", "Source", "Phone")


def files(stage: Stage, company: Company, user: User, *, rows: int) -> list[Row]:
    """Rows a second of each step; the remark has seconds and the worker's memory at its highest."""
    path = stage.folder / "people.csv"
    _write_file(path, rows)
    with company_scope(company):
        before = Lead.objects.count()
        batch = _uploaded(company, user, path)
        checked = _timed(stage, "Files: check", batch, ImportState.CHECKED, rows)
        imports.start(batch, Actor("web", user=user), is_reported=False)
        written = _timed(stage, "Files: import", batch, ImportState.DONE, rows)
        _expect(before + rows, Lead.objects.count())
        out = _exported(user, before + rows)
        imports.undo(_fresh(batch), Actor("web", user=user))
        undone = _timed(stage, "Files: undo", batch, ImportState.UNDONE, rows)
        _expect(before, Lead.objects.count())
        told = ConversionEvent.objects.count()
        killed = _killed(stage, _uploaded(company, user, path), user, rows)
        _expect(before + rows, Lead.objects.count())
        _expect(told + rows, ConversionEvent.objects.count())
    return [checked, written, undone, killed, out]


def _write_file(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        writer.writerows(_people(rows))


def _people(rows: int) -> Iterator[tuple[str, ...]]:
    for number in range(rows):
        yield (
            "Robin",
            f"Benchmark {number}",
            f"robin{number}@import{number % 9000}.test",
            f"Import {number % 9000} Ltd",
            "Head of Logistics",
            "DE",
            "Trade fair",
            f"+49 30 {number:08}",
        )


def _uploaded(company: Company, user: User, path: Path) -> Import:
    principal = Principal(company, user, Role.OWNER)
    with path.open("rb") as content:
        batch = imports.upload(principal, Actor("web", user=user), path.name, content)
    return imports.check(batch, Options(mapping=batch.mapping, is_reported=True))


def _timed(stage: Stage, name: str, batch: Import, state: ImportState, rows: int) -> Row:
    started, highest = time.monotonic(), 0.0
    with _worker(stage) as worker:
        while _fresh(batch).state != state:
            if worker.poll() is not None and _fresh(batch).state != state:
                raise WrongCount(f"{name} ended as {_fresh(batch).state}: {_fresh(batch).error}")
            highest = max(highest, _highest(worker.pid))
            _give_up(started, name)
            time.sleep(0.05)
        took = time.monotonic() - started
    return Row(name, rate=rows / took, remark=f"{rows:,} rows in {took:.0f} s, {highest:.0f} MB")


def _killed(stage: Stage, batch: Import, user: User, rows: int) -> Row:
    """The worker is killed in the middle of writing. Its lease is ended by hand: only waiting for it is left out."""
    with _worker(stage) as worker:
        worker.wait()
    imports.start(_fresh(batch), Actor("web", user=user), is_reported=True)
    started = time.monotonic()
    with _worker(stage) as worker:
        while _fresh(batch).position < rows // 2:
            _give_up(started, "half of an import")
            time.sleep(0.02)
        worker.kill()
        worker.wait()
    Import.objects.filter(pk=batch.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    took = time.monotonic() - started
    rest = _timed(stage, "", batch, ImportState.DONE, rows)
    took += rows / (rest.rate or 1)
    return Row(
        "Files: import, killed half-way",
        rate=rows / took,
        remark=f"{rows:,} rows in {took:.0f} s, no lead and no event twice",
    )


@contextmanager
def _worker(stage: Stage) -> Iterator[Popen[bytes]]:
    command = (sys.executable, str(env.REPOSITORY / "manage.py"), "work_imports")
    worker = stage.start(Program("imports", command, "work_imports"))
    try:
        yield worker
    finally:
        stage.stop("imports")


def _exported(user: User, expected: int) -> Row:
    """All leads of the list as CSV, counted as whoever downloads it would."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    started = time.monotonic()
    answer = client.post("/leads/export/", {"view": "all", "format": "csv"})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    found = sum(1 for _ in csv.reader(StringIO(text))) - 1
    took = time.monotonic() - started
    _expect(expected, found)
    return Row(
        "Files: export", rate=found / took, remark=f"{found:,} rows in {took:.0f} s, as many as the list has"
    )


def _fresh(batch: Import) -> Import:
    return Import.objects.get(pk=batch.pk)


def _expect(expected: int, found: int) -> None:
    if expected != found:
        raise WrongCount(f"{expected:,} were to be there, {found:,} are.")


def _give_up(started: float, what: str) -> None:
    if time.monotonic() - started > GIVE_UP_SECONDS:
        raise WrongCount(f"Waited {GIVE_UP_SECONDS:.0f} s for {what}.")


def _highest(pid: int) -> float:
    """The resident memory of a process at its highest so far, in MB; nothing once it ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
