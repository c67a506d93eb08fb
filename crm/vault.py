"""Secrets at rest: AES-256-GCM, bound to the company and the field they belong to, under a ring of keys.

A stored secret reads `v1:<key id>:<base64url of nonce and ciphertext>`. Company and field are associated data,
so a ciphertext moved to another row does not decrypt there. The ring is FIELD_KEYS, newest first: the first key
encrypts, every key decrypts, and `rotatekeys` brings old rows under the first.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE_BYTES = 12


class VaultError(Exception):
    """A secret cannot be read, or the key ring is unusable. The message never holds key or secret."""


def encrypt(secret: str, company: UUID, field: str) -> str:
    """Encrypt under the newest key, for this company and field only."""
    ring = _ring(tuple(settings.FIELD_KEYS))
    key_id = next(iter(ring))
    nonce = os.urandom(_NONCE_BYTES)
    sealed = ring[key_id].encrypt(nonce, secret.encode(), _binding(company, field, key_id))
    return f"v1:{key_id}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(stored: str, company: UUID, field: str) -> str:
    """The secret. Raises VaultError: unknown key, changed bytes, or a row it was not made for."""
    key_id, sealed = _parts(stored)
    key = _ring(tuple(settings.FIELD_KEYS)).get(key_id)
    if key is None:
        raise VaultError(f"The key {key_id} is not in FIELD_KEYS. Put it back, or enter the secret again.")
    try:
        return key.decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _binding(company, field, key_id)
        ).decode()
    except InvalidTag:
        raise VaultError("The stored secret was changed or belongs to another row. Enter it again.") from None


def is_current(stored: str) -> bool:
    """Whether the secret is under the newest key already."""
    return _parts(stored)[0] == next(iter(_ring(tuple(settings.FIELD_KEYS))))


def key_id(stored: str) -> str:
    """The name of the key a secret is under. Raises VaultError for what is no stored secret."""
    return _parts(stored)[0]


def check_ring(entries: list[str]) -> None:
    """Raise VaultError, saying what is wrong, unless every entry is `kid:key` with 32 bytes of base64url."""
    _ring(tuple(entries))


def _parts(stored: str) -> tuple[str, bytes]:
    version, _, rest = stored.partition(":")
    key_id, _, body = rest.partition(":")
    try:
        sealed = base64.urlsafe_b64decode(body.encode())
    except (binascii.Error, ValueError):
        sealed = b""
    if version != "v1" or not key_id or len(sealed) <= _NONCE_BYTES:
        raise VaultError("This is not a stored secret.")
    return key_id, sealed


def _binding(company: UUID, field: str, key_id: str) -> bytes:
    return f"{company}|{field}|{key_id}".encode()


@lru_cache(maxsize=8)
def _ring(entries: tuple[str, ...]) -> dict[str, AESGCM]:
    ring: dict[str, AESGCM] = {}
    for entry in entries:
        key_id, _, encoded = entry.strip().partition(":")
        try:
            key = base64.urlsafe_b64decode(encoded.encode())
        except (binascii.Error, ValueError):
            key = b""
        if not key_id or len(key) != 32 or key_id in ring:
            raise VaultError(
                "Each entry of FIELD_KEYS must be a name of its own, a colon and 32 bytes in base64url."
            )
        ring[key_id] = AESGCM(key)
    if not ring:
        raise VaultError("FIELD_KEYS is empty.")
    return ring
