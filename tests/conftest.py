"""What every test may ask for: a company with its people, a second one that must stay unseen, and LinkedIn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client

from capi import delivery
from capi.models import Connection, Rule
from capi.sandbox.running import RunningSandbox, running_sandbox
from crm.actions import people
from crm.audit_walls import lower_audit_walls
from crm.models import Company, User
from crm.tenancy import company_scope
from tests.factories import CompanyFactory, RuleFactory, UserFactory, connect


@pytest.fixture(autouse=True)
def quick_passwords(settings: object) -> None:
    """Argon2 is slow on purpose; how passwords are hashed is not what most tests are about."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def own_uploads(settings: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests leave the files of this checkout alone."""
    settings.MEDIA_ROOT = tmp_path_factory.getbasetemp() / "uploads"  # type: ignore[attr-defined]


@pytest.fixture(autouse=True, scope="session")
def flushes_empty_the_audit_log() -> Iterator[None]:
    """Tests with transactions of their own end with a flush, which the log refuses; flushing puts it up again."""
    execute = BaseDatabaseOperations.execute_sql_flush

    def lowered(operations: BaseDatabaseOperations, statements: Iterable[str]) -> None:
        lower_audit_walls(operations.connection)
        execute(operations, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", lowered)
        yield


@pytest.fixture
def company(db: None) -> Iterator[Company]:
    """Acme, whose scope is open for the whole test."""
    company = CompanyFactory(name="Acme")
    with company_scope(company):
        yield company


@pytest.fixture
def other_company(db: None) -> Company:
    """A company that must see nothing of Acme's, and the other way round. Its scope is not open."""
    return CompanyFactory(name="Umbrella-CANARY")


@pytest.fixture
def owner(company: Company) -> User:
    """Alice owns Acme."""
    owner = UserFactory(email="alice@acme.test", company=company, role="owner")
    company.fallback_owner = owner
    company.save()
    return owner


@pytest.fixture
def agent(company: Company) -> User:
    """Bob sells for Acme, and sees his own records only."""
    return UserFactory(email="bob@acme.test", first_name="Bob", company=company, role="agent")


@pytest.fixture
def stranger(other_company: Company) -> User:
    """Charlie owns the other company."""
    return UserFactory(
        email="charlie@umbrella.test", first_name="Charlie", company=other_company, role="owner"
    )


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    """A browser with that user signed in."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def api_of() -> Callable[..., Client]:
    """A caller of the REST API with a fresh key of that company; all scopes unless said otherwise."""

    def with_key(company: Company, *scopes: str) -> Client:
        key = people.create_api_key(company, "Tests", list(scopes) or ["read", "write", "admin"])
        return Client(headers={"Authorization": f"Bearer {key.secret}"})

    return with_key


@pytest.fixture
def sandbox(settings: object) -> Iterator[RunningSandbox]:
    """A strict LinkedIn of our own; every connection speaks to it."""
    with running_sandbox() as running:
        settings.LINKEDIN_API_URL = settings.SANDBOX_URL = running.url  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def connection(company: Company, sandbox: RunningSandbox) -> Connection:
    """Acme's token, which the sandbox knows."""
    connect(company)
    return Connection.objects.get()


@pytest.fixture
def rules(connection: Connection) -> dict[str, Rule]:
    """A rule for each event that is usually reported, by event."""
    conversions = {
        "lead_created": "23948811",
        "lead_qualified": "23948812",
        "deal_created": "23948815",
        "deal_won": "23948817",
    }
    return {
        event: RuleFactory(company=connection.company, event=event, conversion_id=number)
        for event, number in conversions.items()
    }


@pytest.fixture
def deliver() -> Callable[[], int]:
    """Run the delivery loop until nothing is due; returns the number of requests."""
    return delivery.deliver_all
