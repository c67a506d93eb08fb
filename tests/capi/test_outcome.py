"""What LinkedIn's answers mean."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capi import outcome
from capi.outcome import Answer, NoAnswer, NotSent, Outcome, classify

KNOWN = json.loads((Path(__file__).parent / "vectors" / "answers.json").read_text())
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def answered(
    status: int, body: object = "", rules: str = "1", headers: dict[str, str] | None = None, **more: Any
) -> Outcome:
    text = body if isinstance(body, str) else json.dumps(body)
    return classify(Answer(status, text, headers or {}, 12), list(rules), more.pop("now", NOW), **more)


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN)
def test_an_answer_means(case: dict[str, Any]) -> None:
    found = answered(case["status"], case.get("body", ""), case["rules"], case.get("headers"))

    assert [verdict.kind for verdict in found.verdicts] == case["verdicts"]
    if "reasons" in case:
        assert [verdict.reason for verdict in found.verdicts] == case["reasons"]
    scope, reason, rules = (*case.get("hold", ["", "", ""]), "")[:3]
    assert (found.hold.scope if found.hold else "") == scope
    assert (found.hold.reason if found.hold else "") == reason
    assert (found.hold.conversion_ids if found.hold else frozenset()) == frozenset(rules)
    assert (found.pause.kind if found.pause else "") == case.get("pause", "")
    assert found.split == case.get("split", "")
    assert found.request_id == case.get("request_id", "")
    assert found.reached
    assert found.message
    assert all(verdict.message for verdict in found.verdicts)
    assert case.get("never_kept", "-not there-") not in repr(found)


class TestSentences:
    """What the person who has to act reads."""

    def test_a_field_is_named_in_our_words(self) -> None:
        text = (
            "Index: 0, ERROR :: /user/userInfo/lastName :: field is required but not found and has no default"
        )

        [verdict] = answered(422, {"message": text}).verdicts

        assert verdict.message == (
            "Last name is missing. LinkedIn refused this event (422) and stored nothing of it. "
            "Correct the lead, then resend."
        )

    def test_several_fields_are_all_named(self) -> None:
        text = (
            "ERROR :: /user/userInfo/firstName :: field is required but not found\n"
            "ERROR :: /conversionValue/amount :: 19.9 cannot be coerced to String\n"
        )

        [verdict] = answered(422, {"message": text}).verdicts

        assert verdict.message.startswith(
            "First name is missing; amount has the wrong type. LinkedIn refused"
        )
        assert verdict.reason == "first_name_missing"

    @pytest.mark.parametrize(
        ("path", "text", "reason", "words"),
        [
            (
                "/conversionValue/currencyCode",
                "field is required but not found",
                "currency_missing",
                "Currency is missing",
            ),
            (
                "/user/userIds",
                "field is required but not found",
                "identifiers_missing",
                "List of identifiers is missing",
            ),
            (
                "/user/userInfo/city",
                "unrecognized field found but not allowed",
                "field_unknown",
                "is not known to LinkedIn",
            ),
            (
                "/user/lead",
                "Invalid Urn format. Invalid prefix.",
                "lead_gen_response_malformed",
                "is malformed",
            ),
            (
                "/elements/3/user/userInfo/hashedLastName",
                "too short",
                "last_name_refused",
                "Last name was refused",
            ),
            (
                "/conversion",
                "field is required but not found",
                "conversion_missing",
                "Conversion id is missing",
            ),
        ],
    )
    def test_each_field_has_a_stable_reason(self, path: str, text: str, reason: str, words: str) -> None:
        [verdict] = answered(422, {"message": f"ERROR :: {path} :: {text}"}).verdicts

        assert (verdict.kind, verdict.reason) == ("rejected", reason)
        assert words in verdict.message

    def test_an_echoed_value_is_not_repeated(self) -> None:
        text = 'ERROR :: /user/userInfo/countryCode :: "Ann Lee, Berlin" is not an enum symbol'

        assert "Ann" not in repr(answered(422, {"message": text}))

    def test_what_cannot_be_translated_is_quoted_without_its_secrets(self) -> None:
        [verdict] = answered(400, {"message": 'No use for "Ann Lee" or ann@example.com here'}).verdicts

        assert verdict.message.endswith("LinkedIn's words: No use for […] or […] here")

    def test_a_web_page_is_never_quoted(self) -> None:
        assert "html" not in repr(answered(400, "<html><body>Ann Lee</body></html>"))
        assert "Ann" not in repr(answered(400, "<html><body>Ann Lee</body></html>"))

    @pytest.mark.parametrize(
        ("status", "body", "parts"),
        [
            (401, {"serviceErrorCode": 65601}, ["401", "revoked", "new token"]),
            (403, {"message": "No ad accounts found"}, ["403", "conversion id", "ad account", "token"]),
            (403, {}, ["403", "role", "permission"]),
            (404, {}, ["404", "not enabled", "address", "conversion id"]),
            (426, {}, ["426", "LINKEDIN_VERSION", "Nothing is lost"]),
            (429, {}, ["429", "Nothing is lost"]),
            (302, {}, ["302", "not followed", "LINKEDIN_API_URL"]),
            (503, {}, ["503", "Nothing is lost"]),
            (200, "garbage", ["200", "possible duplicate"]),
        ],
    )
    def test_say_what_happened_and_what_to_do(self, status: int, body: object, parts: list[str]) -> None:
        message = answered(status, body).message

        assert [part for part in parts if part not in message] == []

    def test_the_whole_request_is_summed_up(self) -> None:
        text = "Index: 1, ERROR :: /user/userInfo/lastName :: field is required but not found"

        assert (
            answered(422, {"message": text}, "111").message == "Of 3 events: 1 refused, 2 sent again at once."
        )

    def test_rules_refused_for_different_reasons_share_a_hold(self) -> None:
        text = (
            "Conversion's method should be CONVERSIONS_API, indices [0]. It is marked as deleted, indices [1]"
        )

        found = answered(400, {"message": text}, "12")

        assert found.hold is not None
        assert (found.hold.reason, found.hold.conversion_ids) == ("rule_refused", {"1", "2"})
        assert [verdict.reason for verdict in found.verdicts] == ["rule_wrong_method", "rule_disabled"]


class TestCharging:
    def test_only_its_own_failure_uses_up_a_try(self) -> None:
        answer = {"elements": [{"status": 500}, {"status": 429}]}

        assert [verdict.charged for verdict in answered(200, answer, "11").verdicts] == [True, False]
        assert not any(verdict.charged for verdict in answered(500, "", "11").verdicts)


class TestTooYoungToBeTooOld:
    BODY = {"message": "Conversion time should be within 90 days and not exceed current time, indices [0]."}

    def test_an_event_of_today_is_tried_again(self) -> None:
        [verdict] = answered(400, self.BODY, happened_at=[NOW]).verdicts

        assert (verdict.kind, verdict.reason, verdict.charged) == ("retry", "clock_ahead", True)

    def test_an_old_one_is_expired(self) -> None:
        [verdict] = answered(400, self.BODY, happened_at=[NOW - timedelta(days=89, hours=1)]).verdicts

        assert (verdict.kind, verdict.reason) == ("expired", "too_old")


class TestNoAnswerAtAll:
    def test_what_was_not_sent_is_safe_to_send_again(self) -> None:
        found = outcome.of_not_sent(NotSent("The name api.linkedin.com was not found", 5), 2)

        assert {(v.kind, v.reason, v.charged) for v in found.verdicts} == {("retry", "not_sent", False)}
        assert len(found.verdicts) == 2
        assert found.pause is not None
        assert found.pause.kind == "failure"
        assert not found.reached
        assert "Cause: The name" in found.message

    def test_what_left_without_an_answer_may_be_a_duplicate(self) -> None:
        found = outcome.of_no_answer(NoAnswer("read timed out", 20_000), 2)

        assert {(v.kind, v.reason) for v in found.verdicts} == {("unknown", "no_answer")}
        assert found.pause is not None
        assert found.pause.kind == "failure"
        assert not found.reached
        assert "possible duplicate" in found.message

    def test_their_causes_are_redacted_too(self) -> None:
        secret = "AQV_LONG_AND_SECRET_ABCDEFGH1234"

        assert secret not in repr(outcome.of_not_sent(NotSent(f"bad header {secret}"), 1))
        assert secret not in repr(outcome.of_no_answer(NoAnswer(f"bad header {secret}"), 1))


class TestThrottled:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("30", 30),
            (" 30 ", 30),
            ("0", 1),
            ("86400", 86400),
            ("86401", 86400),
            ("9" * 5000, 86400),
            ("Sat, 21 Nov 2026 12:01:30 GMT", 90),
            ("Sat, 21 Nov 2026 13:01:30 +0100", 90),
            ("Sat, 21 Nov 2026 12:01:30 -0000", 90),
            ("Fri, 21 Nov 2036 12:00:00 GMT", 86400),
            ("Sat, 21 Nov 2026 11:00:00 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("٣", None),
            ("Sat, 99 Nov 2026 12:00:00 GMT", None),
            ("1 Jan 99999999999 00:00:00 GMT", None),
        ],
    )
    def test_retry_after_is_obeyed_from_a_second_to_a_day(self, header: str, seconds: float | None) -> None:
        pause = answered(429, "", headers={"retry-after": header}).pause

        assert pause is not None
        assert pause.seconds == seconds

    @pytest.mark.parametrize(
        ("now", "until"),
        [
            (datetime(2026, 11, 21, 12, tzinfo=UTC), datetime(2026, 11, 22, 0, 5, tzinfo=UTC)),
            (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, 0, 5, tzinfo=UTC)),
        ],
    )
    @pytest.mark.parametrize("whose", ["APPLICATION DAY limit", "MEMBER DAY limit", "daily quota"])
    def test_the_day_limit_lasts_until_after_midnight_utc(
        self, now: datetime, until: datetime, whose: str
    ) -> None:
        pause = answered(429, {"message": f"Resource level throttle {whose} is reached."}, now=now).pause

        assert pause is not None
        assert (pause.seconds, pause.until, pause.reason) == (None, until, "throttled_day")

    def test_retry_after_wins_over_the_day(self) -> None:
        pause = answered(429, {"message": "DAY limit"}, headers={"retry-after": "60"}).pause

        assert pause is not None
        assert (pause.seconds, pause.until) == (60, None)


class TestSchedules:
    def test_an_event_is_tried_eleven_times(self) -> None:
        waits = [outcome.retry_delay(failures, lambda: 0.5) for failures in range(1, 12)]

        assert waits == [10, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, None]

    def test_its_waits_vary_by_a_fifth(self) -> None:
        assert outcome.retry_delay(1, lambda: 0.0) == pytest.approx(8)
        assert outcome.retry_delay(1, lambda: 1.0) == pytest.approx(12)

    def test_the_fifth_failure_in_a_row_opens_the_breaker(self) -> None:
        waits = [outcome.failure_wait(consecutive, lambda: 0.0) for consecutive in range(1, 12)]

        assert waits[:4] == [(2, False), (4, False), (8, False), (16, False)]
        assert waits[4:] == [
            (30, True),
            (60, True),
            (120, True),
            (240, True),
            (480, True),
            (900, True),
            (900, True),
        ]

    def test_a_throttled_connection_waits_up_to_an_hour(self) -> None:
        waits = [outcome.throttle_wait(consecutive, lambda: 0.0) for consecutive in range(1, 9)]

        assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]

    @given(st.integers(min_value=0, max_value=10**6), st.floats(min_value=0, max_value=1, exclude_max=True))
    def test_no_wait_is_shorter_than_said_or_without_end(self, consecutive: int, chance: float) -> None:
        shortest, breaker_open = outcome.failure_wait(consecutive, lambda: 0.0)
        wait, _ = outcome.failure_wait(consecutive, lambda: chance)

        assert shortest <= wait <= 1.2 * shortest <= 1080
        assert breaker_open == (consecutive >= 5)
        assert 60 <= outcome.throttle_wait(consecutive, lambda: chance) <= 4320

    def test_take_the_random_of_the_standard_library(self) -> None:
        assert 8 <= (outcome.retry_delay(1, random.Random(7).random) or 0) <= 12


STATUSES = st.integers(min_value=-1, max_value=1000) | st.sampled_from(
    [200, 201, 204, 400, 401, 403, 404, 413, 422, 426, 429, 500]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "message", "code", "serviceErrorCode", "elements", "error"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
BODIES = (
    st.text(max_size=300)
    | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace"))
    | JSON.map(json.dumps)
    | st.lists(
        st.sampled_from(
            re.split(
                r"\|",
                "Index: 0,|Index: 1,|Index: 5,|ERROR ::|/conversion|::|indices [|0|, |]|\n|batchIndex=|{|}|x|"
                "Invalid Urn format|marked as deleted|Conversion time should be",
            )
        ),
        max_size=14,
    ).map(lambda parts: json.dumps({"message": " ".join(parts)}))
)


@settings(max_examples=400)
@given(STATUSES, BODIES, st.lists(st.sampled_from(["1", "2", "3"]), max_size=6), st.text(max_size=20))
def test_whatever_comes_back_has_a_meaning(status: int, body: str, rules: list[str], header: str) -> None:
    found = classify(Answer(status, body, {"retry-after": header, "x-li-uuid": header}, 1), rules, NOW)
    kinds = [verdict.kind for verdict in found.verdicts]

    assert len(kinds) == len(rules)
    assert "accepted" not in kinds or 200 <= status < 300
    assert {"rejected", "expired"}.isdisjoint(kinds) or 200 <= status < 300 or 400 <= status < 500
    assert ("isolate" in kinds) == (bool(found.split) and bool(rules))
    assert ("held" in kinds) <= (found.hold is not None)
    if found.hold and found.hold.scope == "rule":
        held = {rule for rule, kind in zip(rules, kinds, strict=True) if kind == "held"}
        assert found.hold.conversion_ids == held != set()
    # Nobody waits without an end: something is due at once, charged, paused or held.
    if {"retry", "unknown"} & set(kinds):
        assert found.pause is not None or all(v.charged for v in found.verdicts if v.kind == "retry")
    assert all(len(verdict.message) <= 500 for verdict in found.verdicts)


@given(st.lists(st.sampled_from(["1", "2"]), min_size=2, max_size=8), st.data())
def test_only_the_named_are_blamed(rules: list[str], data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, len(rules) - 1), min_size=1))
    message = "".join(f"Index: {index}, ERROR :: /user/userInfo/title :: too long\n" for index in sorted(bad))

    found = classify(Answer(422, json.dumps({"message": message})), rules, NOW)

    assert {index for index, verdict in enumerate(found.verdicts) if verdict.kind == "rejected"} == bad
    assert {v.kind for i, v in enumerate(found.verdicts) if i not in bad} <= {"resend"}


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"message":' * 20_000, "9" * 10_000, '"' + "x" * 1_000_000 + '"']
)
@pytest.mark.parametrize("status", [200, 400, 422, 429, 500])
def test_a_body_made_to_hurt_does_not(status: int, body: str) -> None:
    assert classify(Answer(status, body), ["1"], NOW).verdicts


@pytest.mark.parametrize(
    "piece", ["ERROR :: ", "Index: 1, ", "batchIndex=1 ", "indices [1] ", "{", "a@", "'", '"', "http://"]
)
def test_a_long_text_is_read_in_no_time(piece: str) -> None:
    body = json.dumps({"message": piece * (1_000_000 // len(piece))})

    started = datetime.now(tz=UTC)
    classify(Answer(422, body), ["1", "2"], NOW)
    classify(Answer(400, body), ["1"], NOW)

    assert datetime.now(tz=UTC) - started < timedelta(
        seconds=20
    )  # a second, or minutes if a pattern backtracks


def test_every_reason_has_a_sentence() -> None:
    answers = [answered(case["status"], case.get("body", ""), case["rules"]) for case in KNOWN.values()]
    reasons = {verdict.reason for found in answers for verdict in found.verdicts} - {""}

    assert reasons <= outcome.SENTENCES.keys()
