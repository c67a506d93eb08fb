"""Exports of leads, deals and organizations: everything that a filter found, as CSV or XLSX, in flat memory.

The file is written to the disk first and sent then, so that its name can say how many records are in it, and so that
nobody takes half a file for a whole one. It has no name on the disk: it is gone when it was sent, or when we crash.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from crm import audit, customvalues
from crm.access import Ability, Principal
from crm.actor import Actor
from crm.currencies import CURRENCIES
from crm.models import (
    CustomEntity,
    Deal,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadTag,
    LeadWebsite,
    OrganizationQuerySet,
    custom_fields_of,
)
from crm.spreadsheets import XLSX_ROWS, csv_lines, write_xlsx
from crm.texts import as_stored

FORMATS: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_AT_ONCE = 2000

# What hangs on the records of a chunk, by the record's key: a text for each.
Hanging = Mapping[UUID, str]
Look = Callable[[Collection[UUID]], Hanging]


@dataclass(frozen=True)
class Column:
    """A column of an export: a path of fields, or `look`, which reads what hangs on the record at the path.

    `is_shown`: the list on the page has it, too. `shape` takes the values of all `paths`.
    """

    label: str
    path: str
    is_shown: bool = False
    look: Look | None = None
    more: tuple[str, ...] = ()
    shape: Callable[..., object] | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.more)


@dataclass(frozen=True)
class Export:
    """A file that is ready to be sent, at its beginning."""

    file: IO[bytes]
    name: str
    content_type: str
    count: int


def export_leads(
    principal: Principal,
    actor: Actor,
    leads: QuerySet[Lead],
    *,
    kind: str,
    every_column: bool,
    own: Collection[str] = (),
) -> Export:
    """These leads in this order. `kind` is csv or xlsx; without `every_column`, the columns of the list.

    `own` are the keys of the company's own fields that the list shows.
    """
    columns = (*LEAD_COLUMNS, *_own_columns(CustomEntity.LEAD, LEAD_COLUMNS, own))
    return _export("leads", leads, _chosen(columns, every_column), kind, principal, actor)


def export_deals(
    principal: Principal,
    actor: Actor,
    deals: QuerySet[Deal],
    *,
    kind: str,
    every_column: bool,
    own: Collection[str] = (),
) -> Export:
    """These deals in this order, as `export_leads`."""
    columns = (*_as_seen(DEAL_COLUMNS, principal), *_own_columns(CustomEntity.DEAL, DEAL_COLUMNS, own))
    return _export("deals", deals, _chosen(columns, every_column), kind, principal, actor)


def export_organizations(
    principal: Principal,
    actor: Actor,
    firms: OrganizationQuerySet,
    *,
    kind: str,
    every_column: bool,
    own: Collection[str] = (),
) -> Export:
    """These organizations in this order, as `export_leads`."""
    columns = (
        *ORGANIZATION_COLUMNS,
        *_own_columns(CustomEntity.ORGANIZATION, ORGANIZATION_COLUMNS, own),
    )
    return _export("organizations", firms, _chosen(columns, every_column), kind, principal, actor)


def _as_seen(columns: Sequence[Column], principal: Principal) -> list[Column]:
    """Of a lead that is not theirs, an agent is told the name alone, as on the page of the deal."""
    if principal.can(Ability.SEE_ALL):
        return list(columns)
    own = partial(_emails_of_own, principal)
    return [replace(column, look=own) if column.look else column for column in columns]


def most_rows(kind: str) -> int | None:
    """How many records such a file can hold beside its head; None if any number."""
    return XLSX_ROWS - 1 if kind == "xlsx" else None


def _own_columns(entity: str, columns: tuple[Column, ...], shown: Collection[str]) -> list[Column]:
    """A column for each of the company's own fields, called as an import finds it."""
    taken = [column.label for column in columns]
    return [
        Column(
            customvalues.head_of(field.name, taken),
            "custom",
            field.key in shown,
            shape=partial(_own_cell, field.key),
        )
        for field in custom_fields_of(entity)
    ]


def _own_cell(key: str, values: Mapping[str, object]) -> str:
    return customvalues.cell(values.get(key))


def _chosen(columns: tuple[Column, ...], every_column: bool) -> list[Column]:
    return [column for column in columns if every_column or column.is_shown]


def _export(
    noun: str, records: QuerySet[Any], columns: list[Column], kind: str, principal: Principal, actor: Actor
) -> Export:
    folder = Path(settings.DATA_DIR) / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = TemporaryFile(dir=folder)  # noqa: SIM115  whoever sends it closes it
    try:
        with as_stored():  # an import must find it again, whatever the language of who exports
            count = _write(file, _rows(records, columns), kind)
        with transaction.atomic():
            changes: dict[str, tuple[object, object]] = {"count": (None, count), "kind": (None, kind)}
            audit.record(actor, f"{noun}_exported", company=principal.company, changes=changes)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    name = f"{noun}-{timezone.localdate():%Y-%m-%d}-{count}-rows.{kind}"
    return Export(file, name, FORMATS[kind], count)


def _rows(records: QuerySet[Any], columns: list[Column]) -> Iterator[list[object]]:
    """The head, then each record. Values, not instances, which took four times as long."""
    yield [column.label for column in columns]
    paths = list(dict.fromkeys(path for column in columns for path in column.paths))
    values = iter(records.values_list(*paths).iterator(chunk_size=_AT_ONCE))
    while chunk := list(islice(values, _AT_ONCE)):
        cells = [_cells_of(column, chunk, [paths.index(path) for path in column.paths]) for column in columns]
        yield from (list(row) for row in zip(*cells, strict=True))


