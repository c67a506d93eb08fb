"""Knows an erased person again: keyed hashes of what they were known by, and the file that outlives a restore.

The key is ERASURE_KEY and no other: it is never rotated, because a hash cannot be made anew from what is forgotten,
and it stays out of database and backups, so that nobody who finds one can try addresses against the hashes.

DATA_DIR/erasures has a line for every erasure and is in no backup. A restored backup is older than it, and holds
people who were erased since: `manage.py restore` reads the file and erases them again.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from crm.models import Consent, Lead, Tombstone

FILE = "erasures"


@dataclass(frozen=True)
class Record:
    """A line of the file: whose record, when, and the tombstones. Times are aware and in ISO 8601.

    `key` says which ERASURE_KEY made the tombstones, without saying anything of it; "" in lines of early versions.
    """

    company: str
    lead: str
    at: str
    tombstones: tuple[str, ...]
    key: str = ""


def digests_of(lead: Lead) -> set[str]:
    """A tombstone for each address, external id, click id and form response of a lead."""
    emails = [("email", email.address) for email in lead.emails.all()]
    others = [
        ("external_id", lead.external_id),
        ("li_fat_id", lead.li_fat_id),
        ("lead_gen_response", lead.lead_gen_response),
    ]
    return {digest(lead.company_id, kind, value) for kind, value in [*emails, *others] if value}


def digest(company: UUID, kind: str, value: str) -> str:
    """HMAC-SHA-256, bound to the company; an address is the same in any case, form or spacing."""
    if kind == "email":
        value = unicodedata.normalize("NFC", "".join(value.split())).lower()
    text = f"{company}|{kind}|{value}"
    return hmac.new(settings.ERASURE_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_erased(company: UUID, *, emails: Iterable[str] = (), external_id: str = "") -> bool:
    """Whether somebody with one of these was erased; an import leaves such a row out."""
    wanted = {digest(company, "email", address) for address in emails if address}
    if external_id:
        wanted.add(digest(company, "external_id", external_id))
    return bool(wanted) and Tombstone.objects.filter(digest__in=wanted).exists()


def erased_among(company: UUID, emails: Iterable[str]) -> set[str]:
    """Those of many addresses, as written there, that an erased person had; an import leaves them out. One query.

    A thousand or so at a time: the database takes only so many values in one.
    """
    marks = {address: digest(company, "email", address) for address in emails if address}
    found = Tombstone.objects.filter(digest__in=marks.values()).values_list("digest", flat=True)
    erased = set(found) if marks else set()
    return {address for address, mark in marks.items() if mark in erased}


def known(digests: Collection[str]) -> set[str]:
    """Those of the marks that somebody who was erased has left. One query for all."""
    if not digests:
        return set()
    return set(Tombstone.objects.filter(digest__in=digests).values_list("digest", flat=True))


def erased_without_new_consent(leads: Collection[Lead]) -> set[UUID]:
    """The leads known by what an erased person was known by, and who have not agreed since. One query for all."""
    marks = {lead.pk: digests_of(lead) for lead in leads}
    wanted = {mark for found in marks.values() for mark in found}
    if not wanted:
        return set()
    erased: dict[str, datetime] = {}
    rows = Tombstone.objects.filter(digest__in=wanted).values_list("digest", "erasure__requested_at")
    for mark, at in rows:
        erased[mark] = max(at, erased.get(mark, at))
    if not erased:
        return set()
    return {
        lead.pk
        for lead in leads
        if any(mark in erased and not _agreed_since(lead, erased[mark]) for mark in marks[lead.pk])
    }


def _agreed_since(lead: Lead, at: datetime) -> bool:
    return lead.consent == Consent.GRANTED and lead.consent_at is not None and lead.consent_at > at


def key_name() -> str:
    """A name for ERASURE_KEY, by which another one is noticed; too short to tell anything of it."""
    return hmac.new(settings.ERASURE_KEY.encode(), b"name of the key", hashlib.sha256).hexdigest()[:8]


# --- the file


def path() -> Path:
    return Path(settings.DATA_DIR) / FILE


def append(record: Record) -> None:
    """Add a line, which is on the disk when this returns."""
    file = path()
    is_new = not file.exists()
    line = json.dumps(asdict(record)) + "\n"
    with os.fdopen(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.write(line)
        opened.flush()
        os.fsync(opened.fileno())
    if is_new:
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(file: Path) -> Iterator[Record]:
    """The lines of a file. Raises ValueError, naming the line, for what is no line of ours."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found = json.loads(line)
            datetime.fromisoformat(found["at"])
            yield Record(
                str(UUID(found["company"])),
                str(UUID(found["lead"])),
                found["at"],
                tuple(found["tombstones"]),
                str(found.get("key", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Line {number} of {file} is not an erasure.") from error
