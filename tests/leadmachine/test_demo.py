"""The sample company: complete, truthful, quick to load, and gone without a trace of it or a loss of others."""

from __future__ import annotations

import json
import stat
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection as database
from django.utils import timezone
from pytest_django import Settings

from capi import payload
from capi.models import Attempt, Connection, ConversionEvent, CrmEvent, Delivery, Rule, Status
from capi.sandbox.running import RunningSandbox
from capi.wording import SENTENCES
from crm import mass_insert as bulk
from crm.actions import deals, leads
from crm.models import (
    Activity,
    Company,
    Deal,
    DealStageChange,
    Lead,
    LeadStatusChange,
    Membership,
    Organization,
    StageKind,
    User,
)
from crm.tenancy import company_scope, every_company
from leadmachine import demo
from tests.factories import SHELL, LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh installation's."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def halden() -> Company:
    """The demo as `up` loads it."""
    demo.load_once()
    return Company.objects.get()


def test_the_demo_is_as_large_as_promised(halden: Company) -> None:
    assert (halden.name, halden.is_sample) == ("Halden Systems", True)
    with company_scope(halden):
        assert (Lead.objects.count(), Deal.objects.count()) == (200, 60)
        assert Organization.objects.count() > 30
        assert set(Deal.objects.values_list("stage__key", flat=True)) >= {
            "qualification",
            "discovery",
            "proposal",
            "negotiation",
            "closed-won",
            "closed-lost",
        }
        oldest = Lead.objects.order_by("created_at")[0].created_at
        assert timezone.now() - oldest > timedelta(days=150)
        assert set(Lead.objects.values_list("consent", flat=True)) == {"granted", "denied", "unknown"}
        assert Lead.objects.exclude(li_fat_id="").count() > 40
        people = Membership.objects.values_list("user__first_name", "role")
        assert set(people) == {
            ("Sara", "owner"),
            ("Jonas", "agent"),
            ("Priya", "manager"),
            ("Emilia", "agent"),
        }


def test_everything_in_it_is_flagged_as_sample(halden: Company) -> None:
    with company_scope(halden):
        for model in (Lead, Deal, Organization):
            assert not model.objects.filter(is_sample=False).exists()


def test_it_speaks_to_the_sandbox_and_tells_it_of_four_events(halden: Company) -> None:
    with company_scope(halden):
        assert Connection.objects.get().kind == "sandbox"
        rules = {rule.event: rule.conversion_id for rule in Rule.objects.filter(is_active=True)}
    assert rules == {
        CrmEvent.LEAD_CREATED: "23948811",
        CrmEvent.LEAD_QUALIFIED: "23948812",
        CrmEvent.DEAL_CREATED: "23948815",
        CrmEvent.DEAL_WON: "23948817",
    }


def test_the_log_holds_every_status_with_a_sentence(halden: Company) -> None:
    with company_scope(halden):
        events = list(ConversionEvent.objects.all())
    assert {event.status for event in events} == set(Status.values) - {Status.SENDING}
    for event in events:
        silent = event.status in (Status.ACCEPTED, Status.PENDING) and not event.reason
        assert silent or event.message, event
        assert event.reason in ("", *SENTENCES), event.reason
    assert any(event.possible_duplicate and event.status == Status.ACCEPTED for event in events)
    assert any(event.attempts == 2 and event.status == Status.ACCEPTED for event in events)
    assert any(event.is_settling for event in events)
    assert any(event.is_test for event in events)


def test_a_state_that_waits_for_hours_is_there_to_be_seen(halden: Company) -> None:
    soon = timezone.now() + timedelta(minutes=30)
    with company_scope(halden):
        assert ConversionEvent.objects.filter(status=Status.PENDING, next_attempt_at__gt=soon).count() == 1


