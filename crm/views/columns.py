"""The columns of a list: which there are, which are shown by itself, and which a URL asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.http import QueryDict
from django.utils.translation import gettext as _

from crm.customfilters import CustomFilters
from crm.customvalues import NUMBER, PREFIX, Field
from crm.models import CustomField
from crm.texts import gettext_lazy, pgettext_lazy
from crm.views.page import link_with

# Said once for each column that is wanted; without any the list shows what it shows by itself.
PARAMETER: Final = "col"


@dataclass(frozen=True)
class Column:
    """A column that may be chosen; the first of a list is always there and is none of these."""

    key: str
    label: str
    is_usual: bool = True
    own: Field | None = None
    """The company's own field that the column shows."""

    @property
    def is_number(self) -> bool:
        return self.own is not None and self.own.kind == NUMBER


LEAD_COLUMNS: Final = (
    Column("organization", gettext_lazy("Organization")),
    Column("email", gettext_lazy("E-mail"), is_usual=False),
    Column("status", gettext_lazy("Status")),
    Column("source", gettext_lazy("Source")),
    Column("type", gettext_lazy("Type"), is_usual=False),
    Column("tags", gettext_lazy("Tags"), is_usual=False),
    Column("country", gettext_lazy("Country"), is_usual=False),
    Column("consent", gettext_lazy("Consent"), is_usual=False),
    Column("owner", gettext_lazy("Owner")),
    Column("ready", "LinkedIn"),
    Column("created", gettext_lazy("Created"), is_usual=False),
    Column("touch", gettext_lazy("Last touch")),
)
DEAL_COLUMNS: Final = (
    Column("stage", gettext_lazy("Stage")),
    Column("amount", gettext_lazy("Amount")),
    Column("close", pgettext_lazy("of a deal", "Close")),
    Column("next", gettext_lazy("Next step")),
    Column("owner", gettext_lazy("Owner")),
    Column("ready", "LinkedIn"),
    Column("created", gettext_lazy("Created"), is_usual=False),
    Column("moved", gettext_lazy("Moved")),
)
ORGANIZATION_COLUMNS: Final = (
    Column("people", gettext_lazy("People")),
    Column("deals", gettext_lazy("Open deals")),
    Column("created", gettext_lazy("Added"), is_usual=False),
)


def shown_columns(columns: tuple[Column, ...], params: QueryDict) -> frozenset[str]:
    """The keys of what the list shows: those asked for, else the usual ones."""
    asked = set(params.getlist(PARAMETER))
    chosen = frozenset(column.key for column in columns if column.key in asked)
    return chosen or frozenset(column.key for column in columns if column.is_usual)


def with_own(columns: tuple[Column, ...], fields: Iterable[CustomField]) -> tuple[Column, ...]:
    """The columns and, after them, one for each of the company's own fields."""
    own = (Column(f"{PREFIX}{field.key}", field.name, is_usual=False, own=field.values) for field in fields)
    return (*columns, *own)


def own_columns(columns: Iterable[Column], shown: frozenset[str]) -> list[Column]:
    """Those of the company's own fields that are shown, in their order."""
    return [column for column in columns if column.own and column.key in shown]


@dataclass(frozen=True)
class LeftOut:
    """What an address asks for in vain, and the address without that."""

    text: str
    url: str


def left_out(params: QueryDict, columns: Iterable[Column], custom: CustomFilters) -> LeftOut | None:
    """What a list says of filters and columns that it leaves out, such as those of a field that was deleted."""
    known = {column.key for column in columns}
    gone = [key for key in params.getlist(PARAMETER) if key.startswith(PREFIX) and key not in known]
    sentences = [each.sentence for each in custom.wrong]
    if gone:
        sentences.append(_("A column is of a custom field that is no longer there."))
    if not sentences:
        return None
    kept = params.copy()
    kept.setlist(PARAMETER, [key for key in params.getlist(PARAMETER) if key not in gone])
    return LeftOut(
        " ".join(dict.fromkeys(sentences)), link_with(kept, **{each.name: None for each in custom.wrong})
    )
