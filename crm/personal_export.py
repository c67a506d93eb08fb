"""Everything there is about one person, by the data map: what somebody who asks for their data is given."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from crm import audit, datamap
from crm.actor import Actor
from crm.models import Attachment, Lead

MAKER = "LeadMachine"
JSONEncoder = DjangoJSONEncoder


@transaction.atomic
def export_lead(lead: Lead, actor: Actor, now: datetime | None = None) -> dict[str, Any]:
    """Every table that holds the person, row by row, without credentials; itself written down in the audit log."""
    audit.record(actor, "lead_exported", lead, company=lead.company)
    return {
        "made_by": MAKER,
        "made_at": now or timezone.now(),
        "lead": lead.pk,
        "tables": {
            table.label: {"purpose": table.purpose, "rows": found}
            for table in datamap.tables()
            if (found := _rows(table, lead))
        },
    }


def files_of(lead: Lead) -> list[Attachment]:
    """The files beside the person and beside deals that are theirs, as far as they are on the disk."""
    theirs = Q(lead=lead) | Q(lead__merged_into=lead) | Q(deal__lead=lead)
    return [each for each in Attachment.objects.filter(theirs).order_by("pk") if each.path.is_file()]


def as_archive(found: dict[str, Any], files: Sequence[Attachment]) -> IO[bytes]:
    """What `export_lead` found and the files, as a ZIP file, at its beginning. Whoever takes it closes it."""
    target = tempfile.TemporaryFile()  # noqa: SIM115  closed by the taker
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lead.json", json.dumps(found, cls=JSONEncoder, indent=1))
        for number, file in enumerate(files, start=1):
            archive.write(file.path, f"files/{number}-{file.name}")
    target.seek(0)
    return target


def _rows(table: datamap.Table, lead: Lead) -> list[dict[str, Any]]:
    if table.rows is None:
        return []
    shown = [name for name, whose in table.fields().items() if whose != "secret"]
    rows = table.model._default_manager.filter(table.rows(lead)).order_by("pk").distinct()
    return [_row(row, shown) for row in rows]


def _row(row: models.Model, shown: list[str]) -> dict[str, Any]:
    return {name: getattr(row, row._meta.get_field(name).attname) for name in shown}  # type: ignore[union-attr]
