"""The currencies a deal can have."""

from __future__ import annotations

import pytest

from crm.currencies import CURRENCIES


@pytest.mark.parametrize(
    ("code", "digits"), [("JPY", 0), ("ISK", 0), ("XPF", 0), ("EUR", 2), ("CHF", 2), ("XCD", 2), ("KWD", 3)]
)
def test_a_currency_has_its_minor_digits(code: str, digits: int) -> None:
    assert CURRENCIES[code] == digits


def test_only_the_currencies_of_four_unions_begin_with_x() -> None:
    assert {code for code in CURRENCIES if code.startswith("X")} == {"XAF", "XCD", "XOF", "XPF"}


@pytest.mark.parametrize(
    "code", ["ZZZ", "usd", "XXX", "XTS", "XAU", "CLF", "USN", "DEM", "HRK", "BGN", "SLL", "ZWL"]
)
def test_funds_metals_and_withdrawn_currencies_are_none(code: str) -> None:
    assert code not in CURRENCIES
