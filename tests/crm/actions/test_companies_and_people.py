"""New companies and their defaults, settings, people and keys."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from crm.actions import companies, people
from crm.actor import SYSTEM
from crm.models import ApiKey, Company, LeadStatus, LeadType, Membership, Pipeline, Tag, User
from crm.tenancy import company_scope
from tests.factories import CompanyFactory


def test_a_new_company_has_its_defaults(company: Company) -> None:
    statuses = LeadStatus.objects.values_list("name", "category")
    assert list(statuses) == [
        ("New", "open"),
        ("Contacted", "open"),
        ("Qualified", "qualified"),
        ("Proposal", "open"),
        ("Won", "won"),
        ("Lost", "lost"),
    ]
    assert LeadType.objects.count() == 7
    assert Tag.objects.count() == 7
    sales = Pipeline.objects.get(key="sales")
    assert list(sales.stages.values_list("name", "probability")) == [
        ("Qualification", 10),
        ("Discovery", 20),
        ("Proposal", 50),
        ("Negotiation", 75),
        ("Closed Won", 100),
        ("Closed Lost", 0),
    ]
    assert list(Pipeline.objects.filter(counts_as_sales=True)) == [sales]
    assert company.default_status == LeadStatus.objects.get(key="new")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"currency": "eur"}, "currency"),
        ({"settle_minutes": 16}, "settle_minutes"),
        ({"settle_minutes": -1}, "settle_minutes"),
        ({"consent_policy": "perhaps"}, "consent_policy"),
        ({"internal_domains": ["not a domain"]}, "internal_domains"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(company: Company, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        companies.update_company(company, changes, SYSTEM)  # type: ignore[arg-type]
    assert list(refused.value.message_dict) == [field]


def test_internal_domains_are_tidied(company: Company) -> None:
    changed = companies.update_company(company, {"internal_domains": ["@Acme.TEST "]}, SYSTEM)
    assert changed.internal_domains == ["acme.test"]


def test_a_person_signs_in_with_one_address_only_whatever_its_case(company: Company) -> None:
    people.create_user("Alice@Acme.test", "a-long-enough-password")
    with pytest.raises(ValidationError) as refused:
        people.create_user("alice@acme.TEST", "a-long-enough-password")
    assert list(refused.value.message_dict) == ["email"]


@pytest.mark.parametrize("password", ["short", "password1234", "alice@acme.test"])
def test_weak_passwords_are_refused(db: None, password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        people.create_user("alice@acme.test", password)
    assert list(refused.value.message_dict) == ["password"]
    assert not User.objects.exists()


def test_the_first_person_owns_the_company(db: None) -> None:
    company = CompanyFactory()
    owner = people.create_owner(company, "alice@acme.test", "a-long-enough-password")
    with company_scope(company):
        assert Membership.objects.get().role == "owner"
    assert owner.is_staff
    assert company.fallback_owner == owner


def test_a_key_is_stored_as_a_digest_and_found_by_it(company: Company) -> None:
    key = people.create_api_key(company, "Zapier", ["read"])
    row = ApiKey.objects.get()
    assert key.secret.startswith("lm_")
    assert key.secret not in (row.digest, row.prefix)
    assert row.digest == people.digest(key.secret)
    assert len(row.prefix) < 12


def test_a_typo_in_a_key_is_seen_without_the_database() -> None:
    secret = people.new_secret()
    assert people.looks_like_key(secret)
    wrong = secret[:10] + ("a" if secret[10] != "a" else "b") + secret[11:]
    assert not people.looks_like_key(wrong)
    assert not people.looks_like_key("lm_")
    assert not people.looks_like_key("Bearer")


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "root"]])
def test_unknown_scopes_are_refused(company: Company, scopes: list[str]) -> None:
    with pytest.raises(ValidationError):
        people.create_api_key(company, "Zapier", scopes)
