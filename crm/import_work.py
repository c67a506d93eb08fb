"""Does the work of imports, chunk by chunk. The row of the import is the queue; tasks only say that there is work.

A worker takes an import by a lease, as delivery takes events. Each chunk is one transaction that writes its rows and
moves the import on, and that ends only while the lease is still held: killed in the middle, stopped or overtaken,
a chunk is there as a whole or not at all, and no row twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DataError, transaction
from django.db.models import F
from django.utils import timezone
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from crm import importing
from crm.actions import import_leads
from crm.actions.import_leads import Run, Writer
from crm.actions.imports import own_fields
from crm.actor import Actor
from crm.errors import Conflict
from crm.importing import Choices, Dialect, Reader, Row, Unreadable
from crm.models import (
    Company,
    Consent,
    Import,
    ImportOutcome,
    ImportRow,
    ImportState,
    LeadStatus,
    LeadType,
    Membership,
)
from crm.tenancy import company_scope, every_company
from crm.texts import as_stored

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
CHUNK: Final = 500
UNDO_CHUNK: Final = 1000
MOST_NOTED: Final = 2000
"""How many failing rows a check keeps to show; it counts all of them."""
# LinkedIn takes events for 90 days; what is nearly as old is gone before it is sent.
REPORTABLE_FOR: Final = timedelta(days=89)


# What a row or a fault of ours would bring about again in each turn. That the database does not answer, two that wait
# for each other, and a turn whose time is over are none of these: the next turn goes on.
_FAULTS: Final = (
    DataError,
    ValidationError,
    Conflict,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Lost(Exception):
    """Somebody else has the import now, or it was stopped. What the chunk wrote is undone with this."""


def work(company: Company, pk: UUID, seconds: float | None = None) -> bool:
    """Work on an import for so long, or to its end; returns whether there is more to do. Others at it: False.

    A fault of ours, or a file that is gone, ends the import as failed: what it has written stays, and can be undone.
    """
    with company_scope(company), as_stored():
        now, lease = timezone.now(), uuid4()
        taken = Import.objects.waiting(now).filter(pk=pk).update(lease=lease, lease_until=now + LEASE)
        if not taken:
            return False
        batch = Import.objects.select_related("company", "created_by").get(pk=pk)
        until = time.monotonic() + seconds if seconds is not None else None
        try:
            return _STEPS[ImportState(batch.state)](batch, until)
        except Lost:
            return False
        except (Unreadable, FileNotFoundError) as error:
            sentence = str(error) if isinstance(error, Unreadable) else "The file is no longer there."
            _fail(batch, sentence)
        except _FAULTS as error:
            row = Import.objects.values_list("position", flat=True).get(pk=pk)
            # Without the error's words: they may hold what is in the file.
            logger.error("Import %s ended below row %s by %s.", pk, row, type(error).__name__)  # noqa: TRY400
            _fail(batch, f"A fault of ours, somewhere below row {row}. The server's log has it.")
        return False


def work_on_all(seconds: float | None = None) -> bool:
    """A turn for every import that waits; whether there is more."""
    more = False
    for company, pk in waiting():
        more = work(company, pk, seconds) or more
    return more


def waiting() -> list[tuple[Company, UUID]]:
    """The imports of all companies that nobody works on."""
    with every_company():
        found = Import.objects.waiting(timezone.now()).select_related("company").order_by("started_at")
        return [(batch.company, batch.pk) for batch in found]


# --- Steps --------------------------------------------------------------------------------------------------


def _check(batch: Import, until: float | None) -> bool:
    """Read every row and count what would become of it."""
    run = _run_of(batch)
    seen: dict[str, int] = {}
    noted = ImportRow.objects.filter(batch=batch).count()
    for turn, chunk in enumerate(_chunks(batch, run, seen)):
        if turn and _is_over(until):
            return _let_go(batch)
        decisions = import_leads.decide(run, chunk.people, seen)
        failing = [each for each in decisions if each.outcome == ImportOutcome.FAILED][: MOST_NOTED - noted]
        noted += len(failing)
        writer = Writer(run)
        with transaction.atomic():
            for decision in failing:
                import_leads.note(run, writer, decision)
            writer.flush()
            _move_on(batch, chunk.position, decisions)
    return _finish(batch, ImportState.CHECKED)


def _write(batch: Import, until: float | None) -> bool:
    """Write every row."""
    run = _run_of(batch)
    seen: dict[str, int] = {}
    for turn, chunk in enumerate(_chunks(batch, run, seen)):
        if turn and _is_over(until):
            return _let_go(batch)
        with transaction.atomic():
            decisions = import_leads.decide(run, chunk.people, seen, to_write=True)
            import_leads.write(run, decisions)
            _move_on(batch, chunk.position, decisions)
    return _finish(batch, ImportState.DONE)


def _undo(batch: Import, until: float | None) -> bool:
    """Take back row after row, the last first, so that a lead that two rows changed ends as it was."""
    run = _run_of(batch)
    while True:
        with transaction.atomic():
            rows = ImportRow.objects.filter(
                batch=batch, outcome__in=(ImportOutcome.CREATED, ImportOutcome.UPDATED), is_undone=False
            )
            chosen = list(rows.order_by("-number")[:UNDO_CHUNK])
            kept = import_leads.take_back(run, chosen)
            ImportRow.objects.filter(pk__in=[row.pk for row in chosen]).update(is_undone=True)
            _hold(batch, position=F("position") + len(chosen), kept=F("kept") + kept)
        if len(chosen) < UNDO_CHUNK:
            return _finish(batch, ImportState.UNDONE)
        if _is_over(until):
            return _let_go(batch)


_STEPS: Final[dict[str, Callable[[Import, float | None], bool]]] = {
    ImportState.CHECKING: _check,
    ImportState.RUNNING: _write,
    ImportState.UNDOING: _undo,
}


# --- Chunks -------------------------------------------------------------------------------------------------


class _Chunk:
    """Some people of the file, and the last row of it that was read for them."""

    def __init__(self, rows: list[Row], reader: Reader) -> None:
        self.position = rows[-1].number
        self.people = [reader.read(row) for row in rows]


def _chunks(batch: Import, run: Run, seen: dict[str, int]) -> Iterator[_Chunk]:
    reader = Reader(batch.mapping, _choices(batch, run), run.now, lenient=batch.lenient)
    rows = importing.rows_of(batch.path, Dialect(batch.encoding, batch.delimiter))
    if batch.has_header:
        next(rows, None)
    position = batch.position
    done = [] if position == 0 else _skip(rows, position)
    if position:
        _remember(batch, reader, done, seen)
    while chosen := list(islice(rows, CHUNK)):
        yield _Chunk(chosen, reader)


def _skip(rows: Iterator[Row], position: int) -> list[Row]:
    """Past the rows that are done. They are read again only for who is in them."""
    done: list[Row] = []
    while True:
        row = next(rows, None)
        if row is None:
            return done
        done.append(row)
        if row.number >= position:
            return done


def _remember(batch: Import, reader: Reader, done: list[Row], seen: dict[str, int]) -> None:
    """Who was in the rows that are done, so that the file still knows its doubles after a kill."""
    left_out = set(
        ImportRow.objects.filter(
            batch=batch, outcome__in=(ImportOutcome.FAILED, ImportOutcome.SKIPPED)
        ).values_list("number", flat=True)
    )
    for row in done:
        if row.number not in left_out:
            person = reader.read(row)
            if not person.faults:
                seen.update((mark, row.number) for mark in import_leads.marks_of(person))


def _choices(batch: Import, run: Run) -> Choices:
    """The company's words. A name goes before the key of another: names are what people see, and keys never change."""
    users = [member.user for member in Membership.objects.active().select_related("user")]
    named = Counter(str(user).lower() for user in users)
    # Of two who are called the same, the file does not say which; by their address it does.
    people = {str(user).lower(): user.pk for user in users if named[str(user).lower()] == 1}
    statuses, types = run.statuses.values(), list(LeadType.objects.all())
    return Choices(
        statuses={one.key: one.pk for one in statuses} | {one.name.lower(): one.pk for one in statuses},
        types={one.key: one.pk for one in types} | {one.name.lower(): one.pk for one in types},
        members=people | {user.email.lower(): user.pk for user in users},
        own=run.own,
        zone=ZoneInfo(run.company.time_zone),
        month_first=batch.month_first,
    )


