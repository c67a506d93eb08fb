"""The page of the API keys: a key is shown once, works as long as it was said, and is made by people alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import ApiKey, AuditEntry, Company, User
from tests.crm.views.conftest import Browser

pytestmark = pytest.mark.django_db
SHOP = {"name": "Web shop", "scopes": ["read", "write"], "expires_on": ""}
SECRET = re.compile(r"lm_[0-9A-Za-z]{36}")


def secret_in(answer: object) -> str:
    found = SECRET.search(answer.content.decode())  # type: ignore[attr-defined]
    assert found
    return found[0]


def status_with(secret: str) -> int:
    return Client().get("/api/v1/leads/", headers={"Authorization": f"Bearer {secret}"}).status_code


def test_a_key_is_made_told_once_and_works(alice: Browser) -> None:
    made = alice.post("settings_keys", **SHOP)
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    secret = secret_in(made)
    assert status_with(secret) == 200
    page = alice.seen("settings_keys")
    assert "Web shop" in page
    assert not SECRET.search(page)
    key = ApiKey.objects.get()
    assert (key.scopes, key.expires_at) == (["read", "write"], None)
    assert str(key.last_used_on) in page
    assert AuditEntry.objects.filter(action="key_made").exists()


def test_a_key_ends_with_its_last_day_by_the_company_s_clock(alice: Browser, company: Company) -> None:
    company.time_zone = "Asia/Tokyo"
    company.save()
    day = timezone.now().date() + timedelta(days=3)
    alice.post("settings_keys", **SHOP | {"expires_on": day.isoformat()})
    assert ApiKey.objects.get().expires_at == timezone.datetime.fromisoformat(f"{day}T15:00:00+00:00")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": " "}, "required"),
        ({"scopes": []}, "Choose at least one."),
        ({"scopes": ["root"]}, "root"),
        ({"expires_on": "2020-01-01"}, "This day is over."),
        ({"expires_on": "soon"}, "date"),
    ],
)
def test_what_is_wrong_is_said_and_no_key_is_made(
    alice: Browser, wrong: dict[str, object], sentence: str
) -> None:
    answer = alice.post("settings_keys", **SHOP | wrong)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_rotated_the_key_before_works_as_long_as_was_said(alice: Browser) -> None:
    before = secret_in(alice.post("settings_keys", **SHOP))
    key = ApiKey.objects.get()
    now = secret_in(alice.post("settings_key_rotate", key.pk, grace="24"))
    assert now != before
    assert (status_with(now), status_with(before)) == (200, 200)
    ApiKey.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    assert (status_with(now), status_with(before)) == (200, 401)


def test_rotated_at_once_the_key_before_ends(alice: Browser) -> None:
    before = secret_in(alice.post("settings_keys", **SHOP))
    now = secret_in(alice.post("settings_key_rotate", ApiKey.objects.get().pk, grace="0"))
    assert (status_with(now), status_with(before)) == (200, 401)
    assert AuditEntry.objects.filter(action="key_rotated").exists()


def test_rotated_twice_the_first_ends(alice: Browser) -> None:
    secrets = [secret_in(alice.post("settings_keys", **SHOP))]
    secrets += [
        secret_in(alice.post("settings_key_rotate", ApiKey.objects.get().pk, grace="24"))
        for _turn in range(2)
    ]
    assert [status_with(secret) for secret in secrets] == [401, 200, 200]


def test_revoked_both_end(alice: Browser) -> None:
    before = secret_in(alice.post("settings_keys", **SHOP))
    key = ApiKey.objects.get()
    now = secret_in(alice.post("settings_key_rotate", key.pk, grace="24"))
    assert alice.post("settings_key_revoke", key.pk).status_code == 302
    assert (status_with(now), status_with(before)) == (401, 401)
    refused = alice.post("settings_key_rotate", key.pk, grace="0")
    assert not SECRET.search(refused.content.decode())


def test_it_takes_an_admin(bob: Browser, company: Company, agent: User) -> None:
    assert bob.get("settings_keys").status_code == 403
    assert bob.post("settings_keys", **SHOP).status_code == 403
    assert not ApiKey.objects.exists()


def test_no_key_can_make_keys(alice: Browser) -> None:
    secret = secret_in(alice.post("settings_keys", **SHOP | {"scopes": ["read", "write", "admin"]}))
    caller = Client(headers={"Authorization": f"Bearer {secret}"})
    for path in ("/settings/keys/", f"/settings/keys/{ApiKey.objects.get().pk}/rotate/", "/api/v1/keys/"):
        assert caller.post(path, SHOP).status_code in (302, 404)
    assert ApiKey.objects.count() == 1
