"""The commands that scripts and operators rely on, exactly as promised to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connections
from django.utils import timezone
from pytest_django import Settings

from capi.models import Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.actions import erase
from crm.api.keys import principal_of_key
from crm.models import Company, LeadStatus, Membership, User
from crm.tenancy import company_scope, every_company
from leadmachine import doctor, env
from tests.factories import SHELL, LeadFactory, RuleFactory, connect

PASSWORD = "a-long-enough-password"


def _run(*words: str) -> list[str]:
    """The lines a command prints on standard output."""
    output = StringIO()
    call_command(*words, stdout=output)
    return output.getvalue().splitlines()


# --- createcompany


@pytest.mark.django_db
def test_createcompany_makes_a_company_its_owner_and_a_key() -> None:
    lines = _run(
        "createcompany",
        "Acme  Ltd",
        "--email",
        "Alice@Acme.test",
        "--password",
        PASSWORD,
        "--api-key",
        "Zapier",
    )
    made = json.loads(lines[-1])
    assert list(made) == ["company", "user", "api_key"]
    company = Company.objects.get(pk=made["company"])
    assert company.name == "Acme Ltd"
    owner = User.objects.get(pk=made["user"])
    assert (owner.email, owner.check_password(PASSWORD)) == ("alice@acme.test", True)
    with company_scope(company):
        assert Membership.objects.get().role == "owner"
        assert LeadStatus.objects.count() == 6
    principal = principal_of_key(f"Bearer {made['api_key']}")
    assert principal is not None
    assert principal.company == company
    assert principal.key is not None
    assert principal.key.scopes == ["admin", "read", "write"]


@pytest.mark.django_db
def test_createcompany_without_a_key_says_null() -> None:
    lines = _run("createcompany", "Acme", "--email", "a@acme.test", "--password", PASSWORD)
    assert json.loads(lines[-1])["api_key"] is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "email", "password", "said"),
    [
        ("Acme", "not an address", PASSWORD, "email: Enter a valid e-mail"),
        ("Acme", "a@acme.test", "short", "password: "),
        ("", "a@acme.test", PASSWORD, "name: "),
    ],
)
def test_createcompany_refuses_by_name_and_makes_nothing(
    name: str, email: str, password: str, said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        _run("createcompany", name, "--email", email, "--password", password)
    assert not Company.objects.exists()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_an_address_makes_one_user_only() -> None:
    _run("createcompany", "Acme", "--email", "a@acme.test", "--password", PASSWORD)
    with pytest.raises(CommandError, match="email: Somebody signs in with this address"):
        _run("createcompany", "Other", "--email", "A@acme.test", "--password", PASSWORD)
    assert Company.objects.count() == 1


# --- createkey


@pytest.mark.parametrize("by", ["pk", "name"])
def test_createkey_finds_the_company_by_id_or_name(company: Company, by: str) -> None:
    lines = _run("createkey", str(getattr(company, by)), "Website", "--scopes", "capture, read")
    made = json.loads(lines[-1])
    assert list(made) == ["id", "api_key"]
    principal = principal_of_key(f"Bearer {made['api_key']}")
    assert principal is not None
    assert principal.key is not None
    assert (str(principal.key.pk), principal.key.scopes) == (made["id"], ["capture", "read"])


@pytest.mark.parametrize(
    ("company_name", "scopes", "said"),
    [
        ("Nobody", "read", "no company 'Nobody'"),
        ("Acme", "root", "scopes: Choose from"),
        ("Acme", ",", "scopes: Choose from"),
        ("01a1ffa0-0000-7000-8000-000000000000", "read", "no company"),
    ],
)
def test_createkey_says_what_is_wrong(company: Company, company_name: str, scopes: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        _run("createkey", company_name, "Website", "--scopes", scopes)


@pytest.mark.django_db
def test_createkey_wants_the_id_where_a_name_is_not_enough() -> None:
    for email in ("a@acme.test", "b@acme.test"):
        _run("createcompany", "Acme", "--email", email, "--password", PASSWORD)
    with pytest.raises(CommandError, match="Give the id"):
        _run("createkey", "Acme", "Website", "--scopes", "read")


# --- deliver


def test_deliver_until_empty_sends_what_is_due(rules: dict[str, Rule], sandbox: RunningSandbox) -> None:
    for _ in range(3):
        LeadFactory(company=rules["lead_created"].company)
    _run("deliver", "--until-empty")
    assert set(ConversionEvent.objects.values_list("status", flat=True)) == {Status.ACCEPTED}


def test_deliver_until_empty_ends_although_something_waits(
    rules: dict[str, Rule], connection: Connection
) -> None:
    LeadFactory(company=connection.company)
    later = timezone.now() + timedelta(hours=1)
    ConversionEvent.objects.update(next_attempt_at=later)
    _run("deliver", "--until-empty")
    assert ConversionEvent.objects.get().status == Status.PENDING


@pytest.mark.django_db(transaction=True)
def test_deliver_goes_on_until_sigterm_and_ends_cleanly(sandbox: RunningSandbox) -> None:
    made = json.loads(_run("createcompany", "Acme", "--email", "a@acme.test", "--password", PASSWORD)[-1])
    company = Company.objects.get(pk=made["company"])
    process = _start_deliver(sandbox)
    try:
        with company_scope(company):
            connect(company)
            RuleFactory(company=company)
            LeadFactory(company=company)
            _wait_until(lambda: ConversionEvent.objects.get().status == Status.ACCEPTED)
            # It sweeps: what comes later is sent too.
            LeadFactory(company=company)
            _wait_until(lambda: not ConversionEvent.objects.exclude(status=Status.ACCEPTED).exists())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def _start_deliver(sandbox: RunningSandbox) -> subprocess.Popen[bytes]:
    """The command in a process of its own, on the tests' database."""
    where = connections["default"].settings_dict
    url = f"sqlite:///{where['NAME']}"
    if connections["default"].vendor == "postgresql":
        host = str(where["HOST"]).replace("/", "%2F")
        url = f"postgres://{where['USER']}@{host}/{where['NAME']}"
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "LINKEDIN_API_URL": sandbox.url,
        "DELIVERY_POLL_SECONDS": "1",
    }
    return subprocess.Popen([sys.executable, str(env.REPOSITORY / "manage.py"), "deliver"], env=environment)


