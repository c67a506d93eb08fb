"""The walls between companies: reads and writes that miss or leave their scope fail."""

from __future__ import annotations

import pytest
from django.apps import apps
from django_scopes.exceptions import ScopeError

from crm.models import Company, Lead, Tag
from crm.tenancy import TenantModel, WrongTenant, company_scope
from leadmachine.env import REPOSITORY
from tests.factories import LeadFactory


def tenant_models() -> list[type[TenantModel]]:
    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


@pytest.mark.parametrize("model", tenant_models())
def test_no_tenant_model_can_be_read_outside_a_scope(db: None, model: type[TenantModel]) -> None:
    with pytest.raises(ScopeError):
        model.objects.all().count()  # type: ignore[attr-defined]


def test_scopes_are_switched_off_in_one_place() -> None:
    """`scopes_disabled()` opens nothing in PostgreSQL, so that its caller finds no rows there: every_company() does."""
    files = [path for part in ("crm", "capi", "leadmachine") for path in (REPOSITORY / part).rglob("*.py")]
    found = [path for path in files if "scopes_disabled" in path.read_text()]
    assert found == [REPOSITORY / "crm" / "tenancy.py"]


def test_a_scope_shows_one_company_only(company: Company, other_company: Company) -> None:
    LeadFactory(company=company)
    with company_scope(other_company):
        assert not Lead.objects.exists()


def test_a_row_cannot_be_written_outside_any_scope(db: None, other_company: Company) -> None:
    with pytest.raises(WrongTenant):
        Tag(company=other_company, name="VIP 2", name_key="vip 2").save()


def test_a_row_of_another_company_cannot_be_written(company: Company, other_company: Company) -> None:
    with pytest.raises(WrongTenant):
        Tag(company=other_company, name="VIP 2", name_key="vip 2").save()
    with pytest.raises(WrongTenant):
        Tag.objects.bulk_create([Tag(company=other_company, name="VIP 2", name_key="vip 2")])
    tag = Tag.objects.first()
    assert tag is not None
    with company_scope(other_company), pytest.raises(WrongTenant):
        tag.delete()
