"""The sentences people read, and what of LinkedIn's own text may be kept."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capi import wording
from capi.wording import SENTENCES, redact, sentence

DIGEST = "855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4"
TOKEN = "AQV_LONG_AND_SECRET_ABCDEFGH1234"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("No ad accounts found", "No ad accounts found"),
        (
            "Conversion's method is one that's marked as deleted",
            "Conversion's method is one that's marked as deleted",
        ),
        ("ERROR :: /user/userIds/0/idType :: bad", "ERROR :: /user/userIds/0/idType :: bad"),
        ("type=INVALID_CONVERSION_TIME_FIELD_VALUE", "type=INVALID_CONVERSION_TIME_FIELD_VALUE"),
        ("urn:lla:llaPartnerConversion:104012345", "urn:lla:llaPartnerConversion:104012345"),
        ("two\nlines\r\n\tand  spaces", "two lines and spaces"),
    ],
)
def test_what_helps_is_kept(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("for ann@example.com, sorry", "for […] sorry"),
        ("for ann%40example.com", "for […]"),
        ("for ann\uff20example.com", "for […]"),
        ("for a\u200bnn@example.com", "for […]"),
        (f"token {TOKEN} was rejected", "token […] was rejected"),
        ("Bearer abc123 is no good", "Bearer […] is no good"),
        ("eyJhbGciOi.eyJzdWIiOiIxMjM0.SflKxwRJSM", "[…]"),
        (f"hash {DIGEST}", "hash […]"),
        ("hash 0123456789abcdef", "hash […]"),
        ("click df5gf5-gh6t7-ph4j7h-fgf6n1 unknown", "click […] unknown"),
        ('"Ann Lee" is not an enum symbol', "[…] is not an enum symbol"),
        ('"Ann "the boss" Lee" is not', "[…] is not"),
        ('"Ann\nLee" is not', "[…] is not"),
        ('an open "Ann Lee', "an open […]"),
        ("'Ann Lee' is not", "[…] is not"),
        ("'Ann O'Brien' is not", "[…] is not"),
        ("\u201cAnn Lee\u201d is not", "[…] is not"),
        ("\u00abAnn Lee\u00bb is not", "[…] is not"),
        ("`Ann Lee` is not", "[…] is not"),
        (
            "ERROR :: /x :: Ann Lee cannot be coerced to Double",
            "ERROR :: /x :: […] cannot be coerced to Double",
        ),
        ("Ann Lee cannot be coerced to Double", "[…] cannot be coerced to Double"),
        ("see https://x.test/x?user=ann&k=1 now", "see […] now"),
        ("by urn:li:person:aB3 and", "by urn:li:person:[…] and"),
        ("from 203.0.113.7", "from […]"),
        ("<html><body>Ann Lee</body></html>", ""),
        ("Bad Gateway <!doctype html> Ann", ""),
        ("\x00\x1b[31mred\x07", "[31mred"),
        ("", ""),
    ],
)
def test_what_may_be_personal_is_not(text: str, kept: str) -> None:
    assert redact(text) == kept


def test_it_is_cut_after_redaction() -> None:
    text = "word " * 57 + TOKEN

    assert len(redact("x " * 1000)) == 300
    assert redact("x " * 1000).endswith("…")
    assert TOKEN[:8] not in redact(text)
    assert len(redact("word " * 100, limit=20)) <= 20


def test_a_secret_at_the_edge_of_what_is_read_does_not_slip_through() -> None:
    # Everything before it shrinks to almost nothing, so that the edge comes into view.
    for length in range(3960, 3998):
        text = '"' + "a" * length + '" ' + TOKEN + " end" * 500
        assert TOKEN[:6] not in redact(text)


WORDS = st.text(max_size=60)
OPAQUE = st.text(alphabet=string.ascii_letters + string.digits + "_-+/=.", min_size=8, max_size=150)
# The digits in the middle keep Hypothesis from finding LinkedIn's own field names, which may be kept.
TOKENS = st.tuples(OPAQUE, st.integers(1000, 9999), OPAQUE).map(lambda parts: "".join(map(str, parts)))


@given(WORDS, st.emails(), WORDS)
def test_no_address_ever_gets_through(before: str, address: str, after: str) -> None:
    assert address not in redact(f"{before} {address} {after}")
    assert address not in redact(f"{before}{address}{after}")


@given(WORDS, TOKENS, WORDS)
def test_no_token_ever_gets_through(before: str, token: str, after: str) -> None:
    found = redact(f"{before} {token} {after}")

    assert token not in found


@given(WORDS, st.text(alphabet="0123456789abcdefABCDEF", min_size=16, max_size=64), WORDS)
def test_no_digest_ever_gets_through(before: str, digest: str, after: str) -> None:
    assert digest not in redact(f"{before} {digest} {after}")


@given(st.text(max_size=5000), st.integers(min_value=1, max_value=400))
def test_any_text_becomes_one_short_line(text: str, limit: int) -> None:
    found = redact(text, limit=limit)

    assert len(found) <= limit
    assert found.isprintable()


class TestSentence:
    @pytest.mark.parametrize("code", SENTENCES)
    def test_is_plain_and_whole(self, code: str) -> None:
        for text in (sentence(code), sentence(code, status=403)):
            assert text[0].isupper()
            assert text.endswith(".")
            assert "!" not in text
            assert "{" not in text
            assert "  " not in text
            assert len(text) <= 300

    def test_names_the_status_if_there_is_one(self) -> None:
        assert sentence("linkedin_fault", status=503).startswith("LinkedIn has a fault of its own (503).")
        assert sentence("linkedin_fault").startswith("LinkedIn has a fault of its own.")

    def test_quotes_linkedin_redacted(self) -> None:
        text = sentence("refused", status=400, said=f"no {TOKEN}")

        assert text.endswith("LinkedIn's words: no […]")

    def test_of_an_unknown_code_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            sentence("no_such_code")

    @pytest.mark.parametrize(
        "code",
        [
            *("no_identifier", "consent_denied", "test_lead", "internal_lead", "spam_lead", "archived_lead"),
            *("sample_lead", "erased", "duplicate", "excluded_by_condition", "not_built"),
            *("consent_unknown", "no_token", "paused_by_person"),
            *("rule_changed", "rule_deleted", "undone", "merged", "cancelled_by_person"),
            *("too_old", "exhausted", "settling"),
        ],
    )
    def test_exists_for_every_reason_of_our_own(self, code: str) -> None:
        assert sentence(code)


@pytest.mark.parametrize(
    ("events", "days", "text"),
    [
        (
            14,
            81,
            "14 events wait and are sent by themselves once that is done; the oldest can wait 81 more days.",
        ),
        (1, 1, "1 event waits and is sent by itself once that is done; it can wait 1 more day."),
        (
            2,
            0,
            "2 events wait and are sent by themselves once that is done; the oldest can wait less than a day.",
        ),
    ],
)
def test_those_who_wait_are_counted(events: int, days: int, text: str) -> None:
    assert wording.waiting(events, days) == text
