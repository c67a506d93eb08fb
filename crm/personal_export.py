"""Everything there is about one person, by the data map: what somebody who asks for their data is given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils import timezone

from crm import audit, datamap
from crm.actor import Actor
from crm.models import Lead

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


def _rows(table: datamap.Table, lead: Lead) -> list[dict[str, Any]]:
    if table.rows is None:
        return []
    shown = [name for name, whose in table.fields().items() if whose != "secret"]
    rows = table.model._default_manager.filter(table.rows(lead)).order_by("pk").distinct()
    return [_row(row, shown) for row in rows]


def _row(row: models.Model, shown: list[str]) -> dict[str, Any]:
    return {name: getattr(row, row._meta.get_field(name).attname) for name in shown}  # type: ignore[union-attr]
