"""`/metrics`: for whoever has the operator's token, and what it says."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.checks import run_checks
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from capi import heartbeat, holds
from capi.models import Alarm, Connection, ConversionEvent, Rule, Worker
from crm.models import Company, User
from crm.tenancy import company_scope
from leadmachine.env import REPOSITORY
from leadmachine.metrics import exposition
from tests.factories import LeadFactory, RuleFactory, connect

TOKEN = "a-long-enough-token-for-the-metrics-page"
DEPLOY = REPOSITORY / "deploy"


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    cache.delete("metrics")


def values() -> dict[tuple[str, ...], float]:
    """Every sample: its name and the values of its labels, in the order of their names."""
    families = text_string_to_metric_families(exposition())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("header", "status"),
    [("", 401), ("Bearer wrong", 401), (TOKEN, 200), (f"Bearer {TOKEN}", 200), (f"bearer é{TOKEN}", 401)],
)
def test_only_the_operators_token_opens_it(db: None, client: Client, header: str, status: int) -> None:
    assert client.get("/metrics", headers={"Authorization": header}).status_code == status


def test_without_a_token_there_is_no_such_page(db: None, client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_a_member_is_let_in_by_no_session(owner: User, client: Client) -> None:
    client.force_login(owner)
    assert client.get("/metrics").status_code == 401


def test_it_speaks_the_format_that_prometheus_reads(db: None, client: Client) -> None:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert list(text_string_to_metric_families(answer.content.decode()))


def test_events_are_counted_over_all_companies_by_status_and_reason(
    company: Company, rules: dict[str, Rule], deliver: Any
) -> None:
    LeadFactory(company=company)
    LeadFactory(company=company, email="")
    deliver()
    found = values()
    assert found["leadmachine_events", "", "accepted"] == 1
    assert found["leadmachine_events", "no_identifier", "skipped"] == 1
    assert found["leadmachine_attempts", "accepted"] == 1
    assert found["leadmachine_connections", "active"] == 1


def test_the_oldest_due_event_has_an_age(company: Company, rules: dict[str, Rule]) -> None:
    assert values()["leadmachine_oldest_due_seconds",] == 0
    LeadFactory(company=company)
    ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=10))
    assert 600 <= values()["leadmachine_oldest_due_seconds",] < 660


def test_breaker_bucket_unknown_outcomes_and_alarms_are_told(
    company: Company, rules: dict[str, Rule]
) -> None:
    LeadFactory(company=company)
    now = timezone.now()
    Connection.objects.update(
        breaker_open=True, bucket=3, bucket_at=now + timedelta(hours=1), waits_until=now + timedelta(hours=1)
    )
    ConversionEvent.objects.update(unknown_outcomes=2)
    Alarm.objects.create(company=company, kind="silence", key="silence", text="Silence.")
    Alarm.objects.create(company=company, kind="silence", key="before", text="Silence.", ended_at=now)
    found = values()
    assert found["leadmachine_breakers_open",] == found["leadmachine_connections_waiting",] == 1
    assert found["leadmachine_bucket_lowest",] == 3
    assert found["leadmachine_unknown_outcomes",] == 2
    assert found["leadmachine_alarms", "silence"] == 1


def test_what_is_held_has_a_fuse(company: Company, rules: dict[str, Rule], connection: Connection) -> None:
    LeadFactory(company=company)
    holds.hold(connection, "token_revoked", "Revoked.", timezone.now())
    holds.apply(connection, timezone.now())
    assert 83 * 86400 < values()["leadmachine_fuse_seconds",] < 90 * 86400


def test_one_company_that_waits_for_linkedin_hides_no_other_that_is_late(
    company: Company, other_company: Company, rules: dict[str, Rule]
) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(hours=2))
    Connection.objects.update(waits_until=timezone.now() + timedelta(minutes=5))
    assert values()["leadmachine_oldest_ready_seconds",] == 0
    with company_scope(other_company):
        connect(other_company)
        RuleFactory(company=other_company)
        LeadFactory(company=other_company)
        ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
    assert 3600 <= values()["leadmachine_oldest_ready_seconds",] < 3700
    assert 7200 <= values()["leadmachine_oldest_due_seconds",] < 7300


def test_what_waits_behind_an_open_breaker_has_a_fuse(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    assert ("leadmachine_fuse_seconds",) not in values()
    Connection.objects.update(breaker_open=True)
    assert 83 * 86400 < values()["leadmachine_fuse_seconds",] < 90 * 86400


def test_a_refused_version_is_told(company: Company, rules: dict[str, Rule], settings: Settings) -> None:
    assert values()["leadmachine_app_holds",] == 0
    holds.hold_app("linkedin", "version_retired", "Retired.", timezone.now())
    assert values()["leadmachine_app_holds",] == 1


def test_no_alert_is_for_what_a_person_has_paused_or_what_is_far_off() -> None:
    """The alarms in the product begin 60 days before a version ends; nobody is called out of bed for that."""
    alerts = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    assert 'kind="version"' not in alerts
    assert 'state="paused"' not in alerts


def test_each_line_of_the_dashboard_shows_one_figure() -> None:
    """What stands behind an `or` has the same labels as what stands before it, and is never shown."""
    panels = json.loads((DEPLOY / "prometheus" / "dashboard.json").read_text())["panels"]
    for target in (target for panel in panels for target in panel["targets"]):
        assert len(set(re.findall(r"leadmachine_\w+", target["expr"]))) == 1


def test_a_worker_is_as_old_as_its_last_asking(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_written", 0.0)
    Worker.objects.create(name="a-machine-of-last-week", asked_at=timezone.now() - timedelta(days=7))
    heartbeat.asked()
    heartbeat.asked()
    worker = Worker.objects.get()
    assert values()["leadmachine_worker_age_seconds", worker.name] < 60


def test_the_api_version_has_its_days(company: Company, settings: Settings) -> None:
    settings.LINKEDIN_VERSION = "202511"
    assert values()["leadmachine_api_version_days",] < 0


def test_no_company_and_no_person_is_named(company: Company, rules: dict[str, Rule]) -> None:
    company.name = "Canary"
    company.save()
    LeadFactory(company=company, email="canary@customer.test")
    assert "anary" not in exposition()


def test_a_weak_token_is_an_error(settings: Settings) -> None:
    settings.METRICS_TOKEN = "short"
    assert "leadmachine.E008" in {message.id for message in run_checks()}


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
def test_alerts_and_dashboard_ask_for_what_there_is(
    company: Company, rules: dict[str, Rule], file: str
) -> None:
    names = set(re.findall(r"leadmachine_\w+", (DEPLOY / "prometheus" / file).read_text()))
    offered = set(re.findall(r"^# HELP (\w+)", exposition(), re.MULTILINE)) | {"leadmachine_fuse_seconds"}
    assert names
    assert names <= offered


def test_the_dashboard_is_json(tmp_path: Path) -> None:
    panels = json.loads((DEPLOY / "prometheus" / "dashboard.json").read_text())["panels"]
    assert len(panels) >= 8
