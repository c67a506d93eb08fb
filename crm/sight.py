"""Whose rows the database may show to what runs now; PostgreSQL's row-level security asks for it.

Kept apart from the scopes of the ORM on purpose: where one of the two is forgotten, the other one still stands. It is
one value for each thread, and the database backend (crm.postgresql) tells the connection before the next statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Sight:
    """One company's rows, or every company's; nobody's without either."""

    company: UUID | None = None
    everything: bool = False

    @property
    def settings(self) -> tuple[str, str]:
        """What `leadmachine.company` and `leadmachine.every_company` are to be."""
        return (str(self.company or ""), "on" if self.everything else "")


_sight: ContextVar[Sight] = ContextVar("sight", default=Sight())  # noqa: B039  it is frozen


def current() -> Sight:
    return _sight.get()


@contextmanager
def seeing(sight: Sight) -> Iterator[None]:
    """See this, and nothing else, until the block ends; what was seen before comes back then."""
    before = _sight.set(sight)
    try:
        yield
    finally:
        _sight.reset(before)
