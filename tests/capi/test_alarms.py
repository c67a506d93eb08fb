"""What is wrong is told to those who manage LinkedIn, once for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from capi import alarms, holds, operations
from capi.models import Alarm, Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from capi.sandbox.world import SANDBOX_TOKEN
from crm.models import Company, Notification, User
from crm.tenancy import company_scope
from tests.factories import SHELL, LeadFactory, UserFactory

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def mails(settings: Any) -> None:
    settings.MAILS = True


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def kinds(raised: list[Alarm]) -> list[str]:
    return [alarm.kind for alarm in raised]


def recorded(company: Company, when: datetime, count: int) -> None:
    """So many events of another day, all accepted."""
    for _ in range(count):
        LeadFactory(company=company)
    ConversionEvent.objects.filter(status=Status.PENDING).update(
        created_at=when, status=Status.ACCEPTED, accepted_at=when
    )


def test_nothing_is_told_while_all_is_well(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    LeadFactory(company=company)
    assert alarms.watch(company, now) == []
    assert alarms.look_back(company, now) == []


def test_a_revoked_token_is_told_to_those_who_manage_and_to_nobody_else(
    company: Company,
    owner: User,
    agent: User,
    rules: dict[str, Rule],
    sandbox: RunningSandbox,
    deliver: Callable[[], int],
    now: datetime,
) -> None:
    UserFactory(email="manager@acme.test", company=company, role="manager")
    LeadFactory(company=company)
    sandbox.control.revoke_token(SANDBOX_TOKEN)
    deliver()
    assert kinds(alarms.watch(company, now)) == ["token"]
    assert [told.user for told in Notification.objects.filter(kind="alarm")] == [owner]
    (sent,) = mail.outbox
    assert sent.to == [owner.email]
    assert Connection.objects.get().held_message in sent.body
    assert "/linkedin/" in sent.body


def test_an_alarm_is_told_in_the_language_of_whoever_gets_it_and_kept_in_english(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    owner.language = "de"
    owner.save()
    recorded(company, now - 3 * DAY, 4)
    recorded(company, now - DAY, 60)
    (alarm,) = alarms.look_back(company, now)
    assert "60 events were recorded" in alarm.text
    assert "60 Events erfasst" in Notification.objects.get(kind="alarm").text
    assert "60 Events erfasst" in mail.outbox[0].body


def test_it_is_told_once_and_not_every_minute(
    company: Company, owner: User, connection: Connection, now: datetime
) -> None:
    holds.hold(connection, "permission_missing", "No permission.", now)
    assert kinds(alarms.watch(company, now)) == ["permission"]
    for minute in range(1, 5):
        assert alarms.watch(company, now + minute * timedelta(minutes=1)) == []
    assert len(mail.outbox) == 1


def test_what_comes_and_goes_within_a_day_is_told_once_and_after_a_day_again(
    company: Company, owner: User, connection: Connection, now: datetime
) -> None:
    for hours, told in ((0, 1), (2, 0), (30, 1)):
        holds.hold(connection, "token_revoked", "The token was revoked.", now)
        assert len(alarms.watch(company, now + hours * HOUR)) == told
        assert Alarm.objects.filter(ended_at=None).count() == 1
        holds.clear(connection)
        alarms.watch(company, now + (hours + 1) * HOUR)
        assert not Alarm.objects.filter(ended_at=None).exists()


def test_a_pause_by_a_person_is_no_alarm(
    company: Company, owner: User, connection: Connection, now: datetime
) -> None:
    operations.pause_connection(connection, SHELL)
    assert alarms.watch(company, now) == []


def test_a_rule_that_is_held_is_named(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    rules["deal_won"].name = "Purchase"
    rules["deal_won"].save()
    holds.hold(rules["deal_won"], "rule_unknown", "LinkedIn does not know it.", now)
    (alarm,) = alarms.watch(company, now)
    assert (alarm.kind, alarm.text) == ("rule", "Purchase: LinkedIn does not know it.")


def test_a_refused_api_version_is_told(
    company: Company, owner: User, connection: Connection, now: datetime
) -> None:
    holds.hold_app(connection.endpoint, "version_retired", "LinkedIn has retired the version.", now)
    assert kinds(alarms.watch(company, now)) == ["version"]


@pytest.mark.parametrize(("left", "told"), [(61, 0), (60, 1), (14, 1), (0, 1)])
def test_the_end_of_the_api_version_is_told_before_it_comes(
    company: Company,
    owner: User,
    connection: Connection,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    left: int,
    told: int,
) -> None:
    monkeypatch.setattr("capi.versions.days_left", lambda version, today: left)
    assert len(alarms.watch(company, now)) == told
    assert alarms.watch(company, now) == []


def test_the_end_of_the_api_version_is_told_again_as_it_comes_near(
    company: Company, owner: User, connection: Connection, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0
    for left in range(70, -1, -1):
        monkeypatch.setattr("capi.versions.days_left", lambda version, today, left=left: left)
        told += len(alarms.watch(company, now + (70 - left) * DAY))
    assert told == 3


def test_silence_is_told_when_something_is_due_and_nothing_accepted_for_hours(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    LeadFactory(company=company)
    assert alarms.watch(company, now + 5 * HOUR) == []
    (alarm,) = alarms.watch(company, now + 7 * HOUR)
    assert alarm.kind == "silence"
    assert "1 event is due" in alarm.text


def test_a_line_that_fails_is_silence_although_events_are_tried(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    LeadFactory(company=company)
    Connection.objects.update(failures=9, wait_message="LinkedIn answers 503.")
    ConversionEvent.objects.update(created_at=now - 7 * HOUR, changed_at=now)
    (alarm,) = alarms.watch(company, now + timedelta(seconds=1))
    assert alarm.text.endswith("LinkedIn answers 503.")


def test_silence_ends_with_the_first_accepted_event(
    company: Company, owner: User, rules: dict[str, Rule], deliver: Callable[[], int], now: datetime
) -> None:
    LeadFactory(company=company)
    alarms.watch(company, now + 7 * HOUR)
    deliver()
    alarms.watch(company, now + 7 * HOUR)
    assert Alarm.objects.get().ended_at


def test_nothing_due_is_no_silence(
    company: Company, owner: User, connection: Connection, now: datetime
) -> None:
    assert alarms.watch(company, now + 30 * DAY) == []


def test_the_fuse_is_told_at_14_7_and_1_days_each_once(
    company: Company, owner: User, sandbox: RunningSandbox, now: datetime
) -> None:
    from tests.factories import RuleFactory

    RuleFactory(company=company)
    LeadFactory(company=company)
    event = ConversionEvent.objects.get()
    assert event.status == Status.HELD  # no token
    told = []
    for hours in range(0, 24 * 16, 6):
        at = event.expires_at - 15 * DAY + hours * HOUR
        told += [(alarm.key, (event.expires_at - at).days) for alarm in alarms.watch(company, at)]
    assert told == [
        ("fuse:14:connection:no_token", 14),
        ("fuse:7:connection:no_token", 7),
        ("fuse:1:connection:no_token", 1),
    ]


def test_ten_times_the_usual_is_told(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    for days in (5, 12, 19):
        recorded(company, now - days * DAY, 4)
    recorded(company, now - DAY, 50)
    (alarm,) = alarms.look_back(company, now)
    assert alarm.kind == "volume"
    assert "Yesterday 50 events" in alarm.text
    assert alarms.look_back(company, now) == []


def test_a_first_day_with_many_is_no_alarm(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    recorded(company, now - DAY, 60)
    assert alarms.look_back(company, now) == []


def test_nothing_on_a_day_that_is_never_empty_is_told(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    for week in range(1, 5):
        recorded(company, now - DAY - week * 7 * DAY, 5)
    (alarm,) = alarms.look_back(company, now)
    assert "Yesterday no event" in alarm.text


def test_an_empty_sunday_is_no_alarm(
    company: Company, owner: User, rules: dict[str, Rule], now: datetime
) -> None:
    for week in range(1, 5):
        recorded(company, now - 2 * DAY - week * 7 * DAY, 5)
    assert alarms.look_back(company, now) == []


def test_a_mail_server_that_refuses_stops_nothing(
    company: Company, owner: User, connection: Connection, now: datetime, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    holds.hold(connection, "token_revoked", "The token was revoked.", now)
    assert len(alarms.watch(company, now)) == 1
    assert Notification.objects.filter(kind="alarm").count() == 1


def test_alarms_are_of_one_company(
    company: Company,
    owner: User,
    connection: Connection,
    other_company: Company,
    stranger: User,
    now: datetime,
) -> None:
    holds.hold(connection, "token_revoked", "The token was revoked.", now)
    alarms.watch(company, now)
    with company_scope(other_company):
        assert alarms.watch(other_company, now) == []
        assert not Alarm.objects.exists()
        assert not Notification.objects.exists()
