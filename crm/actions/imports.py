"""The door for imports: take a file in, set it up, check, start, stop, undo. The work itself is `crm.import_work`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, customvalues, importing, uploads, workbooks
from crm.access import Principal
from crm.actions.owners import check_owner
from crm.actor import Actor
from crm.customvalues import PREFIX
from crm.errors import Conflict
from crm.importing import FIELDS, Dialect, Table, Unreadable
from crm.models import (
    Company,
    CustomEntity,
    Import,
    ImportRow,
    ImportState,
    LeadStatus,
    OnMatch,
    User,
    custom_fields_of,
)
from crm.models.imports import WORKING
from crm.texts import inside_a_sentence

KEPT_FOR = timedelta(days=30)
_IDENTITY = frozenset(("first_name", "last_name", "full_name", "email", "organization", "external_id"))
# Tried in this order where the sample at the beginning said nothing of a letter further down.
_FALLBACKS = ("cp1252", "latin-1")


@dataclass(frozen=True)
class Options:
    """How the file is to be read, and what to do with its rows. `mapping` has a field for each column, or ""."""

    mapping: Sequence[str]
    on_match: str = OnMatch.FILL
    source: str = ""
    status: LeadStatus | None = None
    owner: User | None = None
    month_first: bool = False
    lenient: bool = False
    is_reported: bool = False


def own_fields() -> dict[str, customvalues.Field]:
    """The company's own fields of leads, by their names in a mapping."""
    return {f"{PREFIX}{field.key}": field.values for field in custom_fields_of(CustomEntity.LEAD)}


def upload(principal: Principal, actor: Actor, name: str, content: IO[bytes]) -> Import:
    """Keep a file and read it once. Raises Unreadable, with a sentence, for what cannot be imported at all."""
    batch = Import(
        company=principal.company,
        file_name=uploads.shown_name(name),
        created_by=actor.user,
        actor_label=actor.label,
        own_only=not principal.may_assign(None),
        source="",
    )
    part = batch.path.with_suffix(".part")
    try:
        _keep(part, content)
        if workbooks.is_workbook(part):
            batch.is_workbook = True
            workbooks.as_text(part, batch.path)
            table = importing.inspect(batch.path, Dialect("utf-8", ","))
        else:
            part.rename(batch.path)
            table = _inspect_text(batch.path)
        _describe(batch, table, importing.preset_of(table.headers))
        batch.save()
    except BaseException:
        batch.path.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)
    return batch


def _keep(path: Path, content: IO[bytes]) -> None:
    try:
        uploads.keep(path, content, settings.MAX_IMPORT_BYTES)
    except uploads.TooLarge as error:
        raise Unreadable(
            _("The file is larger than {n} MiB. Cut it into parts.").format(
                n=settings.MAX_IMPORT_BYTES // 2**20
            )
        ) from error


def _inspect_text(path: Path) -> Table:
    dialect = importing.detect(path)
    try:
        return importing.inspect(path, dialect)
    except importing.WrongEncoding:
        for encoding in _FALLBACKS:
            try:
                return importing.inspect(path, Dialect(encoding, dialect.delimiter))
            except importing.WrongEncoding:
                continue
        raise


def _describe(batch: Import, table: Table, preset: str) -> None:
    batch.encoding, batch.delimiter = table.dialect.encoding, table.dialect.delimiter
    batch.has_header, batch.total = table.has_header, table.rows
    batch.headers = list(table.headers)
    batch.preset = preset
    batch.mapping = [match.field for match in importing.matches(table, preset, own_fields())]
    batch.source = importing.PRESETS[preset].source


def samples_of(batch: Import) -> tuple[tuple[str, ...], ...]:
    """The first values of each column, read from the file: they are nowhere else. Empty where it is gone."""
    if not batch.has_file:
        return tuple(() for _ in batch.headers)
    dialect = Dialect(batch.encoding, batch.delimiter)
    return importing.samples(batch.path, dialect, batch.has_header, len(batch.headers))


