"""Turns what an action says about wrong fields into the one line that a command prints."""

from __future__ import annotations

from django.core.exceptions import ValidationError


def in_one_line(error: ValidationError) -> str:
    """`email: Enter a valid address. password: Too short.`"""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items())
