"""What the LinkedIn side shows in the CRM's own pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from capi import panels, trail
from capi.models import Connection, ConversionEvent, Holder, Rule, Status, Worker
from crm.access import Principal
from crm.actions.deals import reopen_deal, win_deal
from crm.models import Company, Deal, Lead, Pipeline, Role, Stage, User
from tests.capi.views.conftest import MakeEvent
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def principal(company: Company, owner: User) -> Principal:
    return Principal(company, owner, Role.OWNER)


class TestLeadPage:
    def test_shows_readiness_and_every_rule(
        self, alice: Client, company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        lead = LeadFactory(company=company)
        deliver()
        text = alice.get(f"/leads/{lead.pk}/").content.decode()
        for part in (
            "E-mail only",
            "Accepted as Lead created.",
            "Create a deal to report revenue",
            "Preview",
        ):
            assert part in text

    def test_an_agent_reads_why_without_links_to_the_log(
        self, agent: User, company: Company, make_event: MakeEvent, client_of: Callable[[User], Client]
    ) -> None:
        lead = LeadFactory(company=company, owner=agent, reported=False)
        event = make_event(Status.HELD, "rule_unknown", lead=lead)
        text = client_of(agent).get(f"/leads/{lead.pk}/").content.decode()
        assert "LinkedIn found no ad account for this rule" in text
        assert f"/linkedin/events/{event.pk}/" not in text
        assert f"/linkedin/rules/{event.rule_id}/" not in text


class TestDealPage:
    def test_opens_with_why_it_was_not_sent(
        self, alice: Client, company: Company, lead: Lead, make_event: MakeEvent
    ) -> None:
        deal = DealFactory(company=company, lead=lead)
        rule = RuleFactory(company=company, event="deal_created", name="Demo booked")
        make_event(Status.HELD, "rule_wrong_method", deal=deal, event="deal_created", rule=rule)
        text = alice.get(f"/deals/{deal.pk}/").content.decode()
        assert "Why was <b>Deal created</b> not sent?" in text
        assert 'class="stop"' in text
        assert "waits for the rule" in text
        assert "can wait 79 more days" in text

    def test_the_chain_stops_where_it_stopped(
        self, company: Company, lead: Lead, make_event: MakeEvent
    ) -> None:
        stops = {
            make_event(Status.HELD, "rule_unknown").pk: "The rule",
            make_event(Status.HELD, "consent_unknown", held_by=Holder.LEAD).pk: "Consent",
            make_event(Status.HELD, "token_revoked", held_by=Holder.CONNECTION).pk: "LinkedIn",
            make_event(Status.SKIPPED, "no_identifier").pk: "Who",
            make_event(Status.SKIPPED, "consent_denied").pk: "Consent",
            make_event(Status.SKIPPED, "excluded_by_condition").pk: "The rule",
            make_event(Status.REJECTED, "refused").pk: "LinkedIn",
        }
        for event in ConversionEvent.objects.for_log():
            links = trail.chain(event)
            assert [link.label for link in links if link.is_stop] == [stops[event.pk]]


class TestHome:
    def test_says_the_one_thing_to_do(
        self, principal: Principal, token: str, rule: Rule, make_event: MakeEvent
    ) -> None:
        assert panels._todo(principal).text == ""
        make_event(Status.REJECTED, "refused")
        assert "1 event was refused" in panels._todo(principal).text
        make_event(Status.HELD, "rule_unknown")
        assert "1 event waits for the rule Lead." in panels._todo(principal).text
        Connection.objects.update(
            held_reason="token_revoked", held_message="LinkedIn refused the token (401)."
        )
        assert panels._todo(principal).verb == "Replace token"
        Connection.objects.all().delete()
        assert panels._todo(principal).verb == "Connect LinkedIn"

    def test_card_counts_today(self, principal: Principal, token: str, make_event: MakeEvent) -> None:
        make_event(Status.ACCEPTED)
        make_event(Status.ACCEPTED, is_test=True, lead=None)
        make_event(Status.HELD, "rule_unknown")
        panel = panels.home_card(principal)
        assert panel is not None
        assert panel.context["counts"] == {"recorded": 2, "accepted": 1, "waiting": 0, "held": 1}
        assert [bar.count for bar in panel.context["bars"]][-1] == 1
        assert len(panel.context["bars"]) == 30

    def test_an_agent_has_no_card(self, company: Company, agent: User) -> None:
        agents = Principal(company, agent, Role.AGENT)
        assert panels.home_card(agents) is None
        assert panels.nav_item(agents, "/") is None


class TestNav:
    def test_green_amber_red(
        self,
        principal: Principal,
        token: str,
        make_event: MakeEvent,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        with django_assert_num_queries(2):
            item = panels.nav_item(principal, "/linkedin/events/")
        assert item is not None
        assert (item.state, item.badge, item.current) == ("good", "", True)
        make_event(Status.HELD, "rule_unknown")
        item = panels.nav_item(principal, "/")
        assert item is not None
        assert (item.state, item.badge, item.current) == ("warn", "1 held", False)
        Connection.objects.update(held_reason="token_revoked")
        item = panels.nav_item(principal, "/")
        assert item is not None
        assert item.state == "bad"

    def test_red_while_something_is_due_and_no_worker_runs(
        self, principal: Principal, token: str, make_event: MakeEvent
    ) -> None:
        def state() -> str:
            item = panels.nav_item(principal, "/")
            assert item is not None
            return item.state

        now = timezone.now()
        event = make_event(Status.PENDING)
        ConversionEvent.objects.filter(pk=event.pk).update(next_attempt_at=now - timedelta(minutes=1))
        assert state() == "good"
        ConversionEvent.objects.filter(pk=event.pk).update(next_attempt_at=now - timedelta(minutes=3))
        assert state() == "bad"
        worker = Worker.objects.create(name="here", asked_at=now - timedelta(minutes=3))
        assert state() == "bad"
        Worker.objects.filter(pk=worker.pk).update(asked_at=now)
        assert state() == "good"


class TestTimeline:
    def test_tells_what_became_of_it(self, principal: Principal, lead: Lead, make_event: MakeEvent) -> None:
        make_event(Status.ACCEPTED)
        make_event(Status.HELD, "rule_wrong_method")
        make_event()
        texts = {(entry.tone, entry.text.split(":")[0]) for entry in panels.lead_timeline(principal, lead)}
        assert texts == {
            ("good", "LinkedIn accepted Lead"),
            ("warn", "LinkedIn was not told of Lead created"),
        }

    def test_of_a_deal(self, company: Company, lead: Lead, make_event: MakeEvent) -> None:
        deal = DealFactory(company=company, lead=lead)
        make_event(Status.ACCEPTED, deal=deal, event="deal_created")
        assert len(panels.deal_timeline(deal)) == 1


class TestBadges:
    def test_of_leads_in_a_fixed_number_of_queries(
        self, company: Company, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(10):
            LeadFactory(company=company)
        leads = list(Lead.objects.for_list())
        with django_assert_max_num_queries(1):
            badges = panels.lead_badges(leads)
        assert {badge.text for badge in badges.values()} == {"E-mail only"}
        assert panels.lead_badges([]) == {}

    def test_of_deals(
        self,
        company: Company,
        lead: Lead,
        make_event: MakeEvent,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        def won(status: str, reason: str = "", **fields: object) -> Deal:
            deal = win_deal(DealFactory(company=company), SHELL)
            make_event(status, reason, deal=deal, event="deal_won", **fields)
            return deal

        soon = timezone.now() + timedelta(seconds=108)
        expected = {
            won(Status.ACCEPTED).pk: "LinkedIn accepted",
            won(Status.SKIPPED, "consent_denied").pk: "Not sent: no consent",
            won(Status.HELD, "rule_unknown").pk: "Not sent: the rule",
            won(Status.PENDING, settles_at=soon).pk: "Settling, 1 min",
        }
        untold = DealFactory(company=company)
        deals = list(Deal.objects.for_list())
        with django_assert_num_queries(1):
            badges = panels.deal_badges(deals)
        assert untold.pk not in badges
        for deal, text in expected.items():
            assert badges[deal].text.startswith(text)


class TestBoard:
    def test_stages_that_a_rule_listens_to(self, company: Company) -> None:
        pipeline = Pipeline.objects.get(key="sales")
        assert panels.told_stages(pipeline) == frozenset()
        RuleFactory(company=company, event="deal_created")
        RuleFactory(company=company, event="deal_won", conversion_id="2")
        told = Stage.objects.filter(pk__in=panels.told_stages(pipeline))
        assert [stage.name for stage in told] == ["Qualification", "Closed Won"]
        pipeline.counts_as_sales = False
        told = Stage.objects.filter(pk__in=panels.told_stages(pipeline))
        assert [stage.name for stage in told] == ["Qualification"]

    def test_a_move_says_what_follows(self, company: Company, rules: dict[str, Rule]) -> None:
        opened: Deal = DealFactory(company=company, lead=LeadFactory(company=company))
        assert panels.move_note(opened) is None
        deal = win_deal(opened, SHELL)
        note = panels.move_note(deal)
        assert note is not None
        assert (note.text, note.action_text) == ("LinkedIn will be told in 2 min.", "Send now")
        assert panels.move_note(reopen_deal(deal, SHELL)) is None

    def test_without_a_rule_it_says_nothing(self, company: Company) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        assert panels.move_note(win_deal(deal, SHELL)) is None

    def test_a_hold_is_said_at_once(self, company: Company) -> None:
        RuleFactory(company=company, event="deal_won")
        deal = DealFactory(company=company, lead=LeadFactory(company=company))
        note = panels.move_note(win_deal(deal, SHELL))
        assert note is not None
        assert "There is no LinkedIn token yet." in note.text
