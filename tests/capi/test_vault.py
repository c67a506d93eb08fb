"""Secrets at rest: unreadable without the key, unusable in another row, and renewed while everything goes on."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.apps import apps
from pytest_django import Settings

from capi import rotation
from capi.models import Connection
from crm import vault
from crm.models import Company
from crm.tenancy import company_scope
from leadmachine.env import new_field_key
from tests.factories import CompanyFactory, connect

COMPANY = uuid4()


@pytest.fixture
def keys(settings: Settings) -> list[str]:
    """Two keys, of which the second is in use."""
    settings.FIELD_KEYS = [new_field_key()]
    return [new_field_key(), *settings.FIELD_KEYS]


def test_what_is_encrypted_can_be_read_again() -> None:
    stored = vault.encrypt("secret ✓", COMPANY, "token")
    assert vault.decrypt(stored, COMPANY, "token") == "secret ✓"
    assert "secret" not in stored


def test_the_same_secret_never_looks_the_same() -> None:
    assert vault.encrypt("secret", COMPANY, "token") != vault.encrypt("secret", COMPANY, "token")


def test_a_secret_works_for_its_own_company_and_field_only() -> None:
    stored = vault.encrypt("secret", COMPANY, "token")
    for company, field in ((uuid4(), "token"), (COMPANY, "password")):
        with pytest.raises(vault.VaultError, match="belongs to another row"):
            vault.decrypt(stored, company, field)


def test_a_changed_byte_is_noticed() -> None:
    stored = vault.encrypt("secret", COMPANY, "token")
    place = len(stored) - 5
    changed = stored[:place] + ("A" if stored[place] != "A" else "B") + stored[place + 1 :]
    with pytest.raises(vault.VaultError):
        vault.decrypt(changed, COMPANY, "token")


@pytest.mark.parametrize(
    "stored", ["", "v1", "v1:k:", "v1::abcd", "v2:k:AAAA", "v1:k:not base64", "plain text"]
)
def test_what_is_no_secret_is_refused(stored: str) -> None:
    with pytest.raises(vault.VaultError):
        vault.decrypt(stored, COMPANY, "token")


def test_every_key_decrypts_and_the_first_encrypts(keys: list[str], settings: Settings) -> None:
    old = vault.encrypt("secret", COMPANY, "token")
    settings.FIELD_KEYS = keys
    assert vault.decrypt(old, COMPANY, "token") == "secret"
    assert not vault.is_current(old)
    assert vault.key_id(vault.encrypt("secret", COMPANY, "token")) == keys[0].partition(":")[0]


def test_a_missing_key_is_named_and_nothing_else(keys: list[str], settings: Settings) -> None:
    old = vault.encrypt("secret", COMPANY, "token")
    settings.FIELD_KEYS = keys[:1]
    with pytest.raises(vault.VaultError) as error:
        vault.decrypt(old, COMPANY, "token")
    assert keys[1].partition(":")[0] in str(error.value)
    assert keys[1].partition(":")[2] not in str(error.value)
    assert "secret" not in str(error.value).replace("Enter the secret", "").replace("enter the secret", "")


@pytest.mark.parametrize(
    "ring",
    [[], [""], ["k1"], ["k1:"], ["k1:AAAA"], [":" + "A" * 43 + "="], [new_field_key().replace(":", "")]],
)
def test_an_unusable_ring_is_refused(ring: list[str]) -> None:
    with pytest.raises(vault.VaultError):
        vault.check_ring(ring)


def test_two_keys_of_one_name_are_refused() -> None:
    first, second = new_field_key(), new_field_key()
    name = first.partition(":")[0]
    with pytest.raises(vault.VaultError):
        vault.check_ring([first, f"{name}:{second.partition(':')[2]}"])


# --- rotation


@pytest.fixture
def companies(
    db: None, keys: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> list[Company]:
    """Five companies with tokens under the old key, taken two at a time."""
    monkeypatch.setattr(rotation, "CHUNK", 2)
    made = [CompanyFactory(name=f"C{number}") for number in range(5)]
    for company in made:
        with company_scope(company):
            connect(company, token=f"token-of-{company.name}")
    settings.FIELD_KEYS = keys
    return made


def _total(counts: Iterator[rotation.Count]) -> rotation.Count:
    total = rotation.Count()
    for count in counts:
        total += count
    return total


def _tokens(companies: list[Company]) -> list[str]:
    tokens = []
    for company in companies:
        with company_scope(company):
            tokens.append(Connection.objects.get().token())
    return tokens


EXPECTED = [f"token-of-C{number}" for number in range(5)]


def test_afterwards_the_old_key_is_not_needed(
    companies: list[Company], keys: list[str], settings: Settings
) -> None:
    assert _total(rotation.rotate()) == rotation.Count(rotated=5)
    settings.FIELD_KEYS = keys[:1]
    assert _tokens(companies) == EXPECTED


def test_killed_in_the_middle_it_loses_nothing_and_goes_on(
    companies: list[Company], keys: list[str], settings: Settings
) -> None:
    run = rotation.rotate()
    assert next(run) == rotation.Count(rotated=2)
    run.close()  # type: ignore[attr-defined]  # a generator that is dropped is a process that was killed
    assert _tokens(companies) == EXPECTED
    assert _total(rotation.rotate()) == rotation.Count(rotated=3, current=2)
    settings.FIELD_KEYS = keys[:1]
    assert _tokens(companies) == EXPECTED


def test_a_token_saved_meanwhile_wins(companies: list[Company], monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt = vault.encrypt

    def encrypt_while_somebody_saves(secret: str, company: object, field: str) -> str:
        monkeypatch.setattr(vault, "encrypt", encrypt)
        with company_scope(companies[0]):
            connect(companies[0], token="saved-meanwhile")
        return encrypt(secret, company, field)  # type: ignore[arg-type]

    monkeypatch.setattr(vault, "encrypt", encrypt_while_somebody_saves)
    assert _total(rotation.rotate()) == rotation.Count(rotated=4, current=1)
    assert _tokens(companies) == ["saved-meanwhile", *EXPECTED[1:]]


def test_what_cannot_be_read_is_counted_and_left(
    companies: list[Company], keys: list[str], settings: Settings
) -> None:
    settings.FIELD_KEYS = keys[:1]
    assert _total(rotation.rotate()) == rotation.Count(unreadable=5)
    settings.FIELD_KEYS = keys
    assert _tokens(companies) == EXPECTED


def test_rotation_knows_every_column_that_holds_secrets() -> None:
    sealed = {
        (model.__name__, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.name.endswith("_sealed")
    }
    assert sealed == {(entry.model.__name__, entry.column) for entry in rotation.SEALED}
