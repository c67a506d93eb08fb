"""LinkedIn is away for simulated days: nothing is charged, little is asked, and all of it arrives after.

CHAOS_OUTAGE_DAYS says how many: two unless said otherwise, a week in the long form.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from capi import delivery
from capi.models import Attempt, Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from tests.chaos import dying
from tests.factories import LeadFactory

pytestmark = [pytest.mark.chaos, pytest.mark.django_db]

DAYS = int(os.environ.get("CHAOS_OUTAGE_DAYS", "2"))
EVENTS = 250


def work_until(company: Company, start: datetime, end: datetime) -> None:
    """Deliver whenever the line is tried again, as sweeps would; the clock jumps from one try to the next.

    A turn that was too short for all that is due (on a busy machine) is followed by another.
    """
    now = start
    while now < end:
        with time_machine.travel(now, tick=False):
            more = delivery.deliver_turn(company.pk)
        waits = Connection.objects.get().waits_until
        if waits is None and not more:
            return
        now = max(waits or now, now + timedelta(seconds=1))


@pytest.mark.parametrize(("status", "days"), [(503, DAYS), (None, min(DAYS, 2))], ids=["503", "no answer"])
def test_all_of_it_is_accepted_after_and_nothing_was_charged(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, status: int | None, days: int
) -> None:
    LeadFactory(company=company)
    dying.multiply(company, EVENTS)
    if status:
        sandbox.control.fault("status", status=status, count=None)
    else:
        sandbox.control.fault("close", count=None)
    start = timezone.now()
    end = start + timedelta(days=days)
    work_until(company, start, end)

    requests = Counter((at - start).days for at in Attempt.objects.values_list("at", flat=True))
    print(f"requests a day while LinkedIn was away: {[requests[day] for day in range(days)]}")
    assert max(requests.values()) <= 110
    assert set(ConversionEvent.objects.values_list("status", "failures")) == {(Status.PENDING, 0)}

    sandbox.control.clear_faults()
    work_until(company, end, end + timedelta(hours=1))
    assert set(ConversionEvent.objects.values_list("status", flat=True)) == {Status.ACCEPTED}
    assert sandbox.control.stats().unique == EVENTS
