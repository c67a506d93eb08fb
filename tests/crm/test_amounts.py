"""Amounts in forms: typed as the reader's language writes them, handed on with a point."""

import pytest
from django.utils import translation

from crm.amounts import AmountField


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("1234,50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("48.000", "48000"),
        ("1.234.567", "1234567"),
        ("-5,5", "-5.5"),
        ("1234.50", "1234.50"),
        ("12", "12"),
        ("", ""),
    ],
)
def test_a_german_amount_is_read_as_germans_write_it(typed: str, wanted: str) -> None:
    with translation.override("de"):
        assert AmountField(required=False).clean(typed) == wanted


@pytest.mark.parametrize("typed", ["1,2,3", "1.23.456,0", "12 EUR", "1,234.50"])
def test_what_is_no_amount_stays_for_the_action_to_refuse(typed: str) -> None:
    with translation.override("de"):
        assert AmountField().clean(typed) == typed


def test_in_english_nothing_is_read_into_it() -> None:
    assert AmountField().clean("1,234.50") == "1,234.50"


@pytest.mark.parametrize(
    ("value", "shown"), [("48000.5", "48000,5"), ("48000", "48000"), (1.234, "1,234"), ("", "")]
)
def test_it_is_shown_so_that_it_comes_back_the_same(value: object, shown: str) -> None:
    field = AmountField(required=False)
    with translation.override("de"):
        assert field.prepare_value(value) == shown
        assert field.clean(shown) == str(value)
