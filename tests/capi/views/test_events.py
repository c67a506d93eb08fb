"""The log: filters, pages, live without reload, the trail, and what can be done about an event."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from capi.models import Connection, ConversionEvent, Holder, Rule, Status
from crm.actions.deals import win_deal
from crm.actor import Actor
from crm.models import Company, Lead, User
from tests.capi.views.conftest import MakeEvent
from tests.factories import SHELL, DealFactory, LeadFactory

pytestmark = pytest.mark.django_db
LOG = "/linkedin/events/"
HTMX = {"HX-Request": "true"}


def shown(text: str) -> list[str]:
    """The ids of the rows, in their order."""
    return re.findall(r'<tr id="event-([0-9a-f-]{36})"', text)


def rows_of(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"{LOG}{query}")
    assert answer.status_code == 200
    return shown(answer.content.decode())


def seen_of(client: Client, query: str = "") -> str:
    found = re.search(r"seen=([0-9a-f]{16})", client.get(f"{LOG}{query}").content.decode())
    assert found
    return found[1]


class TestLog:
    def test_nothing_yet_says_what_will_appear(self, alice: Client, company: Company) -> None:
        assert "No events yet" in alice.get(LOG).content.decode()

    def test_every_state_has_its_sentence(self, alice: Client, make_event: MakeEvent) -> None:
        make_event(Status.ACCEPTED, attempts=1)
        make_event(Status.HELD, "rule_wrong_method")
        make_event(Status.SKIPPED, "consent_denied")
        make_event(Status.REJECTED, "exhausted")
        make_event(Status.EXPIRED, "too_old")
        make_event(Status.CANCELLED, "undone")
        make_event(settles_at=timezone.now() + timedelta(seconds=108))
        text = alice.get(LOG).content.decode()
        for sentence in (
            "LinkedIn accepted this event.",
            "one for the Insight Tag",
            "does not want to be reported",
            "failed on this event at every try",
            "nothing older than 90 days",
            "was undone before this was sent",
            "Waits 1 min",
        ):
            assert sentence in text

    def test_each_has_the_one_action_that_cures_it(
        self, alice: Client, make_event: MakeEvent, lead: Lead
    ) -> None:
        held = make_event(Status.HELD, "rule_unknown")
        settling = make_event(settles_at=timezone.now() + timedelta(minutes=1))
        refused = make_event(Status.REJECTED, "refused")
        make_event(Status.HELD, "token_revoked", held_by=Holder.CONNECTION)
        make_event(Status.HELD, "consent_unknown", held_by=Holder.LEAD, told_lead=lead)
        text = alice.get(LOG).content.decode()
        assert f'href="/linkedin/rules/{held.rule_id}/">Fix rule' in text
        assert f'action="/linkedin/events/{settling.pk}/send-now/"' in text
        assert f'action="/linkedin/events/{refused.pk}/resend/"' in text
        assert 'href="/linkedin/token/">Replace token' in text
        assert f'href="/leads/{lead.pk}/#consent-h">Set consent' in text

    @pytest.mark.parametrize(
        ("query", "matches"),
        [
            ("?status=held", True),
            ("?status=accepted", False),
            ("?status=waiting", False),
            ("?event=lead_created", True),
            ("?event=deal_won", False),
            ("?held_by=rule", True),
            ("?held_by=app", False),
            ("?reason=rule_unknown", True),
            ("?reason=other", False),
            ("?is_test=no", True),
            ("?is_test=yes", False),
            ("?since=2020-01-01", True),
            ("?until=2020-01-01", False),
            ("?until=nonsense&status=nonsense&rule=nonsense&lead=nonsense&cursor=nonsense", True),
        ],
    )
    def test_filters(self, alice: Client, make_event: MakeEvent, query: str, matches: bool) -> None:
        make_event(Status.HELD, "rule_unknown")
        assert bool(rows_of(alice, query)) is matches

    def test_filters_by_rule_lead_and_deal(
        self, alice: Client, make_event: MakeEvent, rule: Rule, lead: Lead, company: Company
    ) -> None:
        deal = DealFactory(company=company, lead=lead)
        of_deal = make_event(deal=deal, event="deal_created")
        make_event(lead=LeadFactory(company=company, reported=False))
        assert rows_of(alice, f"?deal={deal.pk}") == [str(of_deal.pk)]
        assert set(rows_of(alice, f"?lead={lead.pk}")) == {str(of_deal.pk)}
        assert len(rows_of(alice, f"?rule={rule.pk}")) == 2
        assert rows_of(alice, f"?rule={uuid4()}") == []

    def test_a_filter_that_is_set_has_a_chip_that_removes_it(
        self, alice: Client, make_event: MakeEvent, rule: Rule
    ) -> None:
        make_event(Status.HELD, "rule_unknown")
        text = alice.get(f"{LOG}?status=held&rule={rule.pk}").content.decode()
        assert "Remove filter: Rule is Lead" in text
        assert 'href="?status=held"' in text

    def test_counts_lead_to_as_many_rows(self, alice: Client, make_event: MakeEvent) -> None:
        for _ in range(3):
            make_event(Status.SKIPPED, "no_identifier")
        make_event(Status.ACCEPTED)
        text = alice.get(LOG).content.decode()
        assert re.search(r'Skipped <span class="count">3</span>', text)
        assert re.search(r'All <span class="count">4</span>', text)
        assert len(rows_of(alice, "?status=skipped")) == 3

    def test_pages_hold_every_row_once_in_order(self, alice: Client, make_event: MakeEvent) -> None:
        same = timezone.now()
        made = [str(make_event(created_at=same).pk) for _ in range(120)]
        found, query, text = [], "", ""
        for _ in range(3):
            text = alice.get(f"{LOG}{query}").content.decode()
            found += shown(text)
            older = re.search(r'rel="next" href="([^"]+)"', text)
            query = older[1].replace("&amp;", "&") if older else ""
        assert found == sorted(made, reverse=True)
        newer = re.search(r'rel="prev" href="([^"]+)"', text)
        assert newer
        assert rows_of(alice, newer[1]) == found[50:100]

    def test_the_same_queries_for_three_rows_and_three_hundred(
        self,
        alice: Client,
        company: Company,
        make_event: MakeEvent,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        def many(count: int) -> None:
            for _ in range(count):
                lead = LeadFactory(company=company, reported=False, organization="Fjordline")
                make_event(Status.HELD, "rule_unknown", lead=lead)

        many(3)
        alice.get(LOG)  # The first page of a process fills caches.
        with django_assert_max_num_queries(23) as few:
            alice.get(LOG)
        many(60)
        with django_assert_max_num_queries(23) as more:
            alice.get(LOG)
        assert len(more) == len(few)

    def test_names_whom_linkedin_was_told_of(
        self, alice: Client, make_event: MakeEvent, company: Company
    ) -> None:
        other = LeadFactory(company=company, first_name="Mette", last_name="Lund", reported=False)
        make_event(Status.ACCEPTED, told_lead=other)
        assert "Mette Lund" in alice.get(LOG).content.decode()

    def test_a_possible_duplicate_is_shown(self, alice: Client, make_event: MakeEvent) -> None:
        event = make_event(Status.ACCEPTED, unknown_outcomes=1)
        assert "Possible duplicate" in alice.get(LOG).content.decode()
        assert "may have counted this more than once" in alice.get(f"{LOG}{event.pk}/").content.decode()


class TestLive:
    def test_nothing_new_is_a_204_in_few_queries(
        self, alice: Client, make_event: MakeEvent, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_event()
        seen = seen_of(alice)
        with django_assert_max_num_queries(4):
            assert alice.get(LOG, {"seen": seen}, headers=HTMX).status_code == 204

    def test_a_change_brings_table_counts_and_facts(self, alice: Client, make_event: MakeEvent) -> None:
        event = make_event()
        seen = seen_of(alice)
        now = timezone.now()
        ConversionEvent.objects.filter(pk=event.pk).update(
            status=Status.ACCEPTED, accepted_at=now, changed_at=now
        )
        answer = alice.get(LOG, {"seen": seen}, headers=HTMX)
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "Accepted" in text
        assert text.count('hx-swap-oob="true"') == 2
        assert "<html" not in text
        assert "HX-Request" in answer.headers["Vary"]

    def test_a_new_row_is_a_change(self, alice: Client, make_event: MakeEvent) -> None:
        make_event()
        seen = seen_of(alice)
        make_event()
        assert alice.get(LOG, {"seen": seen}, headers=HTMX).status_code == 200

    def test_without_script_the_same_address_is_a_page(self, alice: Client, make_event: MakeEvent) -> None:
        make_event()
        assert "<html" in alice.get(LOG, {"seen": seen_of(alice)}).content.decode()


class TestTrail:
    def test_from_the_change_to_the_answer(
        self,
        alice: Client,
        owner: User,
        company: Company,
        connection: Connection,
        rules: dict[str, Rule],
        deliver: Callable[[], int],
    ) -> None:
        lead = LeadFactory(
            company=company,
            email="ngozi@lagos.test",
            actor=Actor("web", user=owner),
            attribution={"li_fat_id": "3f1c9a52"},
            consent="granted",
            consent_source="web form",
        )
        deliver()
        event = ConversionEvent.objects.get(lead=lead)
        text = alice.get(f"{LOG}{event.pk}/").content.decode()
        for part in (
            str(owner),
            "Rule “Lead created” listens to it",
            "Consent granted by web form",
            "Recognised by click id and e-mail",
            "Try 1 (200",
            "LinkedIn request id",
            "What was sent",
            "// ngozi@lagos.test",
            event.event_id,
        ):
            assert part in text
        assert connection.token() not in text

    def test_opens_in_the_list(self, alice: Client, make_event: MakeEvent) -> None:
        event = make_event(Status.HELD, "rule_unknown")
        text = alice.get(f"{LOG}?open={event.pk}").content.decode()
        assert 'class="trail"' in text
        assert 'aria-expanded="true"' in text
        assert "can wait 79 more days" in text

    def test_what_was_not_sent_yet_is_previewed(
        self, alice: Client, token: str, make_event: MakeEvent
    ) -> None:
        event = make_event(Status.HELD, "rule_unknown")
        text = alice.get(f"{LOG}{event.pk}/").content.decode()
        assert "What would be sent now" in text
        assert "SHA256_EMAIL" in text

    def test_of_an_erased_person_still_opens(self, alice: Client, make_event: MakeEvent) -> None:
        event = make_event(Status.ACCEPTED, lead=None)
        assert alice.get(f"{LOG}{event.pk}/").status_code == 200

    def test_a_foreign_event_is_a_404(
        self, stranger: User, make_event: MakeEvent, client_of: Callable[[User], Client]
    ) -> None:
        event = make_event()
        client = client_of(stranger)
        assert client.get(f"{LOG}{event.pk}/").status_code == 404
        for verb in ("resend", "send-now", "cancel"):
            assert client.post(f"{LOG}{event.pk}/{verb}/").status_code == 404
        assert shown(client.get(f"{LOG}?open={event.pk}").content.decode()) == []


class TestActions:
    def test_resend(self, alice: Client, token: str, make_event: MakeEvent) -> None:
        event = make_event(Status.REJECTED, "refused")
        alice.post(f"{LOG}{event.pk}/resend/")
        event.refresh_from_db()
        assert event.status == Status.PENDING

    def test_what_was_accepted_is_not_resent(self, alice: Client, token: str, make_event: MakeEvent) -> None:
        event = make_event(Status.ACCEPTED)
        answer = alice.post(f"{LOG}{event.pk}/resend/", follow=True)
        event.refresh_from_db()
        assert event.status == Status.ACCEPTED
        assert "cannot be sent again" in answer.content.decode()

    def test_cancel(self, alice: Client, make_event: MakeEvent) -> None:
        event = make_event()
        alice.post(f"{LOG}{event.pk}/cancel/")
        event.refresh_from_db()
        assert event.status == Status.CANCELLED

    def test_send_now(self, alice: Client, token: str, make_event: MakeEvent) -> None:
        event = make_event(settles_at=timezone.now() + timedelta(minutes=2))
        alice.post(f"{LOG}{event.pk}/send-now/")
        event.refresh_from_db()
        assert event.next_attempt_at <= timezone.now()

    def test_who_moved_the_deal_may_skip_its_wait(
        self,
        agent: User,
        company: Company,
        token: str,
        make_event: MakeEvent,
        client_of: Callable[[User], Client],
    ) -> None:
        client = client_of(agent)
        mine = DealFactory(company=company, owner=agent)
        theirs = DealFactory(company=company)
        soon = timezone.now() + timedelta(minutes=2)
        allowed = make_event(deal=mine, event="deal_won", settles_at=soon)
        refused = make_event(deal=theirs, event="deal_won", settles_at=soon)
        assert client.post(f"{LOG}{allowed.pk}/send-now/").status_code == 302
        assert client.post(f"{LOG}{refused.pk}/send-now/").status_code == 403

    def test_a_manager_may_not(
        self, manager: User, make_event: MakeEvent, client_of: Callable[[User], Client]
    ) -> None:
        event = make_event(Status.REJECTED, "refused")
        client = client_of(manager)
        assert "Resend" not in client.get(LOG).content.decode()
        for verb in ("resend", "cancel"):
            assert client.post(f"{LOG}{event.pk}/{verb}/").status_code == 403
        assert client.post(f"{LOG}resend/").status_code == 403

    def test_an_agent_sees_no_log(
        self, agent: User, make_event: MakeEvent, client_of: Callable[[User], Client]
    ) -> None:
        event = make_event()
        client = client_of(agent)
        assert client.get(LOG).status_code == 403
        assert client.get(f"{LOG}{event.pk}/").status_code == 403

    @pytest.mark.parametrize("verb", ["resend", "send-now", "cancel"])
    def test_reading_changes_nothing(self, alice: Client, make_event: MakeEvent, verb: str) -> None:
        event = make_event(Status.REJECTED, "refused")
        assert alice.get(f"{LOG}{event.pk}/{verb}/").status_code == 405


class TestBulk:
    def test_asks_with_the_number_then_sends_those_alone(
        self, alice: Client, token: str, make_event: MakeEvent
    ) -> None:
        refused = [make_event(Status.REJECTED, "last_name_missing") for _ in range(3)]
        other = make_event(Status.REJECTED, "exhausted")
        query = "?status=rejected&reason=last_name_missing"
        assert "Send 3 events again?" in alice.get(f"{LOG}resend/{query}").content.decode()
        assert ConversionEvent.objects.filter(status=Status.PENDING).count() == 0
        alice.post(f"{LOG}resend/{query}")
        assert ConversionEvent.objects.filter(status=Status.PENDING).count() == len(refused)
        other.refresh_from_db()
        assert other.status == Status.REJECTED

    def test_reasons_are_offered_with_their_counts(self, alice: Client, make_event: MakeEvent) -> None:
        make_event(Status.REJECTED, "last_name_missing")
        make_event(Status.REJECTED, "last_name_missing")
        text = alice.get(f"{LOG}?status=rejected").content.decode()
        assert "<b>last name missing</b> 2" in text
        assert "Resend all…" in text


def test_live_events_reach_the_log(
    alice: Client, company: Company, connection: Connection, rules: dict[str, Rule]
) -> None:
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    win_deal(deal, SHELL)
    text = alice.get(LOG).content.decode()
    assert "Settling" in text
    assert "€1,000.00" in text
