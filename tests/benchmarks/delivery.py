"""Delivery: from commit to accepted when idle, draining a queue beside other ways of it, and what it takes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from uuid_utils.compat import uuid7

from capi import nudge, operations, payload
from capi.claiming import BACKFILL_BATCH, LIVE_BATCH, Batch, claim
from capi.models import WAITING, ConversionEvent, Lane, Rule, Status
from capi.sandbox import SANDBOX_TOKEN
from crm.actions import companies as company_actions
from crm.actions import leads as lead_actions
from crm.actor import Actor
from crm.mass_insert import Table
from crm.models import Company, Lead, LeadEmail, LeadStatus
from crm.tenancy import company_scope, every_company
from leadmachine import env
from tests.benchmarks import naive
from tests.benchmarks.load import percentile
from tests.benchmarks.stage import Stage
from tests.benchmarks.table import Row

COMPANIES: Final = 20
LEADS_EACH: Final = 100
CONVERSION: Final = "23948811"
PROCESSES: Final = 2
NAIVE_EVENTS: Final = 200
IDLE_EVENTS: Final = 60
CLAIMS_EACH: Final = 5
SHELL = Actor(channel="shell", label="Benchmark")
# A slow machine gets fewer rounds of drains, one at least, so that a run stays within minutes.
LAST_ROUND_AT: Final = 130.0
# Nothing is asserted about time; this only ends a run in which nothing moves any more.
GIVE_UP_SECONDS: Final = 120.0


class NotDelivered(Exception):
    """Events were still waiting when nothing more could be expected."""


@dataclass
class Senders:
    """Companies with a token, a rule and leads; `fill` makes events of them that are due."""

    companies: list[Company]
    leads: dict[Company, list[Lead]]
    rules: dict[Company, Rule]
    _fillings: int = 0

    @classmethod
    def make(cls) -> Senders:
        companies = [company_actions.create_company(f"Sender {number}") for number in range(COMPANIES)]
        made = cls(companies, {}, {})
        for company in companies:
            with company_scope(company), transaction.atomic():
                operations.save_token(company, SANDBOX_TOKEN, SHELL)
                made.rules[company] = operations.create_rule(
                    company, {"event": "lead_created", "conversion_id": CONVERSION}, SHELL
                )
                made.leads[company] = _leads(company)
        return made

    def fill(self, events: int, lane: Lane = Lane.LIVE) -> int:
        """Make so many events, evenly over all companies, all due now; returns how many that are."""
        self._fillings += 1
        for company in self.companies:
            with company_scope(company), transaction.atomic():
                self._fill(company, events // COMPANIES, lane, timezone.now())
        return events // COMPANIES * COMPANIES

    def _fill(self, company: Company, events: int, lane: Lane, now: datetime) -> None:
        table = Table(ConversionEvent)
        for number in range(events):
            lead = self.leads[company][number % LEADS_EACH]
            occurrence = self._fillings * 100_000 + number
            table.add(
                id=uuid7(),
                company_id=company.pk,
                rule_id=self.rules[company].pk,
                event="lead_created",
                conversion_id=CONVERSION,
                event_id=payload.event_id(company.pk, CONVERSION, "lead_created", lead.pk, occurrence),
                lead_id=lead.pk,
                occurrence=occurrence,
                happened_at=now,
                lane=lane,
                identifiers=[],
                next_attempt_at=now,
                expires_at=payload.deadline(now),
                created_at=now,
                changed_at=now,
            )
        table.flush()


def delivery(stage: Stage, *, events: int, rounds: int) -> list[Row]:
    """Every figure of the delivery. No worker runs before or after."""
    stage.say("Delivery, idle …")
    senders = Senders.make()
    worker = stage.start_worker()
    _warm_up(senders)
    memory_before = _memory(worker)
    idle = _idle(senders)
    seen = _Drains()
    backfilled = COMPANIES * BACKFILL_BATCH * max(1, events // 6000)  # full batches only
    for number in range(rounds):
        if number and stage.seconds > LAST_ROUND_AT:
            break
        stage.say(f"Delivery, drains {number + 1} of {rounds} …")
        seen.live.append(_drain(stage, senders, events, Lane.LIVE))
        seen.bare_live.append(_other_way(senders, "bare", LIVE_BATCH, events))
        seen.backfill.append(_drain(stage, senders, backfilled, Lane.BACKFILL))
        seen.bare_backfill.append(_other_way(senders, "bare", BACKFILL_BATCH, backfilled))
        seen.naive_loop.append(_other_way(senders, "naive", 1, NAIVE_EVENTS))
    memory = _memory(worker)
    stage.stop("worker")
    stage.say("Delivery, a task for each event …")
    stage.start_naive_worker()
    _naive_tasks(senders, 2 * PROCESSES)  # until both of its processes are there
    seen.naive_tasks += [_naive_tasks(senders, NAIVE_EVENTS) for _ in seen.live]
    stage.stop("naive worker")
    stage.say("Delivery, claims …")
    claims = _claims(senders)
    with every_company():
        history = ConversionEvent.objects.count()
    return [
        Row("Delivery: commit to accepted, idle", percentile(idle, 50) * 1000, percentile(idle, 95) * 1000),
        *seen.rows(),
        Row(
            "Delivery: claim of a batch",
            percentile(claims, 50) * 1000,
            percentile(claims, 95) * 1000,
            remark=f"with {history:,} events in the log",
        ),
        Row("Worker process, resident", remark=f"{memory_before:.0f} MB, after the drains {memory:.0f} MB"),
    ]


@dataclass
class _Drains:
    """Events a second of each round, by way."""

    live: list[float] = field(default_factory=list)
    backfill: list[float] = field(default_factory=list)
    bare_live: list[float] = field(default_factory=list)
    bare_backfill: list[float] = field(default_factory=list)
    naive_loop: list[float] = field(default_factory=list)
    naive_tasks: list[float] = field(default_factory=list)

    def rows(self) -> list[Row]:
        live, backfill = statistics.median(self.live), statistics.median(self.backfill)
        bare_live, bare_backfill = statistics.median(self.bare_live), statistics.median(self.bare_backfill)
        tasks, loop = statistics.median(self.naive_tasks), statistics.median(self.naive_loop)
        lanes = f"Drain, live ({LIVE_BATCH} a request)", f"Drain, backfill ({BACKFILL_BATCH} a request)"
        return [
            Row(lanes[0], rate=live, beside="bare ORM, same batch", beside_rate=bare_live),
            Row(lanes[0], rate=live, beside="task and request an event", beside_rate=tasks),
            Row(lanes[0], rate=live, beside="the same, no broker", beside_rate=loop),
            Row(lanes[1], rate=backfill, beside="bare ORM, same batch", beside_rate=bare_backfill),
            Row(lanes[1], rate=backfill, beside="task and request an event", beside_rate=tasks),
        ]


def _leads(company: Company) -> list[Lead]:
    now, status = timezone.now(), LeadStatus.objects.get(key="new")
    leads = Lead.objects.bulk_create(
        Lead(company=company, first_name="Jo", last_name=f"Doe {number}", status=status, occurred_at=now)
        for number in range(LEADS_EACH)
    )
    addresses = (f"jo{number}@customer.test" for number in range(LEADS_EACH))
    LeadEmail.objects.bulk_create(
        LeadEmail(company=company, lead=lead, address=address, address_key=address, is_primary=True)
        for lead, address in zip(leads, addresses, strict=True)
    )
    return leads


# --- Idle ---------------------------------------------------------------------------------------------------


def _warm_up(senders: Senders) -> None:
    """Until the worker's processes have loaded everything and opened their connections."""
    senders.fill(COMPANIES * 10)
    _nudge_all(senders)
    _wait_until_empty()


