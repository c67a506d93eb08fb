"""What people do on the LinkedIn side, and what they are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from capi import operations
from capi.models import Connection, ConversionEvent, Rule
from capi.sandbox.running import RunningSandbox
from crm.actions import deals
from crm.errors import Conflict
from crm.models import Company
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory, connect

Deliver = Callable[[], int]


def event() -> ConversionEvent:
    return ConversionEvent.objects.get()


@pytest.mark.parametrize("token", ["", "short", "with\nnewline\x00", "naïve-token-of-acme", "x" * 4001])
def test_what_no_header_can_carry_is_refused(company: Company, token: str) -> None:
    with pytest.raises(ValidationError) as refused:
        operations.save_token(company, token, SHELL)
    assert list(refused.value.message_dict) == ["token"]
    assert not Connection.objects.exists()


def test_the_token_is_stored_sealed_and_bound_to_its_company(company: Company) -> None:
    connect(company, "AQX-canary-token-of-acme")
    connection = Connection.objects.get()
    assert "canary" not in connection.token_sealed
    assert connection.token() == "AQX-canary-token-of-acme"
    assert connection.state == "active"


def test_blanks_of_a_pasted_token_are_removed(company: Company) -> None:
    connect(company, "  AQX-canary-\n token-of-acme ")
    assert Connection.objects.get().token() == "AQX-canary-token-of-acme"


def test_without_its_token_a_connection_holds_everything(company: Company, rules: dict[str, Rule]) -> None:
    LeadFactory(company=company)
    operations.delete_token(Connection.objects.get(), SHELL)
    assert Connection.objects.get().state == "none"
    assert (event().status, event().reason) == ("held", "no_token")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"conversion_id": "abc"}, "conversion_id"),
        ({"conversion_id": "urn:li:llaPartnerConversion:1"}, "conversion_id"),
        ({"conversion_id": ""}, "conversion_id"),
        ({"conversion_id": "0123"}, "conversion_id"),
        ({"conversion_id": "1" * 21}, "conversion_id"),
        ({"event": "lead_lost"}, "event"),
        ({"value": "all"}, "value"),
        ({"value": "deal_amount"}, "value"),
        ({"value": "fixed", "fixed_amount": "1"}, "fixed_currency"),
        ({"value": "fixed", "fixed_currency": "EUR"}, "fixed_amount"),
        ({"value": "fixed", "fixed_currency": "EUR", "fixed_amount": "0"}, "fixed_amount"),
        ({"value": "fixed", "fixed_currency": "ZZZ", "fixed_amount": "1"}, "fixed_currency"),
        ({"conditions": {"weather": ["rain"]}}, "conditions"),
        ({"conditions": {"sources": "Web"}}, "conditions"),
        ({"conditions": {"min_amount": "1,000"}}, "conditions"),
        ({"repeat": "always"}, "repeat"),
        ({"name": "x" * 121}, "name"),
        ({"name": "N\x00L"}, "name"),
    ],
)
def test_a_wrong_rule_is_refused_by_field(company: Company, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RuleFactory(company=company, **changes)
    assert list(refused.value.message_dict) == [field]
    assert not Rule.objects.exists()


def test_a_urn_is_kept_as_its_number(company: Company) -> None:
    rule = RuleFactory(company=company, conversion_id=" urn:lla:llaPartnerConversion:23948811 ")
    assert rule.conversion_id == "23948811"


def test_won_deals_report_their_amount_by_default(company: Company) -> None:
    assert RuleFactory(company=company, event="deal_won").value == "deal_amount"
    assert RuleFactory(company=company, event="deal_created").value == "none"


def test_a_deleted_rule_keeps_its_log_and_cancels_what_waits(
    company: Company, rules: dict[str, Rule]
) -> None:
    LeadFactory(company=company)
    operations.delete_rule(rules["lead_created"], SHELL)
    assert (event().status, event().reason) == ("cancelled", "rule_deleted")
    LeadFactory(company=company)
    assert ConversionEvent.objects.count() == 1
    with pytest.raises(Conflict):
        operations.update_rule(rules["lead_created"], {"is_active": True}, SHELL)


def test_a_rule_switched_off_records_nothing(company: Company, rules: dict[str, Rule]) -> None:
    operations.update_rule(rules["lead_created"], {"is_active": False}, SHELL)
    LeadFactory(company=company)
    assert not ConversionEvent.objects.exists()


@pytest.mark.parametrize(
    ("value", "amount", "sent"),
    [
        ("deal_amount", "62000", '"conversionValue":{"currencyCode":"EUR","amount":"62000.00"}'),
        ("deal_amount", "0", ""),
        ("none", "62000", ""),
    ],
)
def test_the_value_follows_the_rule(
    company: Company, connection: Connection, deliver: Deliver, value: str, amount: str, sent: str
) -> None:
    RuleFactory(company=company, event="deal_created", conversion_id="23948815", value=value)
    DealFactory(company=company, lead=LeadFactory(company=company), amount=amount)
    deliver()
    assert (sent or "eventId") in event().element
    assert ("conversionValue" in event().element) is bool(sent)


def test_the_value_is_the_one_at_the_transition(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    deal = deals.win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)
    deals.update_deal(deal, {"amount": "5"}, SHELL)
    won = ConversionEvent.objects.get(event="deal_won")
    assert won.value == 1000


def test_send_now_ends_the_settling(company: Company, rules: dict[str, Rule], deliver: Deliver) -> None:
    deals.win_deal(DealFactory(company=company, lead=LeadFactory(company=company)), SHELL)
    won = ConversionEvent.objects.get(event="deal_won")
    operations.send_now(won, SHELL)
    deliver()
    won.refresh_from_db()
    assert won.status == "accepted"
    with pytest.raises(Conflict):
        operations.send_now(won, SHELL)


def test_a_cancelled_event_is_never_sent(
    company: Company, rules: dict[str, Rule], deliver: Deliver, sandbox: RunningSandbox
) -> None:
    LeadFactory(company=company)
    operations.cancel(event(), SHELL)
    deliver()
    assert (event().status, event().reason) == ("cancelled", "cancelled_by_person")
    assert sandbox.control.stats().accepted == 0
    for refused in (operations.cancel, operations.resend):
        with pytest.raises(Conflict):
            refused(event(), SHELL)


def test_a_skipped_event_is_rebuilt_when_it_is_resent(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    from crm.actions import leads

    lead = LeadFactory(company=company, email="")
    deliver()
    before = event()
    assert before.reason == "no_identifier"
    leads.update_lead(lead, {"email": "late@customer.test"}, SHELL)
    deliver()
    assert event().status == "skipped"
    operations.resend(event(), SHELL)
    deliver()
    after = event()
    assert (after.status, after.event_id, after.happened_at) == (
        "accepted",
        before.event_id,
        before.happened_at,
    )


def test_what_was_accepted_or_is_too_old_is_not_resent(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    LeadFactory(company=company)
    deliver()
    with pytest.raises(Conflict):
        operations.resend(event(), SHELL)
    ConversionEvent.objects.update(
        status="rejected", accepted_at=None, happened_at=timezone.now() - timedelta(days=90)
    )
    with pytest.raises(Conflict, match="90 days"):
        operations.resend(event(), SHELL)


def test_a_resend_has_until_fifteen_minutes_before_linkedin_s_end(
    company: Company, rules: dict[str, Rule], deliver: Deliver
) -> None:
    LeadFactory(company=company)
    happened_at = timezone.now() - timedelta(days=90) + timedelta(hours=1)
    ConversionEvent.objects.update(
        status="rejected", happened_at=happened_at, expires_at=happened_at + timedelta(days=89, hours=18)
    )
    operations.resend(event(), SHELL)
    deliver()
    assert event().status == "accepted"


def test_a_test_event_is_sent_once_only(company: Company, rules: dict[str, Rule], deliver: Deliver) -> None:
    operations.send_test(rules["lead_created"], SHELL)
    with pytest.raises(Conflict):
        operations.resend(event(), SHELL)


def test_a_test_event_needs_a_token_and_carries_nobody_s_data(
    company: Company, sandbox: RunningSandbox, deliver: Deliver
) -> None:
    rule = RuleFactory(company=company, event="deal_won", conversion_id="23948817")
    with pytest.raises(Conflict):
        operations.send_test(rule, SHELL)
    connect(company)
    operations.send_test(rule, SHELL)
    deliver()
    assert event().status == "accepted"
    assert event().event_id.startswith("test_")
    assert "conversionValue" not in event().element


def test_a_refused_test_event_says_so_and_is_not_tried_again(
    company: Company, connection: Connection, deliver: Deliver
) -> None:
    operations.send_test(RuleFactory(company=company, conversion_id="999"), SHELL)
    deliver()
    assert (event().status, event().reason) == ("rejected", "rule_unknown")
    assert deliver() == 0


def test_releasing_a_rule_tries_it_again(
    company: Company, connection: Connection, sandbox: RunningSandbox, deliver: Deliver
) -> None:
    rule = RuleFactory(company=company, conversion_id="24000001")
    LeadFactory(company=company)
    deliver()
    assert event().held_by == "rule"
    sandbox.control.set_rule(24000001, name="New", account=507404993, type="LEAD")
    rule.refresh_from_db()
    operations.release_rule(rule, SHELL)
    deliver()
    assert event().status == "accepted"


@pytest.mark.parametrize(
    ("conditions", "becomes"),
    [
        ({"sources": ["web form"]}, "accepted"),
        ({"sources": ["Event"]}, "skipped"),
        ({"countries": ["DE", "FR"]}, "accepted"),
        ({"tags": ["VIP"]}, "skipped"),
        ({"types": []}, "accepted"),
    ],
)
def test_conditions_leave_out_what_does_not_fit(
    company: Company, connection: Connection, deliver: Deliver, conditions: dict[str, Any], becomes: str
) -> None:
    RuleFactory(company=company, conditions=conditions)
    LeadFactory(company=company, source="Web form", country_code="DE")
    deliver()
    assert event().status == becomes


def test_a_rule_that_repeats_tells_every_cycle(
    company: Company, connection: Connection, deliver: Deliver
) -> None:
    company.settle_minutes = 0
    company.save()
    RuleFactory(company=company, event="deal_won", conversion_id="23948817", repeat="each_cycle")
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    for _ in range(2):
        deals.win_deal(deal, SHELL)
        deliver()
        deals.reopen_deal(deal, SHELL)
    assert ConversionEvent.objects.filter(status="accepted").count() == 2


def test_by_default_a_second_win_is_not_told(
    company: Company, connection: Connection, deliver: Deliver
) -> None:
    company.settle_minutes = 0
    company.save()
    RuleFactory(company=company, event="deal_won", conversion_id="23948817")
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    for _ in range(2):
        deals.win_deal(deal, SHELL)
        deliver()
        deals.reopen_deal(deal, SHELL)
    assert event().status == "accepted"
