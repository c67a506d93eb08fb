"""`capi/health/` and the page: the same figures, of one company, for those who may see the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from capi import alarms, holds
from capi.health import health
from capi.models import Connection, ConversionEvent, Rule, Status, Worker
from capi.sandbox.running import RunningSandbox
from crm.models import Company, User
from crm.tenancy import company_scope
from tests.factories import LeadFactory, RuleFactory, UserFactory

ApiOf = Callable[..., Client]
API = "/api/v1/capi/health/"
PAGE = "/linkedin/health/"


def test_it_says_what_was_accepted_held_skipped_and_lost(
    company: Company,
    rules: dict[str, Rule],
    sandbox: RunningSandbox,
    deliver: Callable[[], int],
    api_of: ApiOf,
) -> None:
    leads = [LeadFactory(company=company) for _ in range(4)]
    LeadFactory(company=company, email="")
    bad = ConversionEvent.objects.get(lead=leads[3])
    sandbox.control.poison([bad.event_id], indices=True, status=422)
    deliver()
    ConversionEvent.objects.filter(lead=leads[0]).update(unknown_outcomes=1)
    found = api_of(company).get(API).json()
    assert (found["statuses"]["accepted"], found["statuses"]["skipped"], found["statuses"]["rejected"]) == (
        3,
        1,
        1,
    )
    assert {(one["status"], one["reason"], one["count"]) for one in found["reasons"]} >= {
        ("skipped", "no_identifier", 1)
    }
    (lead_rule,) = (one for one in found["rules"] if one["recorded"])
    assert (lead_rule["accepted"], lead_rule["lost"], lead_rule["accepted_percent"]) == (3, 1, 75)
    assert found["accounts"] == {"created": 5, "missing": 0, "adds_up": True}
    assert found["possible_duplicates"] == 1
    assert found["connection"]["state"] == "active"
    assert found["api_version"] == "202609"
    assert found["api_version_days_left"] > 200


def test_the_oldest_due_event_has_an_age(company: Company, rules: dict[str, Rule], api_of: ApiOf) -> None:
    assert api_of(company).get(API).json()["oldest_due_at"] is None
    LeadFactory(company=company)
    ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=3))
    assert 180 <= api_of(company).get(API).json()["oldest_due_seconds"] < 240


def test_what_settles_is_not_due(company: Company, rules: dict[str, Rule], api_of: ApiOf) -> None:
    LeadFactory(company=company)
    ConversionEvent.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=2))
    assert api_of(company).get(API).json()["oldest_due_at"] is None


def test_a_hold_names_its_rule(
    company: Company, rules: dict[str, Rule], api_of: ApiOf, connection: Connection
) -> None:
    other = RuleFactory(company=company, conversion_id="23948813", name="Other")
    LeadFactory(company=company)
    for rule in (rules["lead_created"], other):
        rule.refresh_from_db()
        holds.hold(rule, "rule_unknown", "LinkedIn does not know it.", timezone.now())
    holds.apply(connection, timezone.now())
    reasons = api_of(company).get(API).json()["reasons"]
    assert {(one["held_by"], one["rule"], one["count"]) for one in reasons} == {
        ("rule", str(rules["lead_created"].pk), 1),
        ("rule", str(other.pk), 1),
    }


def test_alarms_that_are_open_are_shown(
    company: Company, owner: User, connection: Connection, api_of: ApiOf
) -> None:
    holds.hold(connection, "token_revoked", "The token was revoked.", timezone.now())
    alarms.watch(company, timezone.now())
    (alarm,) = api_of(company).get(API).json()["alarms"]
    assert (alarm["kind"], alarm["message"]) == ("token", "The token was revoked.")


def test_it_is_about_one_company(
    company: Company, rules: dict[str, Rule], other_company: Company, api_of: ApiOf
) -> None:
    LeadFactory(company=company)
    with company_scope(other_company):
        found = api_of(other_company).get(API).json()
    assert found["accounts"]["created"] == 0
    assert found["rules"] == []
    assert found["connection"]["state"] == "none"


def test_an_agent_may_not_see_it(company: Company, agent: User, client_of: Callable[[User], Client]) -> None:
    assert client_of(agent).get(API).status_code == 403
    assert client_of(agent).get(PAGE).status_code == 403


def test_a_deaf_worker_is_noticed_when_something_is_due(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    now = timezone.now()
    worker = Worker.objects.create(name="here", asked_at=now)
    assert not health(company, now + timedelta(seconds=100)).is_deaf
    assert health(company, now + timedelta(seconds=130)).is_deaf
    worker.asked_at = now + timedelta(seconds=129)
    worker.save()
    assert not health(company, now + timedelta(seconds=130)).is_deaf


class TestPage:
    @pytest.fixture
    def browser(self, owner: User, client_of: Callable[[User], Client]) -> Client:
        return client_of(owner)

    def test_nothing_there_yet(self, browser: Client) -> None:
        text = browser.get(PAGE).content.decode()
        assert "Not connected." in text
        assert "There is no rule yet." in text
        assert "It adds up." in text

    def test_it_flows(
        self, browser: Client, company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        LeadFactory(company=company)
        deliver()
        text = browser.get(PAGE).content.decode()
        assert "Flowing." in text
        assert "nothing waits that is due" in text

    def test_what_is_held_can_be_mended(
        self, browser: Client, company: Company, rules: dict[str, Rule]
    ) -> None:
        LeadFactory(company=company)
        rule = Rule.objects.get(event="lead_created")
        holds.hold(rule, "rule_disabled", "The conversion is disabled in LinkedIn.", timezone.now())
        holds.apply(Connection.objects.get(), timezone.now())
        text = browser.get(PAGE).content.decode()
        assert "The conversion is disabled in LinkedIn." in text
        assert f'href="/linkedin/rules/{rule.pk}/"' in text
        assert "more days" in text

    def test_who_only_looks_is_led_to_the_events(
        self, company: Company, rules: dict[str, Rule], client_of: Callable[[User], Client]
    ) -> None:
        LeadFactory(company=company)
        rule = Rule.objects.get(event="lead_created")
        holds.hold(rule, "rule_disabled", "Disabled.", timezone.now())
        holds.apply(Connection.objects.get(), timezone.now())
        manager = UserFactory(company=company, role="manager")
        text = client_of(manager).get(PAGE).content.decode()
        assert f'href="/linkedin/rules/{rule.pk}/"' not in text
        assert "held_by=rule" in text

    def test_events_that_vanished_are_the_first_thing_said(
        self, browser: Client, company: Company, rules: dict[str, Rule]
    ) -> None:
        LeadFactory(company=company)
        ConversionEvent.objects.all().delete()
        assert "The events do not add up." in browser.get(PAGE).content.decode()

    def test_nobody_sends(self, browser: Client, company: Company, rules: dict[str, Rule]) -> None:
        LeadFactory(company=company)
        ConversionEvent.objects.update(next_attempt_at=timezone.now() - timedelta(hours=1))
        assert "Nobody is sending." in browser.get(PAGE).content.decode()

    def test_many_events_take_no_more_queries(
        self,
        browser: Client,
        company: Company,
        rules: dict[str, Rule],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for reason in ("no_identifier", "consent_denied", "spam_lead"):
            for _ in range(20):
                LeadFactory(company=company)
            ConversionEvent.objects.filter(status=Status.PENDING).update(status=Status.SKIPPED, reason=reason)
        with django_assert_max_num_queries(32):
            browser.get(PAGE)