def test_the_log_is_what_the_product_would_have_written(halden: Company) -> None:
    with company_scope(halden):
        for event in ConversionEvent.objects.filter(is_test=False).select_related("lead", "deal"):
            subject = event.deal or event.lead
            assert subject
            expected = payload.event_id(
                halden.pk, event.conversion_id, event.event, subject.pk, event.occurrence
            )
            assert event.event_id == expected
            assert event.attempts == Delivery.objects.filter(event=event).count()
            assert event.expires_at == payload.deadline(event.happened_at)
            if event.status == Status.ACCEPTED:
                element = json.loads(event.element)
                assert element["eventId"] == event.event_id
                assert element["conversionHappenedAt"] == payload.milliseconds(event.happened_at)
                assert ("conversionValue" in element) == (event.event == CrmEvent.DEAL_WON)
                assert "@" not in event.element


def test_the_history_agrees_with_itself(halden: Company) -> None:
    with company_scope(halden):
        now = timezone.now()
        for model in (LeadStatusChange, DealStageChange, Activity, Attempt):
            assert not model.objects.filter(at__gt=now).exists(), model
        for lead in Lead.objects.select_related("status").prefetch_related("status_changes"):
            changes = list(lead.status_changes.all())
            assert changes[0].at == lead.occurred_at == lead.created_at
            assert [change.at for change in changes] == sorted(change.at for change in changes)
            assert changes[-1].to_status_id == lead.status_id
            assert lead.last_touch_at >= changes[-1].at
            for before, after in pairwise(changes):
                assert after.from_status_id == before.to_status_id
        for deal in Deal.objects.select_related("stage").prefetch_related("stage_changes"):
            stages = list(deal.stage_changes.all())
            assert stages[-1].to_stage_id == deal.stage_id
            assert [change.at for change in stages] == sorted(change.at for change in stages)
            assert deal.status == deal.stage.kind
            assert (deal.status == StageKind.LOST) == bool(deal.close_reason)


def test_what_is_fresh_really_flows_to_the_sandbox(
    halden: Company, sandbox: RunningSandbox, deliver: Callable[[], int]
) -> None:
    with company_scope(halden):
        fresh = ConversionEvent.objects.filter(status=Status.PENDING, reason="", settles_at=None)
        due = list(fresh.values_list("pk", flat=True))
        assert {event.event for event in fresh} == {"lead_created", "lead_qualified", "deal_created"}
        deliver()
        after = ConversionEvent.objects.filter(pk__in=due).values_list("status", flat=True)
        assert set(after) == {Status.ACCEPTED}


def test_the_demo_goes_on_from_where_it_stands(
    halden: Company, sandbox: RunningSandbox, deliver: Callable[[], int]
) -> None:
    """A lead added by hand, with nothing said of consent, is reported like any other."""
    with company_scope(halden):
        lead = LeadFactory(company=halden)
        deals.create_deal(halden, {"title": "New", "lead": lead}, SHELL)
        deliver()
        assert Counter(ConversionEvent.objects.filter(lead=lead).values_list("status", flat=True)) == {
            Status.ACCEPTED: 2
        }


def test_it_loads_in_three_seconds_of_work() -> None:
    started = time.process_time()
    demo.seed(demo.Plan())
    assert time.process_time() - started < 3


# --- loading once


def test_the_login_is_random_kept_private_and_said_again(data_dir: Path) -> None:
    login = demo.load_once()
    assert login is not None
    assert login.email == "demo@halden.example"
    assert User.objects.get(email=login.email).check_password(login.password)
    assert demo.load_once() == login
    kept = data_dir / "demo_password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert Company.objects.count() == 1


def test_only_the_owner_of_the_demo_can_sign_in(halden: Company) -> None:
    others = User.objects.exclude(email="demo@halden.example")
    assert others.count() == 3
    assert not any(user.has_usable_password() for user in others)


def test_a_changed_password_is_not_said(halden: Company) -> None:
    owner = User.objects.get(email="demo@halden.example")
    owner.set_password("chosen-by-somebody")
    owner.save()
    assert demo.load_once() is None


def test_an_installation_with_a_company_gets_no_demo(company: Company) -> None:
    assert demo.load_once() is None
    assert Company.objects.count() == 1


def test_a_cleared_demo_stays_cleared(halden: Company) -> None:
    demo.clear()
    assert demo.load_once() is None
    assert not Company.objects.exists()


