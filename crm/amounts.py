"""Amounts and numbers in forms as the reader writes them; what is behind a form knows digits and a point alone."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.formats import get_format

from crm.texts import is_english


class AmountField(forms.CharField):
    """`1234.50`; in German `1234,50` or `1.234,50`. What is no amount stays as typed, for the action to refuse."""

    def to_python(self, value: Any) -> str:
        return plain(str(super().to_python(value)))

    def prepare_value(self, value: Any) -> Any:
        """As the reader writes it, without separators of thousands."""
        text = str(value)
        if not re.fullmatch(r"-?\d+\.\d+", text):
            return value
        return text.replace(".", get_format("DECIMAL_SEPARATOR"))


def plain(text: str) -> str:
    """The digits of an amount with a point, whatever signs the reader's language has for both."""
    if is_english():
        return text
    thousands, point = (get_format(kind) for kind in ("THOUSAND_SEPARATOR", "DECIMAL_SEPARATOR"))
    written = rf"(-?\d+|-?\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+)(?:{re.escape(point)}(\d+))?"
    found = re.fullmatch(written, text)
    if not found:
        return text
    whole = found[1].replace(thousands, "")
    return f"{whole}.{found[2]}" if found[2] else whole
