"""Setup: token, rules, tests of rules; for those who may, by the right method, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from capi.models import Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company, User
from tests.capi.views.conftest import TOKEN, MakeEvent
from tests.factories import RuleFactory, connect

pytestmark = pytest.mark.django_db
SETUP = "/linkedin/"


def text_of(client: Client, url: str = SETUP) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


class TestSteps:
    def test_begins_with_the_token(self, alice: Client) -> None:
        text = text_of(alice)
        assert "Paste the access token" in text
        assert "Signals Manager" in text
        assert 'name="token"' in text

    def test_saved_is_not_verified(self, alice: Client, token: str) -> None:
        text = text_of(alice)
        assert "Token saved." in text
        assert "Token works." not in text

    def test_verified_by_the_first_accepted_event(self, alice: Client, token: str) -> None:
        Connection.objects.update(last_accepted_at=timezone.now())
        text = text_of(alice)
        assert "Token works." in text
        assert "LinkedIn accepted it" in text

    def test_a_hold_says_what_to_do(self, alice: Client, token: str) -> None:
        Connection.objects.update(
            held_reason="token_revoked", held_message="LinkedIn refused the token (401)."
        )
        text = text_of(alice)
        assert "Sending has stopped." in text
        assert "LinkedIn refused the token (401)." in text

    def test_a_sandbox_says_that_it_is_one(self, alice: Client, company: Company) -> None:
        connect(company, kind="sandbox")
        assert "Nothing reaches LinkedIn." in text_of(alice)

    def test_the_same_queries_for_three_rules_and_thirty(
        self,
        alice: Client,
        company: Company,
        make_event: MakeEvent,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(3):
            RuleFactory(company=company, conversion_id=f"1{number}")
        text_of(alice)  # The first page of a process fills caches.
        with django_assert_max_num_queries(23) as few:
            text_of(alice)
        for number in range(30):
            RuleFactory(company=company, conversion_id=f"2{number}")
            make_event(Status.HELD, "rule_unknown")
        with django_assert_max_num_queries(23) as many:
            text_of(alice)
        assert len(many) == len(few)


class TestToken:
    url = "/linkedin/token/"

    def test_saves(self, alice: Client, company: Company) -> None:
        answer = alice.post(self.url, {"token": TOKEN})
        assert answer.status_code == 302
        assert Connection.objects.get().token() == TOKEN

    def test_is_in_no_page(self, alice: Client, token: str, rule: Rule) -> None:
        pages = [
            SETUP,
            self.url,
            "/linkedin/token/delete/",
            f"/linkedin/rules/{rule.pk}/test/",
            "/linkedin/events/",
        ]
        for url in pages:
            text = text_of(alice, url)
            assert token not in text
            assert token[:12] not in text

    def test_what_was_refused_is_not_sent_back(self, alice: Client, company: Company) -> None:
        answer = alice.post(self.url, {"token": "short"})
        assert answer.status_code == 422
        assert "Paste the whole token" in answer.content.decode()
        answer = alice.post(self.url, {"token": "ünreadable-but-secret"})
        assert "readable-but-secret" not in answer.content.decode()

    def test_in_the_dialog_the_page_under_it_is_loaded_again(self, alice: Client, company: Company) -> None:
        answer = alice.post(self.url, {"token": TOKEN}, headers={"HX-Request": "true"})
        assert answer.headers["HX-Refresh"] == "true"

    def test_of_a_sandbox_stays_one_unless_said_otherwise(self, alice: Client, company: Company) -> None:
        connect(company, kind="sandbox")
        alice.post(self.url, {"token": TOKEN, "kind": "sandbox"})
        assert Connection.objects.get().kind == "sandbox"
        alice.post(self.url, {"token": TOKEN, "kind": "direct"})
        assert Connection.objects.get().kind == "direct"

    def test_a_company_cannot_choose_the_sandbox(self, alice: Client, company: Company) -> None:
        alice.post(self.url, {"token": TOKEN, "kind": "sandbox"})
        assert Connection.objects.get().kind == "direct"

    def test_deleting_asks_first(self, alice: Client, token: str) -> None:
        assert "Delete the LinkedIn token?" in text_of(alice, "/linkedin/token/delete/")
        assert Connection.objects.get().token_sealed
        alice.post("/linkedin/token/delete/")
        assert not Connection.objects.get().token_sealed

    def test_pause_and_resume(self, alice: Client, token: str) -> None:
        alice.post("/linkedin/pause/")
        assert Connection.objects.get().held_reason == "paused_by_person"
        assert "Sending is paused" in text_of(alice)
        alice.post("/linkedin/release/")
        assert not Connection.objects.get().is_held

    def test_nothing_to_pause_is_a_404(self, alice: Client, company: Company) -> None:
        assert alice.post("/linkedin/pause/").status_code == 404


class TestAddRule:
    url = "/linkedin/rules/"
    filled = {
        "event": "deal_won",
        "conversion_id": "urn:lla:llaPartnerConversion:23948817",
        "value": "deal_amount",
    }

    def test_adds(self, alice: Client, company: Company) -> None:
        answer = alice.post(self.url, {**self.filled, "repeat": "once"})
        assert answer.status_code == 302
        rule = Rule.objects.get()
        assert (rule.conversion_id, rule.name, rule.value, rule.is_active) == (
            "23948817",
            "Purchase",
            "deal_amount",
            True,
        )

    def test_a_fixed_value_brings_its_currency(self, alice: Client, company: Company) -> None:
        fixed = {"value": "fixed", "fixed_amount": "12.50", "fixed_currency": "EUR", "repeat": "once"}
        alice.post(self.url, {**self.filled, **fixed})
        rule = Rule.objects.get()
        assert (str(rule.fixed_amount.normalize() if rule.fixed_amount else ""), rule.fixed_currency) == (
            "12.5",
            "EUR",
        )

    def test_lost_deals_start_switched_off(self, alice: Client, company: Company) -> None:
        alice.post(
            self.url, {"event": "deal_lost", "conversion_id": "23948820", "value": "none", "repeat": "once"}
        )
        assert not Rule.objects.get().is_active

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"conversion_id": "abc"}, "digits only"),
            ({"conversion_id": "urn:li:conversion:1"}, "not the URN"),
            ({"event": "lead_created"}, "A lead has no amount"),
            ({"value": "fixed", "fixed_amount": "NaN", "fixed_currency": "EUR"}, "amount"),
            ({"value": "fixed", "fixed_amount": "1e30", "fixed_currency": "EUR"}, "amount"),
            ({"value": "fixed", "fixed_amount": "1"}, "needs a currency"),
            ({"event": "deal_dreamt"}, "valid choice"),
            ({"name": "a\x00b"}, "Null characters"),
        ],
    )
    def test_says_what_is_wrong(
        self, alice: Client, company: Company, wrong: dict[str, str], sentence: str
    ) -> None:
        answer = alice.post(self.url, {**self.filled, "repeat": "once", **wrong})
        assert answer.status_code == 422
        assert sentence in answer.content.decode()
        assert not Rule.objects.exists()

    def test_the_address_may_fill_it(self, alice: Client, company: Company) -> None:
        text = text_of(alice, f"{SETUP}?conversion_id=777&name=Picked")
        assert 'value="777"' in text
        assert 'value="Picked"' in text
        assert not Rule.objects.exists()


class TestLastTests:
    url = "/linkedin/tests/"

    def test_nothing_new_is_a_204(self, alice: Client, company: Company, make_event: MakeEvent) -> None:
        make_event(Status.SENDING, is_test=True, lead=None, lease="0" * 32, lease_until=timezone.now())
        first = alice.get(self.url)
        seen = first.content.decode().split("seen=")[1][:16]
        assert alice.get(self.url, {"seen": seen}).status_code == 204

    def test_a_change_is_shown(self, alice: Client, company: Company, make_event: MakeEvent) -> None:
        event = make_event(is_test=True, lead=None)
        seen = alice.get(self.url).content.decode().split("seen=")[1][:16]
        ConversionEvent.objects.filter(pk=event.pk).update(
            status="accepted", accepted_at=timezone.now(), changed_at=timezone.now()
        )
        answer = alice.get(self.url, {"seen": seen})
        assert answer.status_code == 200
        assert "Accepted" in answer.content.decode()


class TestDoor:
    reading = (SETUP, "/linkedin/tests/")
    changing = ("/linkedin/pause/", "/linkedin/release/", "/linkedin/rules/", "/linkedin/token/delete/")

    def test_a_manager_reads_and_changes_nothing(
        self, manager: User, token: str, rule: Rule, client_of: Callable[[User], Client]
    ) -> None:
        client = client_of(manager)
        text = text_of(client)
        assert "Add rule" not in text
        assert "Replace token" not in text
        assert client.get(self.reading[1]).status_code == 200
        for url in (*self.changing, "/linkedin/token/"):
            assert client.post(url, {"token": TOKEN}).status_code == 403

    def test_an_agent_sees_none_of_it(self, agent: User, client_of: Callable[[User], Client]) -> None:
        client = client_of(agent)
        for url in self.reading:
            assert client.get(url).status_code == 403

    def test_nobody_is_sent_to_sign_in(self, company: Company) -> None:
        answer = Client().get(SETUP)
        assert answer.status_code == 302
        assert reverse("account_login") in answer.headers["Location"]

    @pytest.mark.parametrize("url", ["/linkedin/pause/", "/linkedin/release/", "/linkedin/rules/"])
    def test_reading_changes_nothing(self, alice: Client, token: str, url: str) -> None:
        assert alice.get(url).status_code == 405
        assert not Connection.objects.get().is_held

    def test_another_companys_connection_is_not_shown(
        self, stranger: User, token: str, rule: Rule, client_of: Callable[[User], Client]
    ) -> None:
        text = text_of(client_of(stranger))
        assert "Paste the access token" in text
        assert rule.conversion_id not in text


def test_a_test_is_shown_then_sent_and_answered(
    alice: Client, connection: Connection, rule: Rule, sandbox: RunningSandbox, deliver: Callable[[], int]
) -> None:
    url = f"/linkedin/rules/{rule.pk}/test/"
    asked = text_of(alice, url)
    assert "Bearer ••••••••" in asked
    assert connection.token() not in asked
    assert "urn:lla:llaPartnerConversion:23948811" in asked
    assert not ConversionEvent.objects.exists()
    alice.post(url)
    deliver()
    event = ConversionEvent.objects.get()
    assert (event.is_test, event.status) == (True, Status.ACCEPTED)
    assert "Accepted" in text_of(alice, "/linkedin/tests/")