def _cells_of(column: Column, chunk: Sequence[Sequence[Any]], places: list[int]) -> list[object]:
    first = places[0]
    if column.look:
        hanging = column.look([row[first] for row in chunk if row[first]])
        return [hanging.get(row[first], "") for row in chunk]
    if column.shape:
        return [column.shape(*(row[place] for place in places)) for row in chunk]
    return [_plain(row[first]) for row in chunk]


def _plain(value: object) -> object:
    """As a spreadsheet and an import read it: times in the company's zone, without letters between."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _write(file: IO[bytes], rows: Iterable[list[object]], kind: str) -> int:
    counted = _Counted(rows)
    if kind == "xlsx":
        write_xlsx(file, counted)
    else:
        for line in csv_lines(counted):
            file.write(line.encode())
    return counted.count - 1


class _Counted:
    """Passes rows on and knows how many there were."""

    def __init__(self, rows: Iterable[list[object]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[list[object]]:
        for row in self._rows:
            self.count += 1
            yield row


def _joined(pairs: Iterable[tuple[UUID, str]]) -> Hanging:
    found: dict[UUID, str] = {}
    for pk, text in pairs:
        found[pk] = f"{found[pk]}; {text}" if pk in found else text
    return found


def _emails(leads: Collection[UUID]) -> Hanging:
    rows = LeadEmail.objects.filter(lead__in=leads, is_primary=True).order_by()
    return dict(rows.values_list("lead_id", "address"))


def _emails_of_own(principal: Principal, leads: Collection[UUID]) -> Hanging:
    own = principal.leads().order_by().filter(pk__in=leads)
    return _emails(list(own.values_list("pk", flat=True)))


def _further_emails(leads: Collection[UUID]) -> Hanging:
    rows = LeadEmail.objects.filter(lead__in=leads, is_primary=False).order_by("lead", "position", "id")
    return _joined(rows.values_list("lead_id", "address"))


def _phones(leads: Collection[UUID]) -> Hanging:
    rows = LeadPhone.objects.filter(lead__in=leads).order_by("lead", "position", "id")
    return _joined(rows.values_list("lead_id", "number"))


def _websites(leads: Collection[UUID]) -> Hanging:
    rows = LeadWebsite.objects.filter(lead__in=leads).order_by("lead", "position", "id")
    return _joined(rows.values_list("lead_id", "url"))


def _tags(leads: Collection[UUID]) -> Hanging:
    rows = LeadTag.objects.filter(lead__in=leads).order_by("lead", "tag__name")
    return _joined(rows.values_list("lead_id", "tag__name"))


def _amount(amount: Decimal | None, currency: str) -> str:
    """With the currency's own digits after the point; the column has four."""
    if amount is None:
        return ""
    digits = CURRENCIES.get(currency, 4)
    return format(amount.quantize(Decimal(1).scaleb(-digits)), "f")


def _full_name(first: str | None, last: str | None) -> str:
    return f"{first or ''} {last or ''}".strip()


# The labels are those that an import finds by itself.
LEAD_COLUMNS: Final = (
    Column("Lead ID", "pk"),
    Column("First name", "first_name", True),
    Column("Last name", "last_name", True),
    Column("Title", "title", True),
    Column("Organization", "organization__name", True),
    Column("E-mail", "pk", True, look=_emails),
    Column("Further e-mails", "pk", look=_further_emails),
    Column("Phone", "pk", look=_phones),
    Column("Website", "pk", look=_websites),
    Column("Country", "country_code"),
    Column("Status", "status__name", True),
    Column("Type", "lead_type__name", True),
    Column("Source", "source", True),
    Column("Owner", "owner__email", True),
    Column("Tags", "pk", look=_tags),
    Column("Last touch", "last_touch_at", True),
    Column("Created", "occurred_at"),
    Column("Qualified", "qualified_at"),
    Column("In this status since", "status_since"),
    Column("Consent", "consent"),
    Column("Consent source", "consent_source"),
    Column("Consent given", "consent_at"),
    Column("External ID", "external_id"),
    Column("LinkedIn click id", "li_fat_id"),
    Column("UTM source", "utm_source"),
    Column("UTM medium", "utm_medium"),
    Column("UTM campaign", "utm_campaign"),
    Column("UTM term", "utm_term"),
    Column("UTM content", "utm_content"),
    Column("Referrer", "referrer"),
    Column("Landing page", "landing_page"),
    Column("Test lead", "is_test"),
)
ORGANIZATION_COLUMNS: Final = (
    Column("Organization ID", "pk"),
    Column("Organization", "name", True),
    Column("Domain", "domain", True),
    Column("Created", "created_at"),
)
DEAL_COLUMNS: Final = (
    Column("Deal ID", "pk"),
    Column("Deal", "title", True),
    Column("Organization", "organization__name", True),
    Column("Lead", "lead__first_name", True, more=("lead__last_name",), shape=_full_name),
    Column("Lead e-mail", "lead_id", look=_emails),
    Column("Amount", "amount", True, more=("currency",), shape=_amount),
    Column("Currency", "currency", True),
    Column("Pipeline", "pipeline__name"),
    Column("Stage", "stage__name", True),
    Column("Status", "status", True),
    Column("Owner", "owner__email", True),
    Column("Expected close", "expected_close", True),
    Column("Next step", "next_step", True),
    Column("Next step on", "next_step_on"),
    Column("In this stage since", "stage_since"),
    Column("Created", "occurred_at"),
    Column("Won", "won_at"),
    Column("Lost", "lost_at"),
    Column("Close reason", "close_reason"),
    Column("External ID", "external_id"),
)
