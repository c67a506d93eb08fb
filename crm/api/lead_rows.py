"""`leads/bulk/`: many rows in one request, each done or refused by itself.

Chunks commit one after the other (all at once with an Idempotency-Key), each row in a savepoint of its own. What the
rows name is looked up once, and what they tell LinkedIn is recorded once for each chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError

from crm import signals
from crm.api.lead_writing import LeadWriter
from crm.api.schema import ErrorSerializer
from crm.models import Lead

if TYPE_CHECKING:
    from crm.api.base import CompanyViewSet

MOST_ROWS: Final = 1000
MODES: Final = ("upsert", "create", "update")
CHUNK: Final = 100

Changes = dict[str, Any]


@dataclass(frozen=True)
class RowResult:
    """What became of a row: 201 added, 200 changed, else refused, with the errors that it alone would have got."""

    row: int
    status: int
    id: UUID | None = None
    errors: Sequence[dict[str, Any]] = ()


class RowResultSerializer(serializers.Serializer[Any]):
    """What became of the row in this place, counted from 0: 201 added, 200 changed, else refused for `errors`."""

    row = serializers.IntegerField()
    status = serializers.IntegerField(help_text="As the status of a request for this row alone.")
    id = serializers.UUIDField(allow_null=True)
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]  # DRF takes it off the class


class BulkResultSerializer(serializers.Serializer[Any]):
    """How many rows were added, changed and refused, and what became of each, in their order."""

    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    failed = serializers.IntegerField()
    results = RowResultSerializer(many=True)


def summary(results: Sequence[RowResult]) -> dict[str, Any]:
    """The answer."""
    created, updated = (sum(result.status == status for result in results) for status in (201, 200))
    counts = {"created": created, "updated": updated, "failed": len(results) - created - updated}
    return dict(BulkResultSerializer({**counts, "results": results}).data)


def write_rows(
    view: CompanyViewSet,
    reader: serializers.Serializer[Any],
    writer: LeadWriter,
    rows: Sequence[Changes],
    mode: str,
) -> list[RowResult]:
    """Write the rows, as `reader` reads them, in their order. No row undoes another one."""
    results: list[RowResult] = []
    for start in range(0, len(rows), CHUNK):
        chunk = _Chunk(view, writer, mode, start)
        results += chunk.write([chunk.read(reader, row) for row in rows[start : start + CHUNK]])
    return results


class _Chunk:
    """Rows that commit together; `start` is the place of the first."""

    def __init__(self, view: CompanyViewSet, writer: LeadWriter, mode: str, start: int) -> None:
        self._view, self._writer, self._mode, self._start = view, writer, mode, start
        self._known: dict[str, Lead] = {}
        self._named: dict[UUID, Lead] = {}

    def read(self, reader: serializers.Serializer[Any], row: Changes) -> Changes | Exception:
        """What the row says, or why it cannot be read."""
        try:
            changes = dict(reader.run_validation(row))
            self._view.check_own(changes)
        # Whatever it is, it is this row's alone.
        except Exception as error:  # noqa: BLE001
            return error
        return changes

    def write(self, rows: Sequence[Changes | Exception]) -> list[RowResult]:
        is_alone = not connection.in_atomic_block
        try:
            with transaction.atomic(), signals.together():
                self._look_up([row for row in rows if isinstance(row, dict)])
                return [self._row(place, row) for place, row in enumerate(rows, self._start)]
        except DatabaseError as error:
            if not is_alone:  # then nothing at all is written, and the answer says so
                raise
            return [self._refused(place, error) for place in range(self._start, self._start + len(rows))]

    def _look_up(self, rows: Sequence[Changes]) -> None:
        """The leads that the rows name, in two queries."""
        leads = self._writer.principal.leads()
        ids = {row["id"] for row in rows if "id" in row}
        if ids:
            self._named = leads.in_bulk(ids)
        theirs = {row["external_id"] for row in rows if row.get("external_id")}
        if theirs:
            for_them = Q(external_id__in=theirs) | Q(merged_from__external_id__in=theirs)
            found = leads.filter(for_them).prefetch_related("merged_from").distinct()
            for lead in found:
                names = {lead.external_id, *(one.external_id for one in lead.merged_from.all())}
                self._known |= {name: lead for name in names & theirs if name not in self._known}

    def _row(self, place: int, row: Changes | Exception) -> RowResult:
        if isinstance(row, Exception):
            return self._refused(place, row)
        try:
            with transaction.atomic(), signals.undone_alone():
                lead, is_new = self._written(row)
        # Whatever it is, the view's own handler turns it into what a request for this row alone would have got.
        except Exception as error:  # noqa: BLE001
            return self._refused(place, error)
        if lead.external_id:
            self._known[lead.external_id] = lead
        return RowResult(place, 201 if is_new else 200, lead.pk)

    def _written(self, row: Changes) -> tuple[Lead, bool]:
        changes = {name: value for name, value in row.items() if name != "id"}
        if self._mode == "create":
            if "id" in row:
                raise ValidationError({"id": [ErrorDetail("A new lead has no id yet.", "read_only")]})
            return self._writer.create(changes), True
        if "id" in row:
            if row["id"] not in self._named:
                raise NotFound("There is no lead with this id.")
            return self._writer.update(self._named[row["id"]], changes), False
        known = self._known.get(row.get("external_id", ""))
        if self._mode == "upsert":
            return self._writer.upsert(changes, known)
        if known is None:
            raise _nobody(row)
        return self._writer.update_known(known, changes), False

    def _refused(self, place: int, error: Exception) -> RowResult:
        answer = self._view.handle_exception(error)
        return RowResult(place, answer.status_code, errors=answer.data["errors"])


def _nobody(row: Changes) -> ValidationError | NotFound:
    if row.get("external_id"):
        return NotFound("There is no lead with this external id.")
    return ValidationError({"id": [ErrorDetail("Name the lead by its id or external_id.", "required")]})
