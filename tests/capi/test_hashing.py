"""The digests LinkedIn compares: known values, and what must not change them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capi import hashing

KNOWN = json.loads((Path(__file__).parent / "vectors" / "hashing.json").read_text())


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("address", "digest"), KNOWN["email"].values(), ids=KNOWN["email"])
def test_an_address_has_the_known_digest(address: str, digest: str) -> None:
    assert hashing.email(address) == digest


@pytest.mark.parametrize(("text", "digest"), KNOWN["name"].values(), ids=KNOWN["name"])
def test_a_name_has_the_known_digest(text: str, digest: str) -> None:
    assert hashing.name(text) == digest


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com\n",
        "\tann@example.com",
        "ann@\u00a0example.com",  # no-break space
        "\u2009ann@example.com",  # thin space
        "ann\u200b@example.com",  # zero-width space, as pasted from a web page
        "\ufeffann@example.com",  # byte order mark, as read from a file
        "\u202aann@example.com\u202c",  # direction marks, as pasted from a mail client
        "ann@example.com\x00",
        "ann@example.com\ud800",  # half of a surrogate pair cannot be encoded at all
    ],
)
def test_what_cannot_be_seen_does_not_change_the_digest(address: str) -> None:
    assert hashing.email(address) == sha256("ann@example.com")


def test_two_ways_to_write_an_accent_are_one_address() -> None:
    composed, decomposed = "josé@example.com", unicodedata.normalize("NFD", "JOSÉ@example.com")

    assert hashing.email(decomposed) == hashing.email(composed) == sha256("josé@example.com")


def test_a_plus_tag_is_kept() -> None:
    assert hashing.email("ann+crm@gmail.com") == sha256("ann+crm@gmail.com")


@pytest.mark.parametrize("nothing", ["", "   ", "\u200b", "\n\t"])
def test_nothing_is_never_hashed(nothing: str) -> None:
    assert hashing.email(nothing) == ""
    assert hashing.name(nothing) == ""


def test_63_hex_digits_are_not_a_digest() -> None:
    assert hashing.email("a" * 63) == sha256("a" * 63)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("O'Brien", "obrien"),
        ("O\u2019Brien", "obrien"),
        ("Anna-Maria", "annamaria"),
        ("van der Berg", "vanderberg"),
        ("Sammy Davis, Jr.", "sammydavisjr"),
        ("李小龍", "李小龍"),
        ("Müller", "müller"),
    ],
)
def test_spaces_and_punctuation_leave_a_name(written: str, meant: str) -> None:
    assert hashing.name(written) == sha256(meant)


def test_a_name_without_letters_is_no_name() -> None:
    assert hashing.name(" - . ' ") == ""


@given(st.text())
def test_any_text_gives_a_digest_or_nothing(text: str) -> None:
    for digest in (hashing.email(text), hashing.name(text)):
        assert digest == "" or (len(digest) == 64 and set(digest) <= set("0123456789abcdef"))


@given(st.emails())
def test_the_digest_is_stable(address: str) -> None:
    digest = hashing.email(address)

    assert hashing.email(f" {address.upper().lower()}\n") == digest
    assert hashing.email(digest) == digest