# --- clearing


def _counts() -> dict[str, int]:
    with database.cursor() as cursor:
        tables = [t for t in database.introspection.table_names(cursor) if t.startswith(("crm_", "capi_"))]
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
    return counts


def test_clearing_leaves_every_table_as_it_was(company: Company, owner: User) -> None:
    LeadFactory(company=company)
    before = _counts()
    demo.seed(demo.Plan(companies=2, leads=60, deals=20, activities=20))
    cleared = demo.clear()
    assert cleared.removed == ["Brightmoor Analytics", "Halden Systems"]
    assert _counts() == before


def test_what_people_added_to_the_demo_stays(halden: Company) -> None:
    with company_scope(halden):
        real = LeadFactory(company=halden, last_name="Real", organization="Real Ltd")
        sample = Lead.objects.filter(is_sample=True).exclude(organization=None)[0]
        deal = deals.create_deal(halden, {"title": "Real deal", "lead": sample}, SHELL)
    cleared = demo.clear()
    assert cleared.kept == {"Halden Systems": 3}
    with company_scope(halden):
        assert list(Lead.objects.all()) == [real]
        assert list(Organization.objects.exclude(leads=None)) == [real.organization]
        deal.refresh_from_db()
        assert deal.lead is None
        assert deal.stage_changes.count() == 1
        assert set(ConversionEvent.objects.filter(is_test=False).values_list("lead", "deal")) == {
            (real.pk, None),
            (None, deal.pk),
        }
        leads.update_lead(real, {"title": "Boss"}, SHELL)
    assert User.objects.filter(email="demo@halden.example").exists(), "they own a company that stays"


def test_an_invented_colleague_with_a_real_company_stays(company: Company) -> None:
    demo.seed(demo.Plan(leads=20, deals=5, activities=5))
    sara = User.objects.get(email="demo@halden.example")
    Membership.objects.create(company=company, user=sara, role="agent")
    demo.clear()
    assert list(User.objects.filter(email__endswith="@halden.example")) == [sara]


# --- scale


def test_the_figures_are_totals_over_all_companies() -> None:
    demo.seed(demo.Plan(companies=3, leads=100, deals=31, activities=50))
    with every_company():
        assert (Company.objects.count(), Lead.objects.count(), Deal.objects.count()) == (3, 100, 31)
        written = Activity.objects.filter(kind__in=("note", "call", "meeting", "email"))
        assert written.count() == 50


def test_chunks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadmachine.demo.loading.CHUNK", 40)
    demo.seed(demo.Plan(leads=130, deals=45, activities=10))
    with every_company():
        assert (Lead.objects.count(), Deal.objects.count()) == (130, 45)
        assert Lead.objects.filter(last_name="Sørensen", first_name="Annika").count() == 1


def test_a_few_leads_can_have_many_deals() -> None:
    demo.seed(demo.Plan(leads=3, deals=12, activities=0))
    with every_company():
        assert (Lead.objects.count(), Deal.objects.count()) == (3, 12)


def test_leads_without_deals_can_be_had_too() -> None:
    demo.seed(demo.Plan(leads=10, deals=0, activities=0))
    with every_company():
        assert (Lead.objects.count(), Deal.objects.count()) == (10, 0)


def test_bulk_rows_read_back_as_they_were_written(company: Company) -> None:
    at = timezone.now()
    table = bulk.Table(Lead)
    lead = table.instance(
        id=LeadFactory(company=company).pk.__class__(int=7),
        company_id=company.pk,
        first_name='Quote " and\ttab \\ back',
        last_name="Łukasz\n",
        occurred_at=at,
        status_since=at,
        last_touch_at=at,
        created_at=at,
        updated_at=at,
        status_id=company.default_status_id,
    )
    table.add_instance(lead)
    table.flush()
    read = Lead.objects.get(pk=lead.pk)
    assert (read.first_name, read.last_name) == (lead.first_name, lead.last_name)
    assert (read.occurred_at, read.archived_at, read.is_test) == (at, None, False)
