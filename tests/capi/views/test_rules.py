"""Rules: switching, editing, deleting, previewing, picking one from the ad account."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client

from capi.models import Connection, ConversionEvent, Rule, Status
from capi.sandbox.running import RunningSandbox
from crm.models import Company, Lead, User
from crm.tenancy import company_scope
from tests.capi.views.conftest import MakeEvent
from tests.factories import DealFactory, LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db
FILLED = {"name": "Lead", "conversion_id": "23948811", "value": "none", "is_active": "on"}


class TestSwitch:
    def test_off_and_on(self, alice: Client, rule: Rule) -> None:
        url = f"/linkedin/rules/{rule.pk}/switch/"
        alice.post(url, {"is_active": "no"})
        rule.refresh_from_db()
        assert not rule.is_active
        alice.post(url, {"is_active": "yes"})
        rule.refresh_from_db()
        assert rule.is_active

    def test_a_manager_may_not(self, manager: User, rule: Rule, client_of: Callable[[User], Client]) -> None:
        assert client_of(manager).post(f"/linkedin/rules/{rule.pk}/switch/").status_code == 403


class TestBackfill:
    def test_counts_starts_and_stops(self, alice: Client, company: Company, rule: Rule) -> None:
        Rule.objects.update(is_active=False)
        LeadFactory(company=company)
        LeadFactory(company=company, consent="denied")
        Rule.objects.update(is_active=True)
        url = f"/linkedin/rules/{rule.pk}/backfill/"
        assert f'href="{url}"' in alice.get(f"/linkedin/rules/{rule.pk}/").content.decode()
        page = alice.get(url).content.decode()
        assert "1 can be told" in page
        assert "1 without consent." in page
        assert alice.post(url).status_code == 302
        assert Rule.objects.get(pk=rule.pk).backfill_until is not None
        assert "Stop the backfill?" in alice.get(url).content.decode()
        assert alice.post(f"{url}?stop").status_code == 302
        assert Rule.objects.get(pk=rule.pk).backfill_until is None

    def test_a_rule_that_is_off_says_so(self, alice: Client, rule: Rule) -> None:
        Rule.objects.update(is_active=False)
        url = f"/linkedin/rules/{rule.pk}/backfill/"
        assert f'href="{url}"' not in alice.get(f"/linkedin/rules/{rule.pk}/").content.decode()
        assert "Switch it on first" in alice.post(url, follow=True).content.decode()

    def test_a_manager_may_not(self, manager: User, rule: Rule, client_of: Callable[[User], Client]) -> None:
        assert client_of(manager).post(f"/linkedin/rules/{rule.pk}/backfill/").status_code == 403


class TestEdit:
    def url(self, rule: Rule) -> str:
        return f"/linkedin/rules/{rule.pk}/"

    def test_shows_what_holds_it(self, alice: Client, rule: Rule, make_event: MakeEvent) -> None:
        Rule.objects.update(held_reason="rule_unknown", held_message="LinkedIn found no ad account.")
        make_event(Status.HELD, "rule_unknown")
        text = alice.get(self.url(rule)).content.decode()
        assert "1 event waits" in text
        assert "LinkedIn found no ad account." in text

    def test_saves_conditions(self, alice: Client, rule: Rule) -> None:
        narrowed = {"sources": "Web form, Fair", "countries": "de, AT", "tags": "VIP", "types": ["trial"]}
        answer = alice.post(self.url(rule), {**FILLED, **narrowed})
        assert answer.status_code == 302
        rule.refresh_from_db()
        assert rule.conditions == {
            "sources": ["Web form", "Fair"],
            "types": ["trial"],
            "tags": ["VIP"],
            "countries": ["DE", "AT"],
        }

    def test_the_event_cannot_be_changed(self, alice: Client, rule: Rule) -> None:
        alice.post(self.url(rule), {**FILLED, "event": "deal_won"})
        rule.refresh_from_db()
        assert rule.event == "lead_created"

    def test_unknown_country_is_named(self, alice: Client, rule: Rule) -> None:
        answer = alice.post(self.url(rule), {**FILLED, "countries": "XX"})
        assert answer.status_code == 422
        assert "XX is not a country code" in answer.content.decode()

    def test_another_conversion_issues_anew(self, alice: Client, rule: Rule, make_event: MakeEvent) -> None:
        event = make_event(Status.HELD, "rule_unknown")
        alice.post(self.url(rule), {**FILLED, "conversion_id": "23948812"})
        event.refresh_from_db()
        assert (event.status, event.reason) == (Status.CANCELLED, "rule_changed")
        assert ConversionEvent.objects.filter(conversion_id="23948812").count() == 1

    def test_release_ends_the_hold(self, alice: Client, token: str, rule: Rule) -> None:
        Rule.objects.update(held_reason="rule_unknown")
        alice.post(f"/linkedin/rules/{rule.pk}/release/")
        rule.refresh_from_db()
        assert not rule.is_held

    @pytest.mark.parametrize("page_name", ["", "switch/", "release/", "delete/", "test/", "preview/"])
    def test_a_foreign_rule_is_a_404(
        self, stranger: User, rule: Rule, client_of: Callable[[User], Client], page_name: str
    ) -> None:
        client = client_of(stranger)
        for url in (f"/linkedin/rules/{rule.pk}/{page_name}", f"/linkedin/rules/{uuid4()}/{page_name}"):
            method = client.post if page_name in ("switch/", "release/") else client.get
            assert method(url).status_code == 404


class TestDelete:
    def test_asks_by_name_then_deletes(self, alice: Client, rule: Rule, make_event: MakeEvent) -> None:
        event = make_event(Status.HELD, "rule_unknown")
        url = f"/linkedin/rules/{rule.pk}/delete/"
        text = alice.get(url).content.decode()
        assert "Delete the rule Lead?" in text
        assert "1 event that waits is cancelled" in text
        assert Rule.objects.current().exists()
        alice.post(url)
        assert not Rule.objects.current().exists()
        event.refresh_from_db()
        assert event.status == Status.CANCELLED
        assert alice.get(url).status_code == 404


class TestTest:
    def test_without_a_token_it_says_so(self, alice: Client, rule: Rule) -> None:
        url = f"/linkedin/rules/{rule.pk}/test/"
        assert "Save a token first." in alice.get(url).content.decode()
        alice.post(url)
        assert not ConversionEvent.objects.exists()

    def test_reading_sends_nothing(self, alice: Client, token: str, rule: Rule) -> None:
        alice.get(f"/linkedin/rules/{rule.pk}/test/")
        assert not ConversionEvent.objects.exists()


class TestPreview:
    def test_is_the_element_and_what_is_missing(
        self, alice: Client, token: str, rule: Rule, lead: Lead
    ) -> None:
        text = alice.get(f"/linkedin/rules/{rule.pk}/preview/?lead={lead.pk}").content.decode()
        assert "SHA256_EMAIL" in text
        assert "No LinkedIn click id" in text

    def test_of_a_deal_carries_its_value(
        self, alice: Client, token: str, company: Company, lead: Lead
    ) -> None:
        rule = RuleFactory(company=company, event="deal_won", conversion_id="23948817")
        deal = DealFactory(company=company, lead=lead, amount="48000.00")
        text = alice.get(f"/linkedin/rules/{rule.pk}/preview/?deal={deal.pk}").content.decode()
        assert "48000.00" in text

    def test_an_agent_previews_their_own_lead_only(
        self, agent: User, company: Company, rule: Rule, lead: Lead, client_of: Callable[[User], Client]
    ) -> None:
        client = client_of(agent)
        url = f"/linkedin/rules/{rule.pk}/preview/?lead={lead.pk}"
        assert client.get(url).status_code == 404
        Lead.objects.filter(pk=lead.pk).update(owner=agent)
        assert client.get(url).status_code == 200

    def test_of_nothing_is_a_404(self, alice: Client, rule: Rule) -> None:
        assert alice.get(f"/linkedin/rules/{rule.pk}/preview/?lead=nonsense").status_code == 404


class TestPick:
    url = "/linkedin/rules/pick/"

    def test_lists_what_takes_events(self, alice: Client, connection: Connection) -> None:
        text = alice.get(self.url).content.decode()
        assert "23948817" in text
        assert "2 others are disabled or use the Insight Tag." in text

    def test_says_why_a_token_may_not_list(
        self, alice: Client, connection: Connection, sandbox: RunningSandbox
    ) -> None:
        sandbox.control.add_token(connection.token(), [507404993], can_read=False)
        text = alice.get(self.url).content.decode()
        assert "without being allowed to list them" in text
        assert connection.token() not in text

    def test_nobody_there_is_a_sentence(self, alice: Client, token: str, settings: object) -> None:
        settings.LINKEDIN_API_URL = "http://127.0.0.1:9/rest"  # type: ignore[attr-defined]
        assert "LinkedIn could not be asked" in alice.get(self.url).content.decode()

    def test_without_a_token_it_says_so(self, alice: Client, company: Company) -> None:
        assert "There is no token yet" in alice.get(self.url).content.decode()


def test_another_companys_lead_is_not_previewed(
    alice: Client, rule: Rule, other_company: Company, company: Company
) -> None:
    with company_scope(other_company):
        theirs = LeadFactory(company=other_company)
    assert alice.get(f"/linkedin/rules/{rule.pk}/preview/?lead={theirs.pk}").status_code == 404
