"""The door for files: add one to a record, delete it, and find what nobody owns any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import uploads
from crm.access import Ability, Principal
from crm.actions import timeline
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import Attachment, Company, Deal, Lead, Organization
from crm.models.activity import ActivityKind
from crm.models.attachment import folder_of

# A file is on the disk before its row is certain, so a young one without a row may be about to get it.
_SETTLED_AFTER: Final = timedelta(days=1)

Record = Lead | Deal | Organization


def add_file(record: Record, name: str, content: IO[bytes], actor: Actor) -> Attachment:
    """Keep a file beside a record. Raises ValidationError where it is empty, too large, or one too many."""
    _check_count(record)
    attachment = Attachment(
        company_id=record.company_id,
        name=uploads.shown_name(name),
        added_by=actor.user,
        actor_label=actor.label,
        **{_column(record): record},
    )
    try:
        attachment.size = uploads.keep(attachment.path, content, settings.MAX_FILE_BYTES)
    except uploads.TooLarge as error:
        raise ValidationError(
            {
                "file": _("The file is larger than {n} MB. Make it smaller.").format(
                    n=settings.MAX_FILE_BYTES // 2**20
                )
            }
        ) from error
    try:
        _add(attachment, record, actor)
    except BaseException:
        attachment.path.unlink(missing_ok=True)
        raise
    return attachment


@transaction.atomic
def _add(attachment: Attachment, record: Record, actor: Actor) -> None:
    # One at a time for each record, so that the count holds; and the record may have gone meanwhile.
    if not type(record)._default_manager.select_for_update(of=("self",)).filter(pk=record.pk).exists():
        raise Conflict(_("{record} is gone.").format(record=record), code="gone")
    _check_count(record)
    if not attachment.size:
        raise ValidationError({"file": _("The file is empty.")})
    attachment.clean_fields(exclude=["company", "lead", "deal", "organization", "added_by"])
    attachment.save()
    _tell(record, "added", attachment.name, actor)


def _check_count(record: Record) -> None:
    if Attachment.objects.filter(**{_column(record): record}).count() >= settings.MAX_FILES_PER_RECORD:
        raise ValidationError(
            {
                "file": _("There are {max_files_per_record} files here already. Delete one first.").format(
                    max_files_per_record=settings.MAX_FILES_PER_RECORD
                )
            }
        )


@transaction.atomic
def delete_file(attachment: Attachment, actor: Actor) -> None:
    """Delete a file for good. That it was there stays on the timeline."""
    record = attachment.record
    attachment.delete()
    _tell(record, "deleted", attachment.name, actor)


def may_delete_file(principal: Principal, attachment: Attachment) -> bool:
    """One's own, or any with the right to delete records."""
    is_own = principal.user is not None and attachment.added_by_id == principal.user.pk
    return is_own or principal.can(Ability.DELETE)


def sweep(company: Company, now: datetime | None = None, *, dry_run: bool = False) -> int:
    """Delete what has no row: left by a process that was killed between disk and database. Returns how many.

    Only of companies that are there: a folder of one that is not may belong to a database that is being restored.
    """
    settled = (now or timezone.now()) - _SETTLED_AFTER
    folder = folder_of(company.pk)
    if not folder.is_dir():
        return 0
    old = {path.name: path for path in folder.iterdir() if _is_older(path, settled)}
    known = set(Attachment.objects.filter(pk__in=filter(None, map(_id, old))).values_list("pk", flat=True))
    orphans = [path for name, path in old.items() if _id(name) not in known]
    if not dry_run:
        for path in orphans:
            path.unlink(missing_ok=True)
    return len(orphans)


def _is_older(path: Path, than: datetime) -> bool:
    try:
        return path.lstat().st_mtime < than.timestamp()
    except FileNotFoundError:  # deleted meanwhile, as it should be
        return False


def _id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _column(record: Record) -> str:
    return record._meta.model_name or ""


def _tell(record: Record, field: str, name: str, actor: Actor) -> None:
    """An organization has no lines of its own: its list says who added what."""
    if not isinstance(record, Organization):
        timeline.record(record, ActivityKind.FILE, actor, timezone.now(), field=field, new=name)
