"""`capi/…` of the API: connection, rules and the log; the token never comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from capi.models import Connection, ConversionEvent, Rule, Status
from capi.sandbox.world import SANDBOX_TOKEN
from crm.models import Company, Deal, Lead, User
from tests.crm.api.caller import Api, attrs, code
from tests.factories import DealFactory, LeadFactory, RuleFactory

pytestmark = pytest.mark.django_db

MISSING = "0195d3a5-7e33-7d5c-8f7b-000000000000"
TOKEN = "AQX-canary-0123456789-canary"
WON = {
    "name": "Revenue",
    "event": "deal_won",
    "conversion_id": "urn:lla:llaPartnerConversion:23948817",
    "is_active": True,
    "value": "fixed",
    "fixed_amount": "99.5",
    "fixed_currency": "EUR",
    "repeat": "each_cycle",
    "conditions": {"sources": ["Fair"], "min_amount": "100.00"},
}
CONNECTION = {"state", "kind", "reason", "saved_at", "saved_by", "last_accepted_at"}
EVENT = {
    "id", "event_id", "event", "rule", "conversion_id", "lead", "deal", "status", "held_by", "reason", "message",
    "settles_at", "happened_at", "expires_at", "next_attempt_at", "attempts", "possible_duplicate", "value",
    "currency", "identifiers", "is_test", "created_at", "accepted_at",
}  # fmt: skip


@pytest.fixture
def rule(company: Company) -> Rule:
    return RuleFactory(company=company)


@pytest.fixture
def won_deal(company: Company, rules: dict[str, Rule]) -> Deal:
    """A deal over 1,000 euros that was won, with everything it set off."""
    from crm.actions.deals import win_deal
    from tests.factories import SHELL

    return win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)


def events(api: Api, query: str = "") -> list[dict[str, Any]]:
    response = api.get(f"capi/events/?{query}")
    assert response.status_code == 200, response.content
    results: list[dict[str, Any]] = response.json()["results"]
    return results


# ── Connection ─────────────────────────────────────────────────────────────────────────────────────────


class TestConnection:
    def test_without_a_token_there_is_none(self, api: Api) -> None:
        nothing = {"kind": None, "reason": "", "saved_at": None, "saved_by": None, "last_accepted_at": None}
        assert api.get("capi/connection/").json() == {"state": "none", **nothing}
        assert api.delete("capi/connection/").status_code == 204
        assert code(api.post("capi/connection/release/"), 409) == "no_token"

    def test_a_saved_token_is_active_and_never_shown(self, api: Api) -> None:
        saved = api.put("capi/connection/", {"token": TOKEN})
        assert saved.status_code == 200, saved.content
        shown = saved.json()
        assert set(shown) == CONNECTION
        assert (shown["state"], shown["kind"], shown["saved_by"]) == ("active", "direct", "API key Tests")
        assert api.get("capi/connection/").json() == shown
        for answer in (
            saved,
            api.get("capi/connection/"),
            api.put("capi/connection/", {"token": TOKEN, "kind": "x"}),
        ):
            assert b"canary" not in answer.content

    def test_a_member_who_saved_it_is_named(
        self,
        owner: User,
        session_of: Callable[[User], Api],
    ) -> None:
        assert (
            session_of(owner).put("capi/connection/", {"token": TOKEN}).json()["saved_by"]
            == "alice@acme.test"
        )

    @pytest.mark.parametrize(
        "token", ["", "short", "two words of it\u00e9", 5, None, ["x"], "x" * 4001, "nul\x00nul-nul"]
    )
    def test_what_is_no_token_is_refused_without_an_echo(self, api: Api, token: object) -> None:
        refused = api.put("capi/connection/", {"token": token})
        assert attrs(refused) == ["token"]
        assert not Connection.objects.exists()

    def test_a_deleted_token_is_gone(self, api: Api) -> None:
        api.put("capi/connection/", {"token": TOKEN})
        assert api.delete("capi/connection/").status_code == 204
        assert api.get("capi/connection/").json()["state"] == "none"
        assert Connection.objects.get().token_sealed == ""

    def test_a_pause_is_shown_and_ended(self, api: Api, company: Company) -> None:
        from capi.operations import pause_connection
        from tests.factories import SHELL

        api.put("capi/connection/", {"token": TOKEN})
        pause_connection(Connection.objects.get(), SHELL)
        shown = api.get("capi/connection/").json()
        assert (shown["state"], shown["reason"]) == ("paused", "paused_by_person")
        assert api.post("capi/connection/release/").json()["state"] == "active"


# ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────


class TestRules:
    def test_everything_said_of_a_rule_comes_back(self, api: Api) -> None:
        created = api.post("capi/rules/", WON)
        assert created.status_code == 201, created.content
        shown = created.json()
        expected = WON | {"conversion_id": "23948817", "fixed_amount": "99.50"}
        assert {name: shown[name] for name in expected} == expected
        assert (shown["state"], shown["reason"], shown["message"]) == ("active", "", "")
        assert api.get(f"capi/rules/{shown['id']}/").json() == shown
        assert api.get("capi/rules/").json()["results"] == [shown]

    def test_a_won_rule_reports_the_amount_and_has_a_name(self, api: Api) -> None:
        shown = api.post("capi/rules/", {"event": "deal_won", "conversion_id": "23948817"}).json()
        assert (shown["name"], shown["value"], shown["repeat"]) == ("Deal won", "deal_amount", "once")
        assert (shown["fixed_amount"], shown["fixed_currency"], shown["conditions"]) == (None, "", {})

    def test_a_change_leaves_what_it_does_not_name(self, api: Api) -> None:
        before = api.post("capi/rules/", WON).json()
        after = api.patch(f"capi/rules/{before['id']}/", {"is_active": False}).json()
        assert after == before | {"is_active": False, "state": "inactive"}
        assert attrs(api.put(f"capi/rules/{before['id']}/", {"name": "x"})) == ["event", "conversion_id"]

    def test_a_deleted_rule_is_gone_and_its_log_stays(self, api: Api, company: Company, rule: Rule) -> None:
        LeadFactory(company=company)
        assert api.delete(f"capi/rules/{rule.pk}/").status_code == 204
        assert code(api.get(f"capi/rules/{rule.pk}/"), 404) == "not_found"
        assert code(api.post(f"capi/rules/{rule.pk}/test/"), 404) == "not_found"
        assert [(event["rule"], event["status"]) for event in events(api)] == [(str(rule.pk), "cancelled")]

    @pytest.mark.parametrize(
        ("attr", "value"),
        [
            ("event", "deal_paid"),
            ("event", None),
            ("conversion_id", 23948817),
            ("conversion_id", ""),
            ("conversion_id", "abc"),
            ("conversion_id", "0123"),
            ("conversion_id", "-1"),
            ("conversion_id", "1.5"),
            ("conversion_id", "1" * 21),
            ("conversion_id", "urn:li:conversion:1"),
            ("conversion_id", "urn:lla:llaPartnerConversion:"),
            ("conversion_id", "12\x0034"),
            ("name", "x" * 121),
            ("is_active", "yes"),
            ("value", "amount"),
            ("fixed_amount", 5),
            ("fixed_amount", "1,000"),
            ("fixed_amount", "0"),
            ("fixed_amount", "1.005"),
            ("fixed_amount", None),
            ("fixed_currency", "usd"),
            ("fixed_currency", ""),
            ("repeat", "always"),
            ("conditions", []),
            ("conditions.colours", {"colours": ["red"]}),
            ("conditions.sources", {"sources": "Fair"}),
            ("conditions.sources.0", {"sources": [5]}),
            ("conditions.tags.0", {"tags": ["nul \x00"]}),
            ("conditions.min_amount", {"min_amount": 100}),
            ("conditions", {"min_amount": "1,000"}),
            ("state", "active"),
            ("probability", 1),
        ],
    )
    def test_a_wrong_value_is_refused_by_name(self, api: Api, attr: str, value: object) -> None:
        assert attr in attrs(api.post("capi/rules/", WON | {attr.partition(".")[0]: value}))
        assert not Rule.objects.exists()

    def test_a_leads_rule_has_no_amount(self, api: Api) -> None:
        body = {"event": "lead_created", "conversion_id": "1", "value": "deal_amount"}
        assert attrs(api.post("capi/rules/", body)) == ["value"]

    def test_a_hold_is_shown_with_its_sentence_and_ended(self, api: Api, rule: Rule) -> None:
        from capi import holds
        from capi.wording import sentence

        holds.hold(rule, "rule_unknown", sentence("rule_unknown"), timezone.now())
        shown = api.get(f"capi/rules/{rule.pk}/").json()
        assert (shown["state"], shown["reason"]) == ("held", "rule_unknown")
        assert "403" in shown["message"]
        assert api.post(f"capi/rules/{rule.pk}/release/").json()["state"] == "active"

    def test_a_test_needs_a_token(self, api: Api, rule: Rule) -> None:
        assert code(api.post(f"capi/rules/{rule.pk}/test/"), 409) == "no_token"

    def test_a_test_is_sent_and_answered_with_its_event(
        self, api: Api, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        answer = api.post(f"capi/rules/{rules['deal_won'].pk}/test/")
        assert answer.status_code == 202, answer.content
        event = answer.json()
        assert set(event) == EVENT
        assert (event["is_test"], event["status"], event["value"]) == (True, "pending", None)
        assert event["event_id"].startswith("test_")
        deliver()
        assert api.get(f"capi/events/{event['id']}/").json()["status"] == "accepted"

    def test_a_preview_shows_what_would_be_sent(
        self, api: Api, company: Company, rules: dict[str, Rule]
    ) -> None:
        deal = DealFactory(company=company, lead=LeadFactory(company=company, email="John@Example.com"))
        shown = api.get(f"capi/rules/{rules['deal_won'].pk}/preview/?deal={deal.pk}").json()
        element = shown["element"]
        assert element["conversionValue"] == {"currencyCode": "EUR", "amount": "1000.00"}
        hashed = "855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4"
        assert element["user"]["userIds"] == [{"idType": "SHA256_EMAIL", "idValue": hashed}]
        assert [one["code"] for one in shown["missing"]] == ["no_click_id"]

    def test_a_preview_says_what_is_missing(self, api: Api, company: Company, rule: Rule) -> None:
        nobody = LeadFactory(company=company, email="")
        shown = api.get(f"capi/rules/{rule.pk}/preview/?lead={nobody.pk}").json()
        assert shown["element"] is None
        assert (shown["missing"][0]["code"], shown["missing"][0]["blocks"]) == ("no_identifier", True)
        assert shown["missing"][0]["message"]

    @pytest.mark.parametrize(
        ("attr", "query"),
        [("lead", ""), ("lead", "lead={lead}&deal=x"), ("lead", f"lead={MISSING}"), ("deal", f"deal={MISSING}"),
         ("lead", "lead=x"), ("deal", "deal=%00"), ("colour", "lead={lead}&colour=red"), ("deal", "deal={deal}")],
    )  # fmt: skip
    def test_a_preview_needs_a_lead_or_a_deal(
        self, api: Api, company: Company, rule: Rule, attr: str, query: str
    ) -> None:
        subjects = {"lead": LeadFactory(company=company).pk, "deal": DealFactory(company=company).pk}
        assert attrs(api.get(f"capi/rules/{rule.pk}/preview/?{query.format(**subjects)}")) == [attr]


# ── The log ────────────────────────────────────────────────────────────────────────────────────────────


class TestEvents:
    def test_an_event_tells_everything(
        self, api: Api, won_deal: Deal, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        (settling,) = events(api, "event=deal_won")
        assert set(settling) == EVENT
        assert (settling["status"], settling["held_by"], settling["attempts"]) == ("pending", None, 0)
        assert (settling["value"], settling["currency"]) == ("1000.00", "EUR")
        assert (settling["lead"], settling["deal"]) == (str(won_deal.lead_id), str(won_deal.pk))
        assert settling["rule"] == str(rules["deal_won"].pk)
        assert settling["settles_at"] == settling["next_attempt_at"]
        assert settling["possible_duplicate"] is False
        sent = api.post(f"capi/events/{settling['id']}/send-now/")
        assert (sent.status_code, sent.json()["settles_at"]) == (200, None)
        deliver()
        detail = api.get(f"capi/events/{settling['id']}/").json()
        assert set(detail) == EVENT | {"element", "attempts_log"}
        assert (detail["status"], detail["attempts"], detail["identifiers"]) == ("accepted", 1, ["email"])
        assert detail["accepted_at"]
        stored = ConversionEvent.objects.get(pk=settling["id"]).element
        assert json.dumps(detail["element"], separators=(",", ":")) == stored
        (attempt,) = detail["attempts_log"]
        assert set(attempt) == {"at", "status_code", "outcome", "message", "request_id", "duration_ms"}
        assert (attempt["status_code"], attempt["outcome"]) == (200, "accepted")
        assert attempt["request_id"]

    def test_an_event_without_an_element_has_none(self, api: Api, company: Company, rule: Rule) -> None:
        LeadFactory(company=company)
        (held,) = events(api)
        assert (held["status"], held["held_by"], held["reason"]) == ("held", "connection", "no_token")
        assert held["message"]
        assert api.get(f"capi/events/{held['id']}/").json()["element"] is None

    @pytest.mark.parametrize(
        "query",
        ["status=held", "held_by=connection", "reason=no_token", "event=lead_created", "rule={rule}", "lead={lead}",
         "is_test=false", "since=2026-01-01", "until=2199-01-01T00:00:00Z"],
    )  # fmt: skip
    def test_filters_find(self, api: Api, company: Company, rule: Rule, query: str) -> None:
        lead = LeadFactory(company=company)
        assert len(events(api, query.format(rule=rule.pk, lead=lead.pk))) == 1

    @pytest.mark.parametrize(
        "query",
        ["status=accepted", "held_by=rule", "reason=other", "event=deal_won", f"rule={MISSING}", f"lead={MISSING}",
         f"deal={MISSING}", "is_test=true", "since=2199-01-01", "until=2026-01-01"],
    )  # fmt: skip
    def test_filters_leave_out(self, api: Api, company: Company, rule: Rule, query: str) -> None:
        LeadFactory(company=company)
        assert events(api, query) == []

    @pytest.mark.parametrize(
        "query",
        ["status=sent", "held_by=nobody", "event=deal_paid", "rule=x", "lead=1", "deal=%00", "is_test=1", "since=soon",
         "until=1789000000", "reason=%00", "outcome=accepted", "ordering=element", "limit=1000"],
    )  # fmt: skip
    def test_a_filter_that_makes_no_sense_is_refused_by_name(self, api: Api, query: str) -> None:
        assert attrs(api.get(f"capi/events/?{query}")) == [query.partition("=")[0]]

    def test_what_was_accepted_is_not_sent_again(
        self, api: Api, company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        LeadFactory(company=company)
        deliver()
        (accepted,) = events(api)
        for verb in ("resend", "send-now", "cancel"):
            refused = api.post(f"capi/events/{accepted['id']}/{verb}/")
            assert refused.status_code == 409, verb
            assert refused.json()["errors"][0]["detail"]
        assert code(api.post(f"capi/events/{MISSING}/resend/"), 404) == "not_found"

    def test_a_skipped_event_is_sent_after_the_lead_was_corrected(
        self, api: Api, company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        lead = LeadFactory(company=company, email="")
        deliver()
        (skipped,) = events(api, "status=skipped&reason=no_identifier")
        api.patch(f"leads/{lead.pk}/", {"email": "john@customer.test"})
        resent = api.post(f"capi/events/{skipped['id']}/resend/")
        assert (resent.status_code, resent.json()["status"]) == (200, "pending")
        deliver()
        (accepted,) = events(api)
        kept = ("id", "event_id", "happened_at", "value")
        assert accepted["status"] == "accepted"
        assert {name: accepted[name] for name in kept} == {name: skipped[name] for name in kept}

    def test_an_event_that_waits_is_cancelled(self, api: Api, company: Company, rule: Rule) -> None:
        LeadFactory(company=company)
        (held,) = events(api)
        cancelled = api.post(f"capi/events/{held['id']}/cancel/").json()
        assert (cancelled["status"], cancelled["reason"]) == ("cancelled", "cancelled_by_person")

    def test_many_are_sent_again_by_a_filter(
        self, api: Api, company: Company, rules: dict[str, Rule], deliver: Callable[[], int]
    ) -> None:
        leads: list[Lead] = [LeadFactory(company=company, email="") for _ in range(3)]
        deliver()
        one = api.post("capi/events/resend/", {"reason": "no_identifier", "lead": str(leads[0].pk)})
        assert (one.status_code, one.json()) == (200, {"resent": 1})
        soon = (timezone.now() - timedelta(hours=1)).isoformat()
        assert api.post("capi/events/resend/", {"status": "skipped", "since": soon}).json() == {"resent": 2}
        assert ConversionEvent.objects.filter(status=Status.PENDING).count() == 3

    @pytest.mark.parametrize(
        ("attr", "body"),
        [("status", {}), ("status", {"status": "accepted"}), ("rule", {"rule": MISSING}), ("lead", {"lead": "x"}),
         ("since", {"since": 1789000000}), ("colour", {"colour": "red"})],
    )  # fmt: skip
    def test_a_bulk_resend_needs_a_filter_that_makes_sense(self, api: Api, attr: str, body: object) -> None:
        assert attrs(api.post("capi/events/resend/", body)) == [attr]

    @pytest.mark.parametrize("rows", [1, 50])
    def test_a_page_costs_the_same_queries_however_long(
        self,
        api: Api,
        company: Company,
        rule: Rule,
        rows: int,
        django_assert_num_queries: Callable[[int], Any],
    ) -> None:
        for _ in range(rows):
            LeadFactory(company=company)
        api.get("tags/")  # the first use of a key in a day is noted
        with django_assert_num_queries(2):  # the key and the events
            assert len(events(api)) == rows


# ── Tenancy and the lead's own page ────────────────────────────────────────────────────────────────────


def test_another_companys_ids_are_nowhere(
    api: Api,
    company: Company,
    rule: Rule,
    other_company: Company,
    caller_of: Callable[..., Api],
) -> None:
    lead = LeadFactory(company=company)
    (event,) = events(api)
    theirs = caller_of(other_company)
    for method, path in [
        ("get", "capi/rules/{rule}/"), ("put", "capi/rules/{rule}/"), ("patch", "capi/rules/{rule}/"),
        ("delete", "capi/rules/{rule}/"), ("post", "capi/rules/{rule}/test/"), ("post", "capi/rules/{rule}/release/"),
        ("get", "capi/rules/{rule}/preview/"), ("get", "capi/events/{event}/"), ("post", "capi/events/{event}/resend/"),
        ("post", "capi/events/{event}/send-now/"), ("post", "capi/events/{event}/cancel/"),
        ("get", "leads/{lead}/conversions/"),
    ]:  # fmt: skip
        foreign = getattr(theirs, method)(path.format(rule=rule.pk, event=event["id"], lead=lead.pk))
        missing = getattr(theirs, method)(path.format(rule=MISSING, event=MISSING, lead=MISSING))
        assert code(foreign, 404) == "not_found", path
        assert foreign.content == missing.content
    assert theirs.get("capi/events/").json()["results"] == []
    assert theirs.get("capi/rules/").json()["results"] == []
    assert theirs.get("capi/connection/").json()["state"] == "none"
    assert attrs(theirs.post("capi/events/resend/", {"rule": str(rule.pk)})) == ["rule"]
    assert events(api) == [event]


def test_a_lead_says_for_every_rule_what_became_of_it(
    api: Api,
    company: Company,
    rules: dict[str, Rule],
    deliver: Callable[[], int],
) -> None:
    lead = LeadFactory(company=company)
    deliver()
    told = api.get(f"leads/{lead.pk}/conversions/").json()["results"]
    assert [(one["rule_event"], one["state"]) for one in told][:2] == [
        ("lead_created", "sent"),
        ("lead_qualified", "future"),
    ]
    assert len(told) == len(rules)
    assert all(one["message"] for one in told)
    assert told[0]["event"]["status"] == "accepted"
    assert told[1]["event"] is None


def test_an_agent_reads_the_conversions_of_their_own_leads(
    agent: User,
    company: Company,
    rule: Rule,
    session_of: Callable[[User], Api],
) -> None:
    bob = session_of(agent)
    mine, theirs = LeadFactory(company=company, owner=agent), LeadFactory(company=company, owner=None)
    assert bob.get(f"leads/{mine.pk}/conversions/").status_code == 200
    assert code(bob.get(f"leads/{theirs.pk}/conversions/"), 404) == "not_found"


def test_the_token_is_in_no_answer(api: Api, company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    for path in (
        "capi/connection/",
        "capi/rules/",
        "capi/events/",
        "company/",
        f"capi/events/{events(api)[0]['id']}/",
    ):
        assert SANDBOX_TOKEN.encode() not in api.get(path).content
