"""The first run: before anybody has an account."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from crm.models import Company, LeadStatus, Membership, User
from crm.tenancy import company_scope
from tests.factories import PASSWORD

FILLED = {
    "company_name": "Halden  Systems",
    "currency": "NOK",
    "first_name": "Sara",
    "last_name": "Brandt",
    "email": "Sara@Halden.test",
    "password": PASSWORD,
}

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/", "/accounts/login/"])
def test_everything_leads_to_the_first_run(path: str) -> None:
    assert Client().get(path)["Location"] == "/setup/"


def test_it_makes_the_company_and_signs_its_owner_in() -> None:
    client = Client()
    assert client.get("/setup/").status_code == 200
    answer = client.post("/setup/", FILLED)
    assert answer["Location"] == "/"
    company = Company.objects.get()
    assert (company.name, company.currency) == ("Halden Systems", "NOK")
    with company_scope(company):
        member = Membership.objects.get()
        assert (member.user.email, member.role) == ("sara@halden.test", "owner")
        assert LeadStatus.objects.count() == 6
    assert "Set up Halden Systems" in client.get("/").content.decode()


def test_it_works_once() -> None:
    Client().post("/setup/", FILLED)
    again = Client().post("/setup/", {**FILLED, "email": "eve@evil.test"})
    assert again.status_code == 302
    assert User.objects.count() == Company.objects.count() == 1
    assert Client().get("/setup/").status_code == 302
    assert Client().get("/accounts/login/").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company_name", ""),
        ("company_name", "x" * 121),
        ("currency", "ZZZ"),
        ("first_name", ""),
        ("email", "sara@"),
        ("email", "sara\x00@halden.test"),
        ("password", "short"),
        ("password", "password1234"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_half_written(field: str, value: str) -> None:
    answer = Client().post("/setup/", {**FILLED, field: value})
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert not User.objects.exists()
    assert not Company.objects.exists()


def test_the_password_is_not_sent_back() -> None:
    answer = Client().post("/setup/", {**FILLED, "email": "nonsense"})
    assert PASSWORD not in answer.content.decode()


def test_other_methods_are_refused() -> None:
    assert Client().delete("/setup/").status_code == 405


class TestCode:
    """A server that others can reach asks for the code it printed."""

    @pytest.fixture(autouse=True)
    def reachable(self, settings: Any) -> None:
        settings.SETUP_CODE, settings.HOST = "blue-heron-42", "0.0.0.0"

    @pytest.mark.parametrize("code", ["", "blue-heron-43", "blå"])
    def test_without_it_nothing_happens(self, code: str) -> None:
        answer = Client().post("/setup/", {**FILLED, "code": code})
        assert answer.status_code == 422
        assert answer.context["form"].errors["code"]
        assert not User.objects.exists()

    def test_with_it_the_company_is_made(self) -> None:
        assert Client().post("/setup/", {**FILLED, "code": " blue-heron-42 "}).status_code == 302
        assert User.objects.exists()

    def test_a_server_that_was_started_without_one_refuses_everybody(self, settings: Any) -> None:
        settings.SETUP_CODE = ""
        answer = Client().post("/setup/", {**FILLED, "code": ""})
        assert answer.status_code == 422
        answer = Client().post("/setup/", {**FILLED, "code": "guess"})
        assert "SETUP_CODE" in str(answer.context["form"].errors["code"])
        assert not User.objects.exists()

    def test_it_is_asked_for_wherever_one_is_set(self, settings: Any) -> None:
        settings.HOST = "127.0.0.1"
        assert Client().post("/setup/", FILLED).status_code == 422

    def test_on_the_loopback_none_is_needed(self, settings: Any) -> None:
        settings.SETUP_CODE, settings.HOST = "", "127.0.0.1"
        assert Client().post("/setup/", FILLED).status_code == 302
