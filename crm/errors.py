"""What an action says when it refuses. Bad values are Django's ValidationError, with a sentence for each field."""

from __future__ import annotations


class Conflict(Exception):
    """The request contradicts the state of the record, e.g. losing a deal that is won. The text is shown as it is."""

    def __init__(self, message: str, code: str = "conflict") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