def _idle(senders: Senders) -> list[float]:
    """Seconds from the commit of a new lead to LinkedIn's answer, one at a time through a real worker."""
    return [_from_commit_to_accepted(senders.companies[n % COMPANIES], n) for n in range(IDLE_EVENTS)]


def _from_commit_to_accepted(company: Company, number: int) -> float:
    committed: list[datetime] = []
    with company_scope(company):
        with transaction.atomic():
            transaction.on_commit(
                lambda: committed.append(timezone.now())
            )  # before the nudge, which comes later
            lead = lead_actions.create_lead(
                company, {"first_name": "Jo", "email": f"idle{number}@customer.test"}, SHELL
            )
        told = ConversionEvent.objects.filter(lead=lead, status=Status.ACCEPTED)
        _wait_for(told.exists, "an event to be accepted", every=0.02)
        accepted_at = told.get().accepted_at
    assert accepted_at is not None
    return (accepted_at - committed[0]).total_seconds()


# --- Draining -----------------------------------------------------------------------------------------------


def _drain(stage: Stage, senders: Senders, events: int, lane: Lane) -> float:
    """Events a second of the running worker, from the nudge to the last answer."""
    made = senders.fill(events, lane)
    started = timezone.now()
    _nudge_all(senders)
    _wait_until_empty(stage.check)
    return made / (_last_accepted(senders) - started).total_seconds()


