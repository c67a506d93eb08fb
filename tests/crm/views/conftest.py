"""What the tests of the pages share: browsers with somebody signed in, and what a page says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Company, Deal, Lead, Stage, User
from tests.factories import DealFactory, LeadFactory, UserFactory


class Browser:
    """A signed-in browser that asks for pages by the name of their route."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, name: str, pk: object = None, query: str = "", **headers: str) -> Any:
        return self.client.get(url(name, pk) + query, headers=_named(headers))

    def post(self, name: str, pk: object = None, /, query: str = "", **fields: object) -> Any:
        return self.client.post(url(name, pk) + query, fields)

    def htmx(self, name: str, pk: object = None, **fields: object) -> Any:
        """A POST by htmx, which gets a part of a page."""
        return self.client.post(url(name, pk), fields, headers={"HX-Request": "true"})

    def seen(self, name: str, pk: object = None, query: str = "") -> str:
        """The text of a page that must be there."""
        answer = self.get(name, pk, query)
        assert answer.status_code == 200, answer
        return str(answer.content.decode())

    def said(self) -> str:
        """What the next page says in its toasts."""
        return self.seen("home")


def url(name: str, pk: object = None) -> str:
    return reverse(name, args=[] if pk is None else [pk])


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def browser_of(client_of: Callable[[User], Client]) -> Callable[[User], Browser]:
    return lambda user: Browser(client_of(user))


@pytest.fixture
def alice(owner: User, browser_of: Callable[[User], Browser]) -> Browser:
    """The owner's browser."""
    return browser_of(owner)


@pytest.fixture
def bob(agent: User, browser_of: Callable[[User], Browser]) -> Browser:
    """The agent's browser: own records only."""
    return browser_of(agent)


@pytest.fixture
def charlie(stranger: User, browser_of: Callable[[User], Browser]) -> Browser:
    """The browser of somebody from another company."""
    return browser_of(stranger)


@pytest.fixture
def lead(company: Company, owner: User) -> Lead:
    """Annika, who belongs to Alice."""
    return LeadFactory(
        company=company, first_name="Annika", last_name="Sorensen", organization="Fjordline", owner=owner
    )


@pytest.fixture
def deal(company: Company, owner: User, lead: Lead) -> Deal:
    """A deal with Annika, in the first stage."""
    return DealFactory(company=company, title="Twelve docks", lead=lead, owner=owner)


@pytest.fixture
def stages(company: Company) -> dict[str, Stage]:
    """The stages of Sales by key."""
    return {stage.key: stage for stage in Stage.objects.filter(pipeline__key="sales")}


@pytest.fixture
def manager(company: Company) -> User:
    return UserFactory(email="mia@acme.test", first_name="Mia", company=company, role="manager")
