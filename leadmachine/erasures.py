"""Erases again whom a restored backup brought back, from the file that is in no backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crm import tombstones
from crm.actions import erase
from crm.models import Company
from crm.tenancy import company_scope


@dataclass(frozen=True)
class Count:
    """How many erasures the file names, and how many people it was that had come back."""

    known: int = 0
    erased: int = 0


def erase_again(file: Path) -> Count:
    """Go through the file, which may be the one in DATA_DIR or another's. Raises ValueError for what is no such file.

    Every line is looked at before anybody is erased. What another file says is added to the one in DATA_DIR.
    """
    records = list(tombstones.read(file))
    _adopt(records, file)
    companies = Company.objects.in_bulk({record.company for record in records})
    by_id = {str(pk): company for pk, company in companies.items()}
    erased = 0
    for record in records:
        company = by_id.get(record.company)
        if company is None:
            continue
        with company_scope(company):
            erased += erase.erase_again(record)
    return Count(len(records), erased)


def _adopt(records: list[tombstones.Record], file: Path) -> None:
    ours = tombstones.path()
    if file.exists() and ours.exists() and file.samefile(ours):
        return
    known = {(record.company, record.lead) for record in tombstones.read(ours)} if ours.exists() else set()
    for record in records:
        if (record.company, record.lead) not in known:
            tombstones.append(record)