def _run_of(batch: Import) -> Run:
    statuses = {status.pk: status for status in LeadStatus.objects.order_by("position")}
    chosen = statuses.get(batch.status_id or batch.company.default_status_id)  # type: ignore[arg-type]
    first = chosen or next(iter(statuses.values()), None)
    if first is None:
        raise Unreadable("This company has no lead status. Add one in Settings.")
    users = {member.user.pk: member.user for member in Membership.objects.select_related("user")}
    actor = Actor("import", user=batch.created_by, label=batch.actor_label)
    return Run(batch, batch.company, actor, timezone.now(), statuses, users, first, own_fields())


# --- The lease ----------------------------------------------------------------------------------------------


def _move_on(batch: Import, position: int, decisions: list[import_leads.Decision]) -> None:
    def count(outcome: ImportOutcome) -> int:
        return sum(decision.outcome == outcome for decision in decisions)

    _hold(
        batch,
        position=position,
        created=F("created") + count(ImportOutcome.CREATED),
        updated=F("updated") + count(ImportOutcome.UPDATED),
        skipped=F("skipped") + count(ImportOutcome.SKIPPED),
        failed=F("failed") + count(ImportOutcome.FAILED),
        filled=F("filled") + sum(d.written for d in decisions if d.outcome == ImportOutcome.UPDATED),
        reportable=F("reportable") + sum(_is_reportable(decision) for decision in decisions),
    )


