"""Each answer of LinkedIn's, on the wire: what becomes of the event, and the sentence in the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from capi import delivery, holds
from capi.linkedin import LinkedInClient
from capi.models import AppHold, Attempt, Connection, ConversionEvent, Rule
from capi.sandbox.running import RunningSandbox
from crm.models import Company
from tests.factories import LeadFactory

Deliver = Callable[[], int]

MALFORMED_NAME = (
    "Index: 0, ERROR :: /user/userInfo/lastName :: field is required but not found and has no default value\n"
)
# status, body, then what the log shows: status of the event, who holds it, reason, words of the sentence.
ANSWERS = [
    (401, '{"status":401,"serviceErrorCode":65600,"code":"INVALID_ACCESS_TOKEN","message":"Invalid access token"}',
     "held", "connection", "token_invalid", "refused the token (401)"),
    (401, '{"status":401,"serviceErrorCode":65601,"code":"REVOKED_ACCESS_TOKEN","message":"revoked"}',
     "held", "connection", "token_revoked", "It was revoked"),
    (403, '{"message":"No ad accounts found","status":403}',
     "held", "rule", "rule_unknown", "the token may not use its ad account"),
    (403, '{"status":403,"code":"USER_NOT_AUTHORIZED","message":"not authorized"}',
     "held", "connection", "permission_missing", "does not let this token report"),
    (404, '{"status":404,"message":"Not Found"}',
     "held", "connection", "not_found", "LINKEDIN_API_URL"),
    (422, f'{{"message":"{MALFORMED_NAME.strip()}","status":422}}',
     "rejected", "", "last_name_missing", "Last name is missing"),
    (400, '{"message":"Conversion time should be within 90 days and not exceed current time, indices [0] (0-indexed).","status":400}',  # noqa: E501
     "pending", "", "clock_ahead", "clock"),
    (400, '{"message":"Incorrect conversions information provided. Conversion\'s method should be CONVERSIONS_API, indices [0] (0-indexed)","status":400}',  # noqa: E501
     "held", "rule", "rule_wrong_method", "Insight Tag"),
    (426, '{"status":426,"code":"NONEXISTENT_VERSION","message":"Requested version 202609 is not active"}',
     "held", "app", "version_retired", "LINKEDIN_VERSION"),
    (429, "Too Many Requests", "pending", "", "throttled", "(429)"),
    (500, "", "pending", "", "linkedin_fault", "fault of its own (500)"),
    (503, "<html>gateway</html>", "pending", "", "linkedin_fault", "Nothing is lost"),
    (302, "", "pending", "", "redirected", "not followed"),
    (200, "<html>welcome</html>", "pending", "", "unclear_answer", "possible duplicate"),
    (200, '{"elements":[{"status":429}]}', "pending", "", "throttled", "(429)"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "becomes", "held_by", "reason", "words"), ANSWERS)
def test_every_answer_has_its_meaning_and_its_sentence(
    company: Company,
    rules: dict[str, Rule],
    sandbox: RunningSandbox,
    deliver: Deliver,
    status: int,
    body: str,
    becomes: str,
    held_by: str,
    reason: str,
    words: str,
) -> None:
    LeadFactory(company=company)
    sandbox.control.fault("status", status=status, body=body, count=1)
    delivery.deliver_turn(company.pk)
    event = ConversionEvent.objects.get()
    assert (event.status, event.held_by, event.reason) == (becomes, held_by, reason)
    assert words in event.message
    attempt = Attempt.objects.get()
    assert attempt.status_code == status
    assert attempt.message


def test_a_time_out_is_an_unknown_outcome(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = LinkedInClient(sandbox.url, "202609", read_timeout=0.2)
    monkeypatch.setattr(delivery, "client_of", lambda endpoint: impatient)
    LeadFactory(company=company)
    sandbox.control.fault("timeout", seconds=1, count=1)
    delivery.deliver_turn(company.pk)
    event = ConversionEvent.objects.get()
    assert (event.status, event.reason, event.unknown_outcomes) == ("pending", "no_answer", 1)
    assert "possible duplicate" in event.message


def test_a_refused_connection_never_reached_linkedin(
    company: Company, rules: dict[str, Rule], settings: object
) -> None:
    settings.LINKEDIN_API_URL = "http://127.0.0.1:9/rest"  # type: ignore[attr-defined]
    LeadFactory(company=company)
    delivery.deliver_turn(company.pk)
    event = ConversionEvent.objects.get()
    assert (event.status, event.reason, event.unknown_outcomes) == ("pending", "not_sent", 0)
    assert Attempt.objects.get().outcome == "not_sent"


def test_retry_after_is_kept(company: Company, rules: dict[str, Rule], sandbox: RunningSandbox) -> None:
    LeadFactory(company=company)
    sandbox.control.fault("status", status=429, headers={"Retry-After": "120"}, count=1)
    before = timezone.now()
    delivery.deliver_turn(company.pk)
    waits = Connection.objects.get().waits_until
    assert waits is not None
    assert timedelta(seconds=119) <= waits - before <= timedelta(seconds=125)


def test_the_fifth_failure_opens_the_breaker_and_single_events_probe(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    for _ in range(10):
        LeadFactory(company=company)
    fault = sandbox.control.fault("status", status=500, count=None)
    for _ in range(6):
        Connection.objects.update(waits_until=None)
        deliver()
    assert Connection.objects.get().breaker_open
    assert [attempt.size for attempt in Attempt.objects.order_by("at")] == [10, 10, 10, 10, 10, 1]
    sandbox.control.remove_fault(fault)
    Connection.objects.update(waits_until=None)
    deliver()
    assert set(ConversionEvent.objects.values_list("status", "failures")) == {("accepted", 0)}


def test_a_batch_that_alone_brings_failures_is_taken_apart(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    """A poison that makes LinkedIn fail must neither stop the others nor be tried for ever as an outage."""
    for _ in range(4):
        LeadFactory(company=company)
    poison = ConversionEvent.objects.order_by("id")[2]
    sandbox.control.fault("status", status=500, count=None, match={"event_id": poison.event_id})
    for _ in range(5):
        Connection.objects.update(waits_until=None)
        deliver()
    LeadFactory(company=company)  # the probe that was not in the failing batch
    for _ in range(12):
        Connection.objects.update(waits_until=None)
        deliver()
    poison.refresh_from_db()
    assert ConversionEvent.objects.filter(status="accepted").count() == 4
    assert poison.status == "pending"
    assert poison.failures >= 1


def test_an_event_that_fails_at_every_try_is_given_up(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    LeadFactory(company=company)
    sandbox.control.fault("element_status", statuses=[500], count=None)
    for _ in range(11):
        ConversionEvent.objects.filter(status="pending").update(next_attempt_at=timezone.now())
        deliver()
    event = ConversionEvent.objects.get()
    assert (event.status, event.reason, event.attempts) == ("rejected", "exhausted", 11)


def test_a_new_api_version_ends_the_hold_by_the_old_one(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver, settings: object
) -> None:
    settings.LINKEDIN_VERSION = "202511"  # type: ignore[attr-defined]
    LeadFactory(company=company)
    deliver()
    assert ConversionEvent.objects.get().held_by == "app"
    assert AppHold.objects.get().held_reason == "version_retired"
    settings.LINKEDIN_VERSION = "202609"  # type: ignore[attr-defined]
    deliver()
    assert ConversionEvent.objects.get().status == "accepted"


def test_a_probe_an_hour_ends_a_hold_whose_cause_is_gone(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver
) -> None:
    for _ in range(3):
        LeadFactory(company=company)
    sandbox.control.fault("status", status=403, body='{"status":403,"message":"no role"}', count=1)
    deliver()
    assert Connection.objects.get().held_reason == "permission_missing"
    assert deliver() == 0
    Connection.objects.update(probe_at=timezone.now() - timedelta(seconds=1))
    deliver()
    assert Connection.objects.get().state == "active"
    assert set(ConversionEvent.objects.values_list("status", flat=True)) == {"accepted"}
    assert [attempt.size for attempt in Attempt.objects.order_by("at")][:2] == [3, 1]


def test_a_pause_by_a_person_is_never_probed(company: Company, rules: dict[str, Rule]) -> None:
    connection = Connection.objects.get()
    holds.hold(connection, holds.PAUSED_BY_PERSON, "Paused.", timezone.now())
    assert Connection.objects.get().probe_at is None


def test_linkedin_s_own_text_is_redacted_before_it_is_kept(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox
) -> None:
    LeadFactory(company=company)
    body = '{"status":422,"message":"ERROR :: /user :: token AQV_LANGES_GEHEIMNIS_ABCDEFGH1234 of jane@canary.test"}'
    sandbox.control.fault("status", status=422, body=body, count=1)
    delivery.deliver_turn(company.pk)
    kept = f"{ConversionEvent.objects.get().message} {Attempt.objects.get().message}"
    assert "AQV_LANGES" not in kept
    assert "canary" not in kept