def _wait_until(done: Callable[[], bool], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.1)


# --- rotatekeys


def test_rotatekeys_says_how_many(connection: Connection, settings: Settings) -> None:
    settings.FIELD_KEYS = [env.new_field_key(), *settings.FIELD_KEYS]
    assert _run("rotatekeys") == [
        "1 secrets were re-encrypted, 0 were under the first key already, 0 cannot be read."
    ]
    assert _run("rotatekeys")[0].startswith("0 secrets were re-encrypted, 1 were")


def test_rotatekeys_fails_over_a_secret_whose_key_is_gone(connection: Connection, settings: Settings) -> None:
    settings.FIELD_KEYS = [env.new_field_key()]
    with pytest.raises(CommandError, match="under a key that is not in FIELD_KEYS"):
        _run("rotatekeys")


# --- doctor


def _findings() -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.examine()}


def test_a_healthy_installation_has_nothing_wrong(connection: Connection) -> None:
    lines = _run("doctor")
    assert [line for line in lines if not line.startswith("ok ")] == []
    subjects = {line.split()[1].rstrip(":") for line in lines}
    assert {"configuration", "database", "migrations", "broker", "keys", "delivery", "accounting"} <= subjects


def test_doctor_ends_with_1_and_says_what_to_do(connection: Connection, settings: Settings) -> None:
    settings.FIELD_KEYS = [env.new_field_key()]
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=output)
    assert ended.value.code == 1
    wrong = [line for line in output.getvalue().splitlines() if "WRONG" in line]
    assert len(wrong) == 1
    assert "Put the key back into FIELD_KEYS" in wrong[0]


@pytest.mark.django_db
def test_doctor_reports_what_the_checks_find(settings: Settings) -> None:
    settings.PUBLIC_URL = "http://10.1.2.3"
    settings.ALLOWED_HOSTS = ["10.1.2.3"]
    finding = _findings()["configuration"]
    assert finding.is_wrong
    assert "https://" in finding.remedy


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "is_wrong"), [("202509", True), ("202609", False), ("202611", False)])
def test_doctor_knows_how_long_the_api_version_lasts(
    version: str, is_wrong: bool, settings: Settings
) -> None:
    settings.LINKEDIN_VERSION = version
    assert _findings()["API version"].is_wrong is is_wrong


@pytest.mark.django_db
def test_doctor_notices_a_dead_broker(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "does not answer" in _findings()["broker"].found


def test_doctor_stops_at_a_dead_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("connection refused\nwith details")

    monkeypatch.setattr(connections["default"], "ensure_connection", refuse)
    findings = _findings()
    assert findings["database"].found == "It does not answer: connection refused"
    assert "delivery" not in findings


def test_doctor_notices_that_nobody_delivers(rules: dict[str, Rule]) -> None:
    LeadFactory(company=rules["lead_created"].company)
    assert not _findings()["delivery"].is_wrong
    ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=6))
    finding = _findings()["delivery"]
    assert finding.found == "1 events have been due for over 5 minutes."


def test_a_connection_that_waits_is_no_missing_worker(rules: dict[str, Rule], connection: Connection) -> None:
    LeadFactory(company=connection.company)
    ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=6))
    connection.waits_until = timezone.now() + timedelta(minutes=30)
    connection.save()
    assert not _findings()["delivery"].is_wrong


def test_doctor_notices_another_erasure_key_and_a_missing_list(
    company: Company, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    assert _findings()["erasures"].found == "Nobody was erased yet."
    erase.erase_lead(LeadFactory(company=company), SHELL)
    assert not _findings()["erasures"].is_wrong
    key, settings.ERASURE_KEY = settings.ERASURE_KEY, env.new_secret_key()
    finding = _findings()["erasures"]
    assert "ERASURE_KEY is another one" in finding.found
    assert key[:8] not in (tmp_path / "erasures").read_text()
    settings.ERASURE_KEY = key
    (tmp_path / "erasures").write_text("nonsense\n")
    assert "cannot be read" in _findings()["erasures"].found
    (tmp_path / "erasures").unlink()
    assert "does not name them" in _findings()["erasures"].found


def test_doctor_looks_at_every_company(
    connection: Connection, other_company: Company, settings: Settings
) -> None:
    settings.FIELD_KEYS = [env.new_field_key(), *settings.FIELD_KEYS]
    with company_scope(other_company):
        connect(other_company)
    with every_company():
        keys = [finding for finding in doctor.examine() if finding.subject == "keys"]
    assert len(keys) == 2, "one line for each key in use"


# --- the demo's commands


@pytest.mark.django_db
def test_seed_demo_refuses_what_makes_no_sense() -> None:
    for words in (["--companies", "0"], ["--leads", "-1"], ["--leads", "0", "--deals", "3"]):
        with pytest.raises(CommandError):
            _run("seed_demo", *words)


def test_commands_answer_help_in_a_sentence(tmp_path: Path) -> None:
    from django.core.management import load_command_class

    for name in (
        "createcompany",
        "createkey",
        "deliver",
        "rotatekeys",
        "doctor",
        "backup",
        "restore",
        "seed_demo",
    ):
        command = load_command_class("leadmachine", name)
        assert command.help.endswith("."), name