def _is_reportable(decision: import_leads.Decision) -> bool:
    person = decision.person
    is_known = person.emails or person.texts.get("li_fat_id") or person.texts.get("lead_gen_response")
    is_recent = person.created is None or person.created > timezone.now() - REPORTABLE_FOR
    return bool(
        decision.outcome == ImportOutcome.CREATED
        and is_known
        and is_recent
        and person.consent != Consent.DENIED
    )


def _hold(batch: Import, **changes: object) -> None:
    """Save how far it is, as long as it is still ours; raises Lost, which undoes the chunk, if it is not."""
    mine = Import.objects.filter(pk=batch.pk, state=batch.state, lease=batch.lease)
    if not mine.update(lease_until=timezone.now() + LEASE, **changes):
        raise Lost


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


def _let_go(batch: Import) -> bool:
    Import.objects.filter(pk=batch.pk, lease=batch.lease).update(lease=None, lease_until=None)
    return True


def _finish(batch: Import, state: ImportState) -> bool:
    mine = Import.objects.filter(pk=batch.pk, state=batch.state, lease=batch.lease)
    mine.update(state=state, lease=None, lease_until=None, finished_at=timezone.now())
    return False


def _fail(batch: Import, sentence: str) -> None:
    Import.objects.filter(pk=batch.pk, lease=batch.lease).update(
        state=ImportState.FAILED,
        error=sentence[:300],
        lease=None,
        lease_until=None,
        finished_at=timezone.now(),
    )


# --- Nudging ------------------------------------------------------------------------------------------------


def nudge_on_commit(batch: Import) -> None:
    """Tell the workers once this is committed. A hint only: the sweep finds the import anyway."""
    if settings.NUDGE:
        transaction.on_commit(lambda: _nudge(batch.company_id, batch.pk), robust=True)


def _nudge(company: UUID, pk: UUID) -> None:
    # In a thread, so that no request waits for the broker, whatever state it is in.
    threading.Thread(target=_publish, args=(company, pk), name="import-nudge", daemon=True).start()


def _publish(company: UUID, pk: UUID) -> None:
    from crm.tasks import work_on_import

    try:
        work_on_import.apply_async(args=(str(company), str(pk)), retry=False)
    except (KombuError, RedisError, OSError) as error:
        logger.warning("The broker is away (%s); the sweep will import.", type(error).__name__)
