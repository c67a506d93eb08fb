"""What the outside sees of a record is a UUID, and what is kept beside the database names its company."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.test import Client

from crm.access import Principal
from crm.api.throttling import bucket_of
from crm.models import Company, User
from crm.tenancy import TenantModel
from tests.records import records_of
from tests.test_permissions import every_route

OURS = ("crm", "capi")


# Rows that no address and no answer names.
UNNAMED = {"delivery"}


def test_no_model_with_an_address_counts_its_rows() -> None:
    for model in apps.get_models():
        if model._meta.app_label in OURS and model._meta.model_name not in UNNAMED:
            assert not isinstance(model._meta.pk, models.AutoField), model


@pytest.mark.django_db
def test_no_answer_of_the_api_has_a_sequential_id(
    company: Company, owner: User, sandbox: object, api_of: Callable[..., Client]
) -> None:
    records, client, seen = records_of(company), api_of(company), 0
    for route in every_route():
        if not route.is_api or route.name in ("api-schema", "api-docs", "api-unknown"):
            continue
        answer = client.get(route.path(records))
        if answer.status_code != 200:
            continue
        for value in _ids(answer.json()):
            uuid.UUID(value)
            seen += 1
    assert seen > 30


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for part in value:
            yield from _ids(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name in ("id", "rule", "lead", "deal") and part is not None and not isinstance(part, dict):
                yield part
            else:
                yield from _ids(part)


@pytest.mark.django_db
def test_rate_buckets_are_apart_by_company(company: Company, other_company: Company, agent: User) -> None:
    names = {bucket_of(Principal(each, agent, "agent")) for each in (company, other_company)}
    assert len(names) == 2
    assert all(any(str(each.pk) in name for name in names) for each in (company, other_company))


def test_every_tenant_model_has_its_company() -> None:
    for model in apps.get_models():
        if model._meta.app_label in OURS and issubclass(model, TenantModel):
            assert not model._meta.get_field("company").null, model
