"""What must hold whatever people, LinkedIn and time do, in whatever order: a state machine that Hypothesis drives.

CHAOS_RUNS and CHAOS_STEPS set how long: 6 runs of 30 steps unless said otherwise, 200 of 50 in
the long form, or as many as its --runs says.
Crashes are an exception that nothing catches, raised where the failpoints are.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from capi import accounting, claiming, delivery, failpoints, operations
from capi.models import Attempt, Connection, ConversionEvent, Delivery, Rule, Status
from capi.sandbox.running import RunningSandbox
from capi.sandbox.world import OTHER_TOKEN, SANDBOX_TOKEN
from crm.actions import deals, erase, leads
from crm.errors import Conflict
from crm.models import Company, Deal, Lead
from crm.tenancy import company_scope
from tests.factories import SHELL, CompanyFactory, DealFactory, LeadFactory, RuleFactory, connect

pytestmark = [pytest.mark.chaos, pytest.mark.django_db]

RUNS = int(os.environ.get("CHAOS_RUNS", "6"))
STEPS = int(os.environ.get("CHAOS_STEPS", "30"))
FOR_GOOD = (Status.ACCEPTED, Status.CANCELLED)
OTHERS_CONVERSION = "31550201"
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "5"}},
    {"kind": "status", "status": 401},
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 404},
    {"kind": "status", "status": 413},
    {"kind": "status", "status": 422},
    {"kind": "status", "status": 426},
    {"kind": "status", "status": 302},
    {"kind": "garbage"},
    {"kind": "close"},
    {"kind": "close", "after_accept": True},
    {"kind": "cut"},
    {"kind": "element_status", "statuses": (400, 201, 500, 429)},
    {"kind": "element_status", "statuses": (201,), "drop_last": 1},
]
PLACES = ("after_claim", "before_post", "after_post", "before_record")
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=2),
    timedelta(hours=5),
    timedelta(days=3),
    timedelta(days=40),
)


class Died(BaseException):
    """The worker is gone; nothing may tidy up after it."""


class Deliveries(RuleBasedStateMachine):
    """Two companies with an ad account each, and everything that can happen to their events."""

    sandbox: RunningSandbox

    def __init__(self) -> None:
        super().__init__()
        self.sandbox.control.reset()
        self.travel = time_machine.travel(timezone.now(), tick=False)
        self.clock = self.travel.start()
        self.seen = 0
        self.known: dict[UUID, tuple[str, str]] = {}
        self.frozen: list[tuple[Company, claiming.Batch]] = []
        self.companies = [
            self._company(SANDBOX_TOKEN, "23948811"),
            self._company(OTHER_TOKEN, OTHERS_CONVERSION),
        ]

    def teardown(self) -> None:
        self.travel.stop()

    def _company(self, token: str, conversion: str) -> Company:
        company = CompanyFactory()
        with company_scope(company):
            connect(company, token)
            RuleFactory(company=company, conversion_id=conversion)
            RuleFactory(company=company, conversion_id=conversion, event="deal_won", repeat="each_cycle")
        return company

    # --- people

    @rule(
        which=st.integers(0, 1),
        email=st.booleans(),
        consent=st.sampled_from(["granted", "unknown", "denied"]),
    )
    def somebody_comes(self, which: int, email: bool, consent: str) -> None:
        company = self.companies[which]
        with company_scope(company):
            address = {} if email else {"email": ""}
            LeadFactory(company=company, consent=consent, **address)

    @rule(which=st.integers(0, 1), at=st.integers(0, 9), do=st.sampled_from(["win", "reopen"]))
    def a_deal_is_decided(self, which: int, at: int, do: str) -> None:
        with company_scope(self.companies[which]):
            if do == "win":
                found = list(Lead.objects.order_by("pk")[at : at + 1])
                deal = DealFactory(company=self.companies[which], lead=found[0] if found else None)
                deals.win_deal(deal, SHELL)
            elif deal := Deal.objects.filter(status="won").order_by("pk").first():
                deals.reopen_deal(deal, SHELL)

    @rule(which=st.integers(0, 1), at=st.integers(0, 9), consent=st.sampled_from(["granted", "denied"]))
    def somebody_changes_their_mind(self, which: int, at: int, consent: str) -> None:
        with company_scope(self.companies[which]):
            for lead in Lead.objects.order_by("pk")[at : at + 1]:
                leads.update_lead(lead, {"consent": consent}, SHELL)

    @rule(which=st.integers(0, 1), at=st.integers(0, 9))
    def somebody_is_erased(self, which: int, at: int) -> None:
        with company_scope(self.companies[which]):
            for lead in Lead.objects.order_by("pk")[at : at + 1]:
                erase.erase_lead(lead, SHELL)

    @rule(
        which=st.integers(0, 1), at=st.integers(0, 9), verb=st.sampled_from(["resend", "cancel", "send_now"])
    )
    def an_event_is_dealt_with(self, which: int, at: int, verb: str) -> None:
        with company_scope(self.companies[which]):
            for event in ConversionEvent.objects.order_by("pk")[at : at + 1]:
                try:
                    getattr(operations, verb)(event, SHELL)
                except (Conflict, ValidationError):
                    continue

    @rule(which=st.integers(0, 1), verb=st.sampled_from(["pause", "release", "token", "rule", "test"]))
    def the_connection_is_dealt_with(self, which: int, verb: str) -> None:
        company = self.companies[which]
        with company_scope(company):
            connection, first = Connection.objects.get(), Rule.objects.order_by("pk")[0]
            if verb == "pause":
                operations.pause_connection(connection, SHELL)
            elif verb == "release":
                operations.release_connection(connection, SHELL)
            elif verb == "token":
                connect(company, (SANDBOX_TOKEN, OTHER_TOKEN)[which])
            elif verb == "rule":
                operations.release_rule(first, SHELL)
            else:
                operations.send_test(first, SHELL)

    # --- time, LinkedIn, workers

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, wait: timedelta) -> None:
        self.clock.shift(wait)  # the sandbox lives in this process, so its time moves along

    @rule(fault=st.sampled_from(FAULTS))
    def linkedin_will_fail(self, fault: dict[str, Any]) -> None:
        self.sandbox.control.fault(**fault)

    @rule(which=st.integers(0, 1))
    def a_worker_delivers(self, which: int) -> None:
        self._turn(self.companies[which])

    @rule(which=st.integers(0, 1), place=st.sampled_from(PLACES))
    def a_worker_dies(self, which: int, place: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(failpoints, "reach", lambda name: _die() if name == place else None)
            try:
                self._turn(self.companies[which])
            except Died:
                return

    @rule(which=st.integers(0, 1))
    def a_worker_freezes(self, which: int) -> None:
        company = self.companies[which]
        with company_scope(company):
            batch = claiming.claim(company, timezone.now())
        if isinstance(batch, claiming.Batch):
            self.frozen.append((company, batch))

    @rule()
    def a_frozen_worker_wakes_up(self) -> None:
        # No precondition: what was claimed differs from run to run, and Hypothesis takes that for a broken strategy.
        if not self.frozen:
            return
        company, batch = self.frozen.pop(0)
        with company_scope(company):
            delivery._deliver(batch)

    def _turn(self, company: Company) -> None:
        with company_scope(company):
            Connection.objects.update(bucket=20)  # so that no time is spent on waiting for it
        delivery.deliver_turn(company.pk)

    # --- what must hold

    @invariant()
    def every_event_is_accounted_for(self) -> None:
        for company in self.companies:
            with company_scope(company):
                found = accounting.account(company)
            assert found.adds_up, found

    @invariant()
    def ids_never_change_and_what_is_over_stays_over(self) -> None:
        for company in self.companies:
            with company_scope(company):
                rows = list(ConversionEvent.objects.values_list("pk", "event_id", "status"))
            for pk, event_id, status in rows:
                known = self.known.get(pk)
                if known:
                    assert event_id == known[0]
                    assert known[1] not in FOR_GOOD or status == known[1], f"{known[1]} became {status}"
                self.known[pk] = (event_id, status)

    @invariant()
    def one_lease_lives_in_a_company_at_a_time(self) -> None:
        for company in self.companies:
            with company_scope(company):
                live = ConversionEvent.objects.filter(status=Status.SENDING, lease_until__gt=timezone.now())
                leases = set(live.values_list("lease", flat=True))
            assert len(leases) <= 1

    @invariant()
    def attempts_events_and_tokens_are_of_one_company(self) -> None:
        for company in self.companies:
            with company_scope(company):
                strange = Delivery.objects.filter(attempt__in=Attempt.objects.all()).exclude(
                    company=company, event__company=company
                )
                assert not strange.exists()

    @invariant()
    def nothing_is_sent_too_late_and_every_token_tells_of_its_own_rule(self) -> None:
        for request in self.sandbox.control.received(200, after=self.seen):
            self.seen = max(self.seen, request.id)
            ids = [event.event_id for event in request.events]
            assert len(ids) == len(set(ids)), "an event is twice in one request"
            told = {str(event.conversion).rsplit(":", 1)[-1] for event in request.events}
            assert len({OTHERS_CONVERSION} & told) in (0, len(told)), "two companies in one request"
            self._was_allowed(
                ids, datetime.fromtimestamp(request.at_ms / 1000, tz=timezone.get_current_timezone())
            )

    def _was_allowed(self, ids: list[str | None], at: datetime) -> None:
        for company in self.companies:
            with company_scope(company):
                for event in ConversionEvent.objects.filter(event_id__in=ids):
                    assert at <= event.expires_at + timedelta(seconds=1), "sent after its deadline"
                    if event.status == Status.CANCELLED:
                        assert at <= event.changed_at, "sent after it was cancelled"
                    if event.erasure and event.erasure.completed_at:
                        assert at <= event.erasure.completed_at, "sent after the erasure was completed"

    @invariant()
    def what_linkedin_has_twice_may_be_counted_so(self) -> None:
        accepted: Counter[str] = Counter()
        for counts in self.sandbox.control.accepted().values():
            accepted.update(counts)
        for company in self.companies:
            with company_scope(company):
                rows = list(ConversionEvent.objects.values_list("event_id", "unknown_outcomes", "status"))
            for event_id, unknown, status in rows:
                if status != Status.SENDING:
                    assert accepted[event_id] - 1 <= unknown, "a duplicate that nobody counted"


def _die() -> None:
    raise Died


def test_whatever_happens_the_invariants_hold(sandbox: RunningSandbox) -> None:
    Deliveries.sandbox = sandbox
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            print_blob=True,
        ),
    )
