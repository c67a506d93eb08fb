"""Every misconfiguration is found, said in a sentence, and comes with a hint."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.utils import timezone
from pytest_django import Settings

from capi import versions
from capi.base_url import BaseUrl
from capi.checks import timing_chain
from capi.sandbox.world import VERSION_ENDS
from leadmachine import env

TODAY = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: TODAY)


def _found() -> dict[str | None, CheckMessage]:
    return {message.id: message for message in run_checks()}


def _only(settings: Settings, **wrong: Any) -> CheckMessage:
    for name, value in wrong.items():
        setattr(settings, name, value)
    found = list(_found().values())
    assert len(found) == 1, found
    assert found[0].hint
    return found[0]


def _transport(**changes: object) -> dict[str, object]:
    """The transport options, with something else than ours."""
    from django.conf import settings

    return {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **changes}


def test_a_process_that_kills_itself_on_purpose_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, today: None
) -> None:
    monkeypatch.setenv("FAILPOINT", "after_post")
    assert _only(settings).id == "capi.W003"


def test_the_defaults_are_free_of_findings(today: None) -> None:
    assert _found() == {}


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"PUBLIC_URL": "leads.example.com"}, "leadmachine.E001"),
        ({"PUBLIC_URL": "ftp://127.0.0.1"}, "leadmachine.E001"),
        ({"PUBLIC_URL": "http://127.0.0.1:8000/?x=1"}, "leadmachine.E001"),
        ({"PUBLIC_URL": "http://user:secret@127.0.0.1"}, "leadmachine.E001"),
        ({"PUBLIC_URL": "http://127.0.0.1:port"}, "leadmachine.E001"),
        ({"PUBLIC_URL": "http://10.0.0.5:8000", "ALLOWED_HOSTS": ["10.0.0.5"]}, "leadmachine.E002"),
        ({"PUBLIC_URL": "http://leads.example.com", "ALLOWED_HOSTS": [".example.com"]}, "leadmachine.E002"),
        ({"SECRET_KEY": "short"}, "leadmachine.E003"),
        ({"SECRET_KEY": "x" * 60}, "leadmachine.E003"),
        ({"SECRET_KEY": "django-insecure-" + "abcdefghij" * 6}, "leadmachine.E003"),
        ({"ERASURE_KEY": "short"}, "leadmachine.E007"),
        ({"DEBUG": True, "IS_HTTPS": True}, "leadmachine.E004"),
        ({"API_RATE": 0}, "leadmachine.E005"),
        ({"API_BURST": -1}, "leadmachine.E005"),
        ({"ALLOWED_HOSTS": ["*"]}, "leadmachine.W001"),
        ({"ALLOWED_HOSTS": ["leads.example.com"]}, "leadmachine.W002"),
        ({"FIELD_KEYS": [""]}, "capi.E001"),
        ({"FIELD_KEYS": ["k1:tooshort"]}, "capi.E001"),
        ({"FIELD_KEYS": [env.new_field_key().partition(":")[2]]}, "capi.E001"),
        ({"LINKEDIN_API_URL": "api.linkedin.com/rest"}, "capi.E002"),
        ({"LINKEDIN_API_URL": "https://api.linkedin.com/rest?x=1"}, "capi.E002"),
        ({"LINKEDIN_API_URL": "http://api.linkedin.com/rest"}, "capi.E003"),
        ({"LINKEDIN_API_URL": "http://127.0.0.1.example.com/rest"}, "capi.E003"),
        ({"LINKEDIN_VERSION": "2026-09"}, "capi.E004"),
        ({"LINKEDIN_VERSION": "202613"}, "capi.E004"),
        ({"LINKEDIN_VERSION": "202511"}, "capi.W001"),
        ({"LINKEDIN_VERSION": "202406"}, "capi.W001"),
        ({"LINKEDIN_VERSION": "202601"}, "capi.W002"),
        ({"DELIVERY_POLL_SECONDS": 0}, "capi.E005"),
        ({"DELIVERY_POLL_SECONDS": 61}, "capi.E005"),
        ({"CELERY_TASK_SOFT_TIME_LIMIT": 20}, "capi.E006"),
        ({"CELERY_TASK_TIME_LIMIT": 90}, "capi.E006"),
        ({"CELERY_TASK_ACKS_LATE": False}, "capi.E007"),
        ({"CELERY_ACCEPT_CONTENT": ["json", "pickle"]}, "capi.E007"),
        ({"CELERY_WORKER_PREFETCH_MULTIPLIER": 4}, "capi.E007"),
        ({"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 10}, "capi.E006"),
        ({"CELERY_TASK_REJECT_ON_WORKER_LOST": False}, "capi.E007"),
        ({"CELERY_TASK_SERIALIZER": "pickle"}, "capi.E007"),
        ({"CELERY_TASK_PUBLISH_RETRY": True}, "capi.E007"),
        ({"CELERY_BROKER_CONNECTION_MAX_RETRIES": 100}, "capi.E007"),
        ({"CELERY_BROKER_TRANSPORT_OPTIONS": _transport(visibility_timeout=60)}, "capi.E007"),
        ({"CELERY_BROKER_TRANSPORT_OPTIONS": _transport(socket_timeout=None)}, "capi.E007"),
        ({"DATABASES": {"default": {"ATOMIC_REQUESTS": True}}}, "capi.E007"),
        ({"METRICS_TOKEN": "short"}, "leadmachine.E008"),
    ],
)
def test_a_wrong_setting_is_found_with_a_hint(
    wrong: dict[str, Any], expected: str, settings: Settings, today: None
) -> None:
    assert _only(settings, **wrong).id == expected


@pytest.mark.parametrize("half", ["GOOGLE_CLIENT_ID", "LINKEDIN_CLIENT_SECRET"])
def test_half_a_client_of_a_service_is_found(
    half: str, monkeypatch: pytest.MonkeyPatch, settings: Settings, today: None
) -> None:
    monkeypatch.setenv(half, "canary")
    found = _only(settings)
    assert found.id == "leadmachine.E006"
    assert "canary" not in str(found)


def test_no_finding_repeats_a_secret(settings: Settings, today: None) -> None:
    settings.SECRET_KEY, settings.FIELD_KEYS = "canary-secret", ["k1:canary-key"]
    settings.PUBLIC_URL = "http://user:canary-word@10.0.0.1"
    assert "canary" not in str(_found())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8009/rest", "http://localhost:9/rest", "http://[::1]:9", "https://x.test"]
)
def test_linkedin_may_be_any_https_address_or_this_machine(url: str, settings: Settings, today: None) -> None:
    settings.LINKEDIN_API_URL = url
    assert _found() == {}


def test_a_version_is_warned_of_for_60_days(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LINKEDIN_VERSION = "202609"
    for day, expected in (
        ((7, 17), None),
        ((7, 18), "capi.W002"),
        ((9, 15), "capi.W002"),
        ((9, 16), "capi.W001"),
    ):
        moment = datetime(2027, *day, tzinfo=UTC)
        monkeypatch.setattr(timezone, "now", lambda moment=moment: moment)
        assert next(iter(_found()), None) == expected, day


def test_days_are_counted_to_the_last_day() -> None:
    assert versions.days_left("202609", datetime(2027, 9, 15, tzinfo=UTC).date()) == 0
    assert versions.days_left("202610", TODAY.date()) is None, "newer than the table: nothing is claimed"
    assert versions.days_left("202512", TODAY.date()) is None, "never existed"


def test_the_sandbox_and_the_product_know_the_same_dates() -> None:
    assert {version: VERSION_ENDS[version] for version in versions.ENDS} == versions.ENDS


def test_every_time_is_shorter_than_the_next() -> None:
    seconds = [time for _, time in timing_chain()]
    assert seconds == sorted(set(seconds))
    assert seconds[-2:] == [90, 300]


def test_a_host_that_only_looks_like_loopback_is_not() -> None:
    for host in ("127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0"):
        url = BaseUrl.read(f"http://{host}")
        assert url
        assert not url.is_loopback, host


def _manage(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, str(env.REPOSITORY / "manage.py"), *words],
        env={**clean, "DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_check_deploy_is_clean_behind_https(tmp_path: Path) -> None:
    done = _manage(
        tmp_path, "check", "--deploy", "--fail-level", "WARNING", PUBLIC_URL="https://leads.example.com"
    )
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_an_http_address_on_the_network_stops_every_command(tmp_path: Path) -> None:
    done = _manage(tmp_path, "migrate", PUBLIC_URL="http://leads.example.com")
    assert done.returncode == 1
    assert "PUBLIC_URL is http" in done.stderr
    assert "HINT: Set PUBLIC_URL to the https://" in done.stderr