def read_again(batch: Import, *, encoding: str, delimiter: str, has_header: bool, preset: str) -> Import:
    """Read the file in another way. Raises Unreadable, and leaves the import as it was."""
    _require(batch, ImportState.MAPPING, ImportState.CHECKED)
    if preset not in importing.PRESETS:
        raise ValidationError({"preset": _("Choose one of the programs.")})
    dialect = Dialect(batch.encoding, batch.delimiter)
    if not batch.is_workbook:
        if encoding not in importing.ENCODINGS or delimiter not in importing.DELIMITERS:
            raise ValidationError({"encoding": _("Choose an encoding and a delimiter.")})
        dialect = Dialect(encoding, delimiter)
    _require_file(batch)
    return _read_anew(batch, importing.inspect(batch.path, dialect, has_header), preset)


@transaction.atomic
def _read_anew(batch: Import, table: Table, preset: str) -> Import:
    batch = _locked(batch)
    # A large file takes its time to be read: the import may have been started meanwhile, in another window.
    _require(batch, ImportState.MAPPING, ImportState.CHECKED)
    _describe(batch, table, preset)
    batch.state = ImportState.MAPPING
    batch.save()
    return batch


@transaction.atomic
def check(batch: Import, options: Options) -> Import:
    """Save the settings and begin to check every row; nothing is written but what was found."""
    batch = _locked(batch)
    _require(batch, ImportState.MAPPING, ImportState.CHECKED)
    _require_file(batch)
    _set(batch, options)
    ImportRow.objects.filter(batch=batch).delete()
    _begin(batch, ImportState.CHECKING)
    batch.save()
    return batch


@transaction.atomic
def start(batch: Import, actor: Actor, *, is_reported: bool) -> Import:
    """Begin to write. Only what has been checked can be started."""
    batch = _locked(batch)
    _require(batch, ImportState.CHECKED)
    _require_file(batch)
    batch.plan = counts_of(batch)
    batch.is_reported = is_reported
    ImportRow.objects.filter(batch=batch).delete()
    _begin(batch, ImportState.RUNNING)
    batch.save()
    changes: dict[str, tuple[object, object]] = {
        "count": (None, batch.total),
        "is_reported": (None, batch.is_reported),
    }
    audit.record(actor, "import_started", batch, company=batch.company, changes=changes)
    return batch


@transaction.atomic
def stop(batch: Import) -> Import:
    """End the work after the chunk at hand. What is done stays, and can be undone."""
    batch = _locked(batch)
    if batch.state == ImportState.CHECKING:
        batch.state = ImportState.MAPPING
    elif batch.state == ImportState.RUNNING:
        batch.state = ImportState.STOPPED
    else:
        raise Conflict(_("This import is not running."), code="not_running")
    batch.lease = batch.lease_until = None
    batch.finished_at = timezone.now()
    batch.save()
    return batch


@transaction.atomic
def undo(batch: Import, actor: Actor, now: datetime | None = None) -> Import:
    """Begin to take it back: what it added and nobody touched since goes, what it wrote over is restored."""
    batch = _locked(batch)
    _require(batch, ImportState.DONE, ImportState.STOPPED, ImportState.FAILED)
    if not may_undo(batch, now or timezone.now()):
        raise Conflict(_("The time in which this import could be undone is over."), code="too_late")
    batch.plan = {**batch.plan, "undo": batch.created + batch.updated}
    batch.state, batch.position, batch.kept, batch.error = ImportState.UNDOING, 0, 0, ""
    batch.started_at, batch.finished_at = timezone.now(), None
    batch.save()
    audit.record(actor, "import_undone", batch, company=batch.company)
    return batch


def may_undo(batch: Import, now: datetime) -> bool:
    """Whether there is anything to undo, and it is known what."""
    is_over = batch.state in (ImportState.DONE, ImportState.STOPPED, ImportState.FAILED)
    return is_over and bool(batch.created + batch.updated) and batch.created_at > now - KEPT_FOR


