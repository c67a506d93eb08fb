"""The secrets of second steps at rest: encrypted under FIELD_KEYS like every other secret, and rotated with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from capi.rotation import CHUNK, Count
from crm import vault

# They belong to a person, who may be in several companies or none.
NO_COMPANY: Final = UUID(int=0)
FIELD: Final = "second-step"
_SECRETS: Final = ("secret", "seed")


class MFAAdapter(DefaultMFAAdapter):
    """Keeps the keys of authenticator apps and the seeds of recovery codes encrypted."""

    def encrypt(self, text: str) -> str:
        return vault.encrypt(text, NO_COMPANY, FIELD)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.decrypt(encrypted_text, NO_COMPANY, FIELD)


def rotate() -> Iterator[Count]:
    """Re-encrypt everything under the newest key; yields after every chunk, which is done then."""
    ids = list(Authenticator.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        count = Count()
        for pk in ids[start : start + CHUNK]:
            count += _rotate_one(pk)
        yield count


@transaction.atomic
def _rotate_one(pk: int) -> Count:
    authenticator = Authenticator.objects.select_for_update().filter(pk=pk).first()
    if authenticator is None:
        return Count()
    count = Count()
    for name in _SECRETS:
        if stored := authenticator.data.get(name):
            renewed, became = _renewed(stored)
            authenticator.data[name] = renewed
            count += became
    if count.rotated:
        authenticator.save(update_fields=["data"])
    return count


def _renewed(stored: str) -> tuple[str, Count]:
    try:
        if vault.is_current(stored):
            return stored, Count(current=1)
        return vault.encrypt(vault.decrypt(stored, NO_COMPANY, FIELD), NO_COMPANY, FIELD), Count(rotated=1)
    except vault.VaultError:
        return stored, Count(unreadable=1)
