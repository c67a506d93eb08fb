"""Re-encrypts stored secrets under the newest key, a chunk at a time, while everything else goes on.

Each secret is replaced only where it still is what was read: one that was saved meanwhile wins. Whoever is killed
in the middle loses nothing, for each row is readable before and after, and the next run goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import models

from capi.models import Connection, LeadForms
from crm import vault
from crm.models import Webhook
from crm.tenancy import every_company

CHUNK = 200


@dataclass(frozen=True)
class Sealed:
    """A column that holds secrets: its model, and the name that each secret is bound to."""

    model: type[models.Model]
    column: str
    field: str

    def rows(self) -> models.QuerySet[models.Model]:
        """Those with a secret. The scope must be open or disabled."""
        return self.model._default_manager.exclude(**{self.column: ""})


@dataclass(frozen=True)
class Count:
    """What became of some secrets."""

    rotated: int = 0
    current: int = 0
    unreadable: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.rotated + other.rotated, self.current + other.current, self.unreadable + other.unreadable
        )


# Every place where the product keeps a secret; a test looks for columns that are missing here.
SEALED = (
    Sealed(Connection, "token_sealed", Connection.TOKEN_FIELD),
    Sealed(LeadForms, "secret_sealed", LeadForms.SECRET_FIELD),
    Sealed(LeadForms, "token_sealed", LeadForms.TOKEN_FIELD),
    Sealed(Webhook, "secret_sealed", Webhook.SECRET_FIELD),
    Sealed(Webhook, "earlier_sealed", Webhook.SECRET_FIELD),
)


def rotate() -> Iterator[Count]:
    """Re-encrypt everything; yields after every chunk, which is done then."""
    for sealed in SEALED:
        after: UUID | None = None
        while chunk := _chunk(sealed, after):
            yield _rotate_chunk(sealed, chunk)
            after = chunk[-1][0]


def _chunk(sealed: Sealed, after: UUID | None) -> list[tuple[UUID, UUID, str]]:
    with every_company():
        rows = sealed.rows().order_by("pk")
        if after:
            rows = rows.filter(pk__gt=after)
        return list(rows.values_list("pk", "company", sealed.column)[:CHUNK])


def _rotate_chunk(sealed: Sealed, chunk: list[tuple[UUID, UUID, str]]) -> Count:
    count = Count()
    for pk, company, stored in chunk:
        count += _rotate_one(sealed, pk, company, stored)
    return count


def _rotate_one(sealed: Sealed, pk: UUID, company: UUID, stored: str) -> Count:
    try:
        if vault.is_current(stored):
            return Count(current=1)
        renewed = vault.encrypt(vault.decrypt(stored, company, sealed.field), company, sealed.field)
    except vault.VaultError:
        return Count(unreadable=1)
    with every_company():
        unchanged = sealed.rows().filter(pk=pk, **{sealed.column: stored})
        # Nobody but the writer of a newer secret can have changed it, and that is under the first key.
        return Count(rotated=1) if unchanged.update(**{sealed.column: renewed}) else Count(current=1)
