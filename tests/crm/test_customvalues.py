"""Values of custom fields: what is taken, what is stored, and what a reader sees."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crm import customvalues
from crm.customvalues import Field

PLANS = ("Basic", "Pro", "Übergröße")


def field(kind: str) -> Field:
    return Field("plan", "Plan", kind, PLANS if kind.startswith("choice") else ())


@pytest.mark.parametrize(
    ("kind", "raw", "stored", "words"),
    [
        ("text", "  two   words ", "two words", "two words"),
        ("long_text", " a\n\nb ", "a\n\nb", "a\n\nb"),
        ("number", "1234.50", 1234.5, "1234.5"),
        ("number", "-3", -3, "-3"),
        ("number", 7, 7, "7"),
        ("number", "0.000000000000001", 1e-15, "1e-15"),
        ("date", "2026-02-28", "2026-02-28", "2026-02-28"),
        ("date", dt.date(2026, 2, 28), "2026-02-28", "2026-02-28"),
        ("yes_no", True, True, "Yes"),
        ("yes_no", "No", False, "No"),
        ("yes_no", "0", False, "No"),
        ("choice", "pro", "Pro", "Pro"),
        ("choice", "ÜBERGRÖSSE", "Übergröße", "Übergröße"),
        ("choices", ["Pro", "Basic", "Pro"], ["Basic", "Pro"], "Basic, Pro"),
        ("choices", "pro; basic", ["Basic", "Pro"], "Basic, Pro"),
        ("url", "example.com/a", "https://example.com/a", "https://example.com/a"),
        ("url", "http://example.com", "http://example.com", "http://example.com"),
    ],
)
def test_a_value_is_stored_in_one_form(kind: str, raw: Any, stored: Any, words: str) -> None:
    found = customvalues.cleaned(field(kind), raw)
    assert (found, type(found)) == (stored, type(stored))
    assert customvalues.shown(field(kind), found) == words


@pytest.mark.parametrize("kind", customvalues.KINDS)
@pytest.mark.parametrize("raw", [None, "", "  ", []])
def test_nothing_is_no_value(kind: str, raw: Any) -> None:
    assert customvalues.cleaned(field(kind), raw) is None


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("text", 5),
        ("text", "x" * 301),
        ("text", "a\x00b"),
        ("text", "\ud800"),
        ("long_text", "x" * 5001),
        ("number", "1,5"),
        ("number", "1e9"),
        ("number", "٣"),
        ("number", "nan"),
        ("number", float("inf")),
        ("number", 10**15),
        ("number", "1234567890.1234567"),
        ("number", True),
        ("number", [1]),
        ("date", "28.2.2026"),
        ("date", "2026-02-30"),
        ("date", "20260228"),
        ("date", 5),
        ("yes_no", "maybe"),
        ("yes_no", 2),
        ("yes_no", {}),
        ("choice", "Gold"),
        ("choice", 1),
        ("choices", ["Pro", "Gold"]),
        ("choices", ["Pro", 1]),
        ("choices", 5),
        ("choices", {"Pro": 1}),
        ("url", "javascript:alert(1)"),
        ("url", "data:text/html,x"),
        ("url", "ftp://example.com"),
        ("url", "https://nodots"),
        ("url", "https://["),
        ("url", "https://a.b/\x00"),
        ("url", 7),
    ],
)
def test_what_is_none_is_refused_with_a_sentence(kind: str, raw: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        customvalues.cleaned(field(kind), raw)
    assert refusal.value.messages[0].endswith(".")


def test_only_what_is_named_changes_and_nothing_takes_away() -> None:
    fields = [Field("a", "A", "text"), Field("b", "B", "number"), Field("c", "C", "yes_no")]
    after = customvalues.changed(fields, {"a": "x", "b": 1}, {"b": "", "c": "no"})
    assert after == {"a": "x", "c": False}


def test_every_wrong_value_is_named() -> None:
    fields = [Field("a", "A", "number"), Field("b", "B", "date")]
    with pytest.raises(ValidationError) as refusal:
        customvalues.changed(fields, {}, {"a": "x", "b": "y", "z": 1})
    assert set(refusal.value.message_dict) == {"custom.a", "custom.b", "custom.z"}


def test_a_value_whose_option_is_gone_may_stay() -> None:
    after = customvalues.changed([field("choices")], {"plan": ["Gold"]}, {"plan": ["Gold", "Pro"]})
    assert after == {"plan": ["Pro", "Gold"]}
    with pytest.raises(ValidationError):
        customvalues.changed([field("choices")], {"plan": ["Pro"]}, {"plan": ["Gold"]})
