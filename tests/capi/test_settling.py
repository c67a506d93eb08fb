"""What an answer means when something else happened while it was under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from capi import claiming, delivery, operations
from capi.models import Attempt, Connection, ConversionEvent, Rule, Status
from capi.outcome import Answer, classify
from capi.sandbox.running import RunningSandbox
from crm.actions import deals
from crm.models import Company
from tests.factories import SHELL, DealFactory, LeadFactory, RuleFactory

Deliver = Callable[[], int]
Sent = tuple[claiming.Batch, list[ConversionEvent]]

REVOKED = '{"status":401,"serviceErrorCode":65601,"code":"REVOKED_ACCESS_TOKEN","message":"revoked"}'
DISABLED = (
    '{"status":400,"message":"Conversion is associated to a conversion that\'s marked as deleted. '
    'Conversion enabled should be true, indices [0] (0-indexed)"}'
)


@pytest.fixture
def on_its_way(company: Company, rules: dict[str, Rule]) -> Sent:
    """One event of the rule for new leads, noted and sent; nobody has read the answer yet."""
    LeadFactory(company=company)
    return take(company)


def take(company: Company) -> Sent:
    batch = claiming.claim(company, timezone.now())
    assert isinstance(batch, claiming.Batch)
    return batch, delivery._prepare(batch)


def answered(sent: Sent, status: int, body: str) -> None:
    batch, events = sent
    found = classify(Answer(status, body), [event.conversion_id for event in events], timezone.now())
    delivery.settle(batch, events, found, timezone.now(), status_code=status, duration_ms=1)


def lease_ends() -> None:
    ConversionEvent.objects.filter(status=Status.SENDING).update(lease_until=timezone.now())


def test_a_token_that_was_replaced_meanwhile_is_not_held_for_the_old_one(
    company: Company, on_its_way: Sent, sandbox: RunningSandbox, deliver: Deliver
) -> None:
    sandbox.control.add_token("a-fresh-token-of-acme", [507404993])
    operations.save_token(company, "a-fresh-token-of-acme", SHELL)
    answered(on_its_way, 401, REVOKED)
    assert Connection.objects.get().state == "active"
    deliver()
    assert ConversionEvent.objects.get().status == Status.ACCEPTED


def test_an_answer_after_the_lease_says_nothing_of_the_line(company: Company, on_its_way: Sent) -> None:
    """Somebody else has been told to wait since."""
    lease_ends()
    second = take(company)
    answered(second, 429, "{}")
    waits_until = Connection.objects.get().waits_until
    assert waits_until
    answered(on_its_way, 200, '{"elements":[{"status":201}]}')
    assert Connection.objects.get().waits_until == waits_until
    assert Attempt.objects.get(pk=on_its_way[0].lease).status_code == 200


def test_an_answer_after_the_lease_holds_nothing(company: Company, on_its_way: Sent) -> None:
    lease_ends()
    answered(take(company), 200, '{"elements":[{"status":201}]}')
    answered(on_its_way, 401, REVOKED)
    assert Connection.objects.get().state == "active"
    assert ConversionEvent.objects.get().status == Status.ACCEPTED


def test_what_is_refused_for_a_conversion_that_its_rule_has_no_more_is_issued_anew(
    rules: dict[str, Rule], on_its_way: Sent, sandbox: RunningSandbox, deliver: Deliver
) -> None:
    operations.update_rule(rules["lead_created"], {"conversion_id": "23948820"}, SHELL)
    answered(on_its_way, 400, DISABLED)
    deliver()
    old, new = ConversionEvent.objects.order_by("created_at")
    assert (old.status, old.reason, old.conversion_id) == ("cancelled", "rule_changed", "23948811")
    assert (new.status, new.conversion_id) == ("accepted", "23948820")
    assert sandbox.control.stats().requests == 1


def test_what_linkedin_may_have_ends_when_its_conversion_is_refused_and_not_the_rules(
    company: Company, rules: dict[str, Rule], on_its_way: Sent, sandbox: RunningSandbox
) -> None:
    """Nothing holds it, so it would be sent eight times a second until it is too old."""
    sandbox.control.set_rule(23948811, enabled=False)
    lease_ends()
    claiming.tidy(company, Connection.objects.get(), timezone.now())  # the first outcome is unknown
    operations.update_rule(rules["lead_created"], {"conversion_id": "23948820"}, SHELL)
    delivery.deliver_turn(company.pk)
    event = ConversionEvent.objects.get()
    assert (event.status, event.reason, event.unknown_outcomes) == ("rejected", "rule_disabled", 1)
    assert not event.rule.is_held
    assert sandbox.control.stats().requests == 1


def test_what_comes_back_to_a_rule_that_was_deleted_is_cancelled(
    rules: dict[str, Rule], on_its_way: Sent, deliver: Deliver
) -> None:
    operations.delete_rule(rules["lead_created"], SHELL)
    answered(on_its_way, 503, "")
    event = ConversionEvent.objects.get()
    assert (event.status, event.reason) == ("cancelled", "rule_deleted")


def test_a_conversion_id_that_is_changed_back_loses_nothing(company: Company) -> None:
    """The row of the first id is there already, so a new one would be taken for a second recording."""
    rule = RuleFactory(company=company, conversion_id="23948811")
    LeadFactory(company=company, attribution={"event_id": "browser.123"})
    operations.update_rule(rule, {"conversion_id": "23948820"}, SHELL)
    operations.update_rule(rule, {"conversion_id": "23948811"}, SHELL)
    rows = ConversionEvent.objects.values_list("conversion_id", "event_id", "status")
    assert set(rows) == {
        ("23948811", "browser.123", "held"),  # there is no token
        ("23948820", "browser.123", "cancelled"),
    }


@pytest.mark.parametrize("ending", ["a fault", "a death"])
def test_a_win_that_was_undone_on_its_way_is_not_sent_again(
    company: Company, rules: dict[str, Rule], sandbox: RunningSandbox, deliver: Deliver, ending: str
) -> None:
    company.settle_minutes = 0
    company.save()
    deal = DealFactory(company=company, lead=LeadFactory(company=company))
    ConversionEvent.objects.update(status=Status.CANCELLED)
    deals.win_deal(deal, SHELL)
    sent = take(company)
    deals.reopen_deal(deal, SHELL)
    if ending == "a fault":
        answered(sent, 503, "")
    else:
        lease_ends()
        deliver()
    won = ConversionEvent.objects.get(event="deal_won")
    assert (won.status, won.reason) == ("cancelled", "undone")
    assert sandbox.control.stats().requests == 0
