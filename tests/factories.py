"""Makes records the way the product does: through its actions, so that history, timeline and events are real."""

from __future__ import annotations

from typing import Any

import factory

from capi import operations
from capi.models import Rule
from capi.sandbox.world import SANDBOX_TOKEN
from crm.actions import companies, deals, leads, people
from crm.actor import Actor
from crm.models import Company, Deal, Lead, User

PASSWORD = "a-long-enough-password"
SHELL = Actor(channel="shell", label="Tests")


class CompanyFactory(factory.Factory[Company]):
    """A company with its defaults."""

    class Meta:
        model = Company

    name = factory.Sequence(lambda n: f"Company {n}")

    @classmethod
    def _create(cls, model_class: type[Company], *args: Any, **fields: Any) -> Company:
        return companies.create_company(fields.pop("name"), **fields)


class UserFactory(factory.Factory[User]):
    """A person who can sign in with PASSWORD; a member of `company` with `role` if one is given."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"user{n}@leadmachine.test")
    first_name = "Alice"
    last_name = factory.Sequence(lambda n: f"Berg{n}")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        company, role = fields.pop("company", None), fields.pop("role", "agent")
        user = people.create_user(fields.pop("email"), PASSWORD, **fields)
        if company is not None:
            people.add_member(company, user, role)
        return user


class LeadFactory(factory.Factory[Lead]):
    """A lead with an e-mail, added in the scope of `company`."""

    class Meta:
        model = Lead

    first_name = "John"
    last_name = factory.Sequence(lambda n: f"Doe{n}")
    email = factory.Sequence(lambda n: f"john{n}@customer.test")

    @classmethod
    def _create(cls, model_class: type[Lead], *args: Any, **fields: Any) -> Lead:
        options = {
            name: fields.pop(name) for name in ("occurred_at", "reported", "is_sample") if name in fields
        }
        actor = fields.pop("actor", SHELL)
        return leads.create_lead(fields.pop("company"), fields, actor, **options)  # type: ignore[arg-type]


class DealFactory(factory.Factory[Deal]):
    """A deal over 1,000 euros, added in the scope of `company`."""

    class Meta:
        model = Deal

    title = factory.Sequence(lambda n: f"Deal {n}")
    amount = "1000.00"
    currency = "EUR"

    @classmethod
    def _create(cls, model_class: type[Deal], *args: Any, **fields: Any) -> Deal:
        options = {name: fields.pop(name) for name in ("at", "reported", "is_sample") if name in fields}
        actor = fields.pop("actor", SHELL)
        return deals.create_deal(fields.pop("company"), fields, actor, **options)  # type: ignore[arg-type]


class RuleFactory(factory.Factory[Rule]):
    """A rule for a conversion that the sandbox knows, added in the scope of `company`."""

    class Meta:
        model = Rule

    event = "lead_created"
    conversion_id = "23948811"

    @classmethod
    def _create(cls, model_class: type[Rule], *args: Any, **fields: Any) -> Rule:
        return operations.create_rule(fields.pop("company"), fields, SHELL)  # type: ignore[arg-type]


def connect(company: Company, token: str = SANDBOX_TOKEN, kind: str = "direct") -> None:
    """Give a company a token, the sandbox's own unless said otherwise."""
    operations.save_token(company, token, SHELL, kind=kind)
