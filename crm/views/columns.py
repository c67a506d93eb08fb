"""The columns of a list: which there are, which are shown by itself, and which a URL asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

# Said once for each column that is wanted; without any the list shows what it shows by itself.
PARAMETER: Final = "col"


@dataclass(frozen=True)
class Column:
    """A column that may be chosen; the first of a list is always there and is none of these."""

    key: str
    label: str
    is_usual: bool = True


LEAD_COLUMNS: Final = (
    Column("organization", "Organization"),
    Column("email", "E-mail", is_usual=False),
    Column("status", "Status"),
    Column("source", "Source"),
    Column("type", "Type", is_usual=False),
    Column("tags", "Tags", is_usual=False),
    Column("country", "Country", is_usual=False),
    Column("consent", "Consent", is_usual=False),
    Column("owner", "Owner"),
    Column("ready", "LinkedIn"),
    Column("created", "Created", is_usual=False),
    Column("touch", "Last touch"),
)
DEAL_COLUMNS: Final = (
    Column("stage", "Stage"),
    Column("amount", "Amount"),
    Column("close", "Close"),
    Column("next", "Next step"),
    Column("owner", "Owner"),
    Column("ready", "LinkedIn"),
    Column("created", "Created", is_usual=False),
    Column("moved", "Moved"),
)


def shown_columns(columns: tuple[Column, ...], params: QueryDict) -> frozenset[str]:
    """The keys of what the list shows: those asked for, else the usual ones."""
    asked = set(params.getlist(PARAMETER))
    chosen = frozenset(column.key for column in columns if column.key in asked)
    return chosen or frozenset(column.key for column in columns if column.is_usual)