def _other_way(senders: Senders, way: str, size: int, events: int) -> float:
    """Events a second of another way, in as many processes as the worker has."""
    made = senders.fill(events)
    processes = [_start_way(way, size, senders.companies[part::PROCESSES]) for part in range(PROCESSES)]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise NotDelivered(f"The {way} way did not start.")
        started = time.monotonic()
        for process in processes:
            process.communicate("go\n", timeout=GIVE_UP_SECONDS)
        took = time.monotonic() - started
    finally:
        for process in processes:
            process.kill()
            process.wait()
    _wait_until_empty()
    return made / took


def _start_way(way: str, size: int, companies: Sequence[Company]) -> subprocess.Popen[str]:
    ids = [str(company.pk) for company in companies]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.ways", way, str(size), *ids],
        cwd=env.REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to pass on
    )


def _naive_tasks(senders: Senders, events: int) -> float:
    """Events a second with a task for each, from the first task to the last answer."""
    made = senders.fill(max(events, COMPANIES))
    with every_company():
        ids = list(ConversionEvent.objects.due(timezone.now()).values_list("pk", flat=True))
    started = timezone.now()
    for event in ids:
        naive.tell.apply_async(args=(str(event),), queue="naive")
    _wait_until_empty()
    return made / (_last_accepted(senders) - started).total_seconds()


def _nudge_all(senders: Senders) -> None:
    for company in senders.companies:
        nudge.now(company.pk)


def _last_accepted(senders: Senders) -> datetime:
    with every_company():
        theirs = ConversionEvent.objects.filter(company__in=senders.companies)
        last: datetime = theirs.aggregate(last=Max("accepted_at"))["last"]
    return last


def _wait_until_empty(check: Callable[[], None] = lambda: None) -> None:
    def is_empty() -> bool:
        check()
        unfinished = ConversionEvent.objects.filter(
            status__in=(*WAITING, Status.SENDING), company__name__startswith="Sender "
        )
        return not unfinished.exists()

    with every_company():
        _wait_for(is_empty, "the queue to be empty", every=0.05)


def _wait_for(condition: Callable[[], bool], what: str, *, every: float) -> None:
    end = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise NotDelivered(f"Waited {GIVE_UP_SECONDS:.0f} s for {what}.")
        time.sleep(every)


# --- What it takes ------------------------------------------------------------------------------------------


def _claims(senders: Senders) -> list[float]:
    """Seconds of each claim of a full batch, house-keeping included, while nothing else runs."""
    senders.fill(COMPANIES * LIVE_BATCH)
    return [_claim(company) for _ in range(CLAIMS_EACH) for company in senders.companies]


def _claim(company: Company) -> float:
    with company_scope(company):
        while True:
            started = time.perf_counter()
            batch = claim(company, timezone.now())
            took = time.perf_counter() - started
            if isinstance(batch, Batch):
                break
            time.sleep(0.1)  # its requests of this second are spent
        ConversionEvent.objects.filter(lease=batch.lease).update(
            status=Status.PENDING, lease=None, lease_until=None, next_attempt_at=timezone.now() - timedelta(1)
        )
    return took


def _memory(worker: int) -> float:
    """The resident memory of the larger of the processes that do the worker's work, in MB."""
    children = Path(f"/proc/{worker}/task/{worker}/children")
    if not children.exists():
        return float("nan")
    return max(_resident(pid) for pid in children.read_text().split())


def _resident(pid: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
