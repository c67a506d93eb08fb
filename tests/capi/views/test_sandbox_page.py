"""The page of the sandbox: who may open it, what it shows, and the faults it orders."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from capi.models import Connection
from capi.sandbox.running import RunningSandbox
from crm.models import Company, User
from tests.factories import LeadFactory, RuleFactory, connect

pytestmark = pytest.mark.django_db
URL = "/sandbox/"


@pytest.fixture
def demo(company: Company, sandbox: RunningSandbox) -> RunningSandbox:
    """Acme speaks to the sandbox."""
    connect(company, kind="sandbox")
    return sandbox


class TestDoor:
    def test_open_to_those_who_manage_a_company_that_speaks_to_it(
        self, alice: Client, demo: RunningSandbox
    ) -> None:
        assert alice.get(URL).status_code == 200

    def test_closed_to_everybody_else(
        self,
        agent: User,
        manager: User,
        stranger: User,
        demo: RunningSandbox,
        client_of: Callable[[User], Client],
    ) -> None:
        for user in (agent, manager, stranger):
            assert client_of(user).get(URL).status_code == 404
            assert client_of(user).post(URL, {"do": "clear"}).status_code == 404

    def test_open_to_the_operator(self, sandbox: RunningSandbox, client_of: Callable[[User], Client]) -> None:
        operator = User.objects.create_superuser("root@leadmachine.test", "a-long-enough-password")
        assert client_of(operator).get(URL).status_code == 200

    def test_closed_when_the_company_speaks_to_linkedin(
        self, alice: Client, company: Company, sandbox: RunningSandbox
    ) -> None:
        connect(company)
        assert alice.get(URL).status_code == 404


def test_shows_what_was_received_but_no_token(
    alice: Client,
    company: Company,
    demo: RunningSandbox,
    deliver: Callable[[], int],
) -> None:
    RuleFactory(company=company)
    LeadFactory(company=company)
    deliver()
    text = alice.get(URL).content.decode()
    assert "<b>1</b> events accepted in <b>1</b> requests" in text
    assert "urn:lla:llaPartnerConversion:23948811" in text
    assert Connection.objects.get().token() not in text


@pytest.mark.parametrize("order", ["429", "500", "timeout", "garbage", "426", "403", "element"])
def test_orders_a_fault(alice: Client, demo: RunningSandbox, order: str) -> None:
    assert alice.post(URL, {"do": order, "times": "3"}).status_code == 302
    assert [fault["left"] for fault in demo.control.faults()] == [3]
    assert "for 3 more requests" in alice.get(URL).content.decode()
    alice.post(URL, {"do": "mend"})
    assert demo.control.faults() == []


def test_revokes_and_grants_the_companys_token(alice: Client, demo: RunningSandbox) -> None:
    alice.post(URL, {"do": "revoke"})
    assert [grant["revoked"] for grant in demo.control.world()["tokens"]].count(True) == 1
    alice.post(URL, {"do": "grant"})
    assert [grant["revoked"] for grant in demo.control.world()["tokens"]].count(True) == 0


def test_forgets_what_was_received(
    alice: Client, company: Company, demo: RunningSandbox, deliver: Callable[[], int]
) -> None:
    RuleFactory(company=company)
    LeadFactory(company=company)
    deliver()
    alice.post(URL, {"do": "clear"})
    assert demo.control.stats().accepted == 0


def test_an_unknown_order_is_a_404(alice: Client, demo: RunningSandbox) -> None:
    assert alice.post(URL, {"do": "explode"}).status_code == 404


def test_says_when_the_sandbox_is_not_running(alice: Client, company: Company, settings: object) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9/rest"  # type: ignore[attr-defined]
    connect(company, kind="sandbox")
    answer = alice.get(URL)
    assert answer.status_code == 200
    assert "The sandbox does not answer" in answer.content.decode()
