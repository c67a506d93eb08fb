"""What LinkedIn sends of its Lead Gen Forms, read to the letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from capi import leadgen

SECRET = "smoketest-secret"
NOTICE: dict[str, Any] = {
    "type": "LEAD_ACTION",
    "leadGenFormResponse": "urn:li:leadGenFormResponse:1a2b3c-4",
    "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:1, 1)",
    "owner": {"organization": "urn:li:organization:123"},
    "associatedEntity": {"event": "urn:li:event:456"},
    "leadType": "EVENT",
    "leadAction": "CREATED",
    "occurredAt": 1756051200,
}
BODY = json.dumps(NOTICE, separators=(",", ":")).encode()
# Made by another implementation, over the bytes above.
SIGNATURE = "2027eb36b0984e8a6c08962a6a0df9fff677ac720a0447e5c09e5d51708695f0"


def test_the_signature_is_over_prefix_and_raw_bytes() -> None:
    assert leadgen.signature(BODY, SECRET) == SIGNATURE


@pytest.mark.parametrize(
    "header", [SIGNATURE, f"hmacsha256={SIGNATURE}", SIGNATURE.upper(), f" {SIGNATURE} "]
)
def test_the_header_comes_with_and_without_its_prefix(header: str) -> None:
    assert leadgen.is_signed(BODY, header, SECRET)


@pytest.mark.parametrize(
    ("body", "header", "secret"),
    [
        (BODY.replace(b"CREATED", b"DELETED"), SIGNATURE, SECRET),
        (BODY, SIGNATURE, "other-secret"),
        (BODY, "", SECRET),
        (BODY, "é", SECRET),
        (b"", leadgen.signature(b"", SECRET), SECRET),
        (json.dumps(NOTICE, indent=2).encode(), SIGNATURE, SECRET),  # the same JSON in other bytes
    ],
)
def test_whatever_is_not_signed_is_refused(body: bytes, header: str, secret: str) -> None:
    assert not leadgen.is_signed(body, header, secret)


def test_a_challenge_is_answered_with_an_hmac_of_its_code() -> None:
    answer = leadgen.challenge_response("890e4665-4dfe-4ab1-b689-ed553bceeed0", SECRET)
    assert answer is not None
    assert len(answer) == 64


@pytest.mark.parametrize("code", ["", "a b", "<script>", "a" * 101])
def test_what_is_no_challenge_is_not_answered(code: str) -> None:
    assert leadgen.challenge_response(code, SECRET) is None


@pytest.mark.parametrize("at", [1756051200, 1756051200000])
def test_a_time_is_in_seconds_or_milliseconds(at: int) -> None:
    notice = leadgen.read_notice(json.dumps({**NOTICE, "occurredAt": at}).encode())
    assert notice == leadgen.Notice("1a2b3c-4", "CREATED", datetime(2025, 8, 24, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1,2,3]",
        b'"just a string"',
        b"null",
        b"\xff",
        b"[" * 100_000,
        *(
            json.dumps({**NOTICE, **change}).encode()
            for change in (
                {"type": "OTHER"},
                {"leadAction": "SNEEZED"},
                {"leadGenFormResponse": "../../x"},
                {"leadGenFormResponse": None},
                {"associatedEntity": {}},
                {"occurredAt": True},
                {"occurredAt": 10**40},
                {"occurredAt": "1756051200"},
            )
        ),
    ],
)
def test_what_is_no_notice_is_passed_over(body: bytes) -> None:
    assert leadgen.read_notice(body) is None


def test_answers_are_joined_to_questions_by_their_id() -> None:
    question = {"questionId": 7, "name": "Colour", "questionDetails": {"multipleChoiceQuestionDetails": {}}}
    options = [
        {"id": 0, "text": {"localized": {"es_ES": "Rojo"}}},
        {"id": 1, "text": {"localized": {"es_ES": "Azul"}}},
    ]
    question["questionDetails"]["multipleChoiceQuestionDetails"]["options"] = options  # type: ignore[index]
    found = leadgen.read_response(
        {
            "id": "249592fc-d272-44ba-a7db-c2bdce579507-6",
            "submittedAt": 1689894599288,
            "testLead": True,
            "leadMetadata": {"sponsoredLeadMetadata": {"campaign": "urn:li:sponsoredCampaign:198356826"}},
            "form": {
                "name": "Brochure",
                "hiddenFields": [{"name": "hidden_field", "value": "abc678"}],
                "content": {
                    "questions": [{"questionId": 3, "name": "Mail", "predefinedField": "EMAIL"}, question]
                },
            },
            "formResponse": {
                "answers": [
                    {"questionId": 7, "answerDetails": {"multipleChoiceAnswer": {"options": [1, 0]}}},
                    {
                        "questionId": 3,
                        "answerDetails": {"textQuestionAnswer": {"answer": " kevin@customer.test "}},
                    },
                ]
            },
        }
    )
    assert found is not None
    assert found.urn == "urn:li:leadGenFormResponse:249592fc-d272-44ba-a7db-c2bdce579507-6"
    assert (found.is_test, found.campaign, found.form) == (True, "198356826", "Brochure")
    assert found.answers == (
        leadgen.Answer("Colour", "Azul, Rojo"),
        leadgen.Answer("Mail", "kevin@customer.test", "EMAIL"),
    )
    assert dict(found.hidden) == {"hidden_field": "abc678"}


@pytest.mark.parametrize(
    "found", [{}, {"id": "x"}, {"id": "a b", "submittedAt": 1}, {"id": "x", "submittedAt": -1}]
)
def test_what_is_no_response_is_none(found: dict[str, Any]) -> None:
    assert leadgen.read_response(found) is None


def test_a_response_with_nonsense_in_it_has_no_answers() -> None:
    found = leadgen.read_response(
        {"id": "x", "submittedAt": 1, "form": [1], "formResponse": {"answers": [1, {}]}}
    )
    assert found is not None
    assert found.answers == ()


def test_what_no_database_stores_is_left_out() -> None:
    found = leadgen.read_response(
        {
            "id": "x",
            "submittedAt": 1,
            "form": {
                "name": "A\x00B",
                "content": {
                    "questions": [
                        {
                            "questionId": 1,
                            "name": "\ud800Q",
                            "questionDetails": {"multipleChoiceQuestionDetails": {"options": [{"id": [1]}]}},
                        }
                    ]
                },
            },
            "formResponse": {
                "answers": [
                    {"questionId": 1, "answerDetails": {"textQuestionAnswer": {"answer": "a\x00\nb\ud800"}}},
                    {"questionId": 1, "answerDetails": {"multipleChoiceAnswer": {"options": [1]}}},
                ]
            },
        }
    )
    assert found is not None
    assert found.form == "AB"
    assert found.answers == (leadgen.Answer("Q", "a b"), leadgen.Answer("Q", "1"))