def again(batch: Import, principal: Principal, actor: Actor, name: str, content: IO[bytes]) -> Import:
    """Another file with the settings of this one, as far as its columns are called the same."""
    fresh = upload(principal, actor, name, content)
    there = {"", *FIELDS, *own_fields()}  # a field of the company's own may be gone
    known = {
        header: name for header, name in zip(batch.headers, batch.mapping, strict=False) if name in there
    }
    fresh.mapping = [
        known.get(header, field) for header, field in zip(fresh.headers, fresh.mapping, strict=True)
    ]
    for setting in ("on_match", "source", "status", "owner", "month_first", "lenient", "preset"):
        setattr(fresh, setting, getattr(batch, setting))
    fresh.save()
    return fresh


def counts_of(batch: Import) -> dict[str, int]:
    """The counts as they are now, by name."""
    names = ("created", "updated", "skipped", "failed", "filled", "reportable")
    return {name: getattr(batch, name) for name in names}


def forget_files(company: Company, now: datetime, *, dry_run: bool = False) -> int:
    """Delete the files of imports that are over for 30 days, and what was kept for undoing them."""
    past = Import.objects.filter(created_at__lte=now - KEPT_FOR).exclude(state__in=WORKING)
    kept = [batch for batch in past if batch.has_file or batch.rows.exists()]
    if not dry_run:
        for batch in kept:
            batch.path.unlink(missing_ok=True)
            ImportRow.objects.filter(batch=batch).delete()
            Import.objects.filter(pk=batch.pk).update(file_name="Deleted file")
    return len(kept)


def _set(batch: Import, options: Options) -> None:
    labels = {name: one.label for name, one in FIELDS.items()} | importing.own_labels(own_fields())
    mapping = [field if field in labels else "" for field in options.mapping][: len(batch.headers)]
    mapping += [""] * (len(batch.headers) - len(mapping))
    chosen = [
        field
        for field in mapping
        if field and field not in ("other_email", "note", "tags", "phone", "mobile")
    ]
    twice = next((field for field in chosen if chosen.count(field) > 1), None)
    if twice:
        raise ValidationError(
            {"mapping": _("Two columns go to {labels}. Choose one of them.").format(labels=labels[twice])}
        )
    if not _IDENTITY & set(mapping):
        raise ValidationError({"mapping": _("Say which column holds the name or the e-mail address.")})
    if options.on_match not in OnMatch.values:
        raise ValidationError({"on_match": _("Choose skip, fill or overwrite.")})
    check_owner(options.owner)
    batch.mapping, batch.on_match = mapping, options.on_match
    batch.source, batch.status, batch.owner = options.source.strip(), options.status, options.owner
    batch.month_first, batch.lenient = options.month_first, options.lenient
    batch.is_reported = options.is_reported
    checked = {"source", "on_match"}
    batch.clean_fields(exclude=[one.name for one in Import._meta.concrete_fields if one.name not in checked])


def _begin(batch: Import, state: ImportState) -> None:
    batch.state, batch.position, batch.error = state, 0, ""
    batch.lease = batch.lease_until = None
    for count in ("created", "updated", "skipped", "failed", "filled", "reportable", "kept"):
        setattr(batch, count, 0)
    batch.started_at, batch.finished_at = timezone.now(), None


def _locked(batch: Import) -> Import:
    return Import.objects.select_for_update(of=("self",)).select_related("company").get(pk=batch.pk)


def _require(batch: Import, *states: ImportState) -> None:
    if batch.state not in states:
        raise Conflict(
            _("This import is {state}.").format(state=inside_a_sentence(batch.get_state_display())),
            code="wrong_state",
        )


def _require_file(batch: Import) -> None:
    if not batch.has_file:
        raise Conflict(_("The file is no longer there. Upload it again."), code="no_file")
