"""The page of automations: rules, switches, and the log."""

from __future__ import annotations

import pytest

from crm.actions import automations, leads
from crm.actor import Actor
from crm.models import AssignmentRule, AuditEntry, Automations, Company, Stage, StageTask, User
from tests.crm.views.conftest import Browser
from tests.factories import SHELL

PAGE = "settings_automations"


def test_a_rule_is_added_moved_switched_and_removed(
    alice: Browser, company: Company, owner: User, agent: User
) -> None:
    for source in ("Fair", "Web form"):
        alice.post("settings_automation_rule_add", source=source, users=[str(owner.pk), str(agent.pk)])
    first, second = AssignmentRule.objects.all()
    page = alice.seen(PAGE)
    assert page.index("Source Fair") < page.index("Source Web form")
    assert f"In turn: {owner}, {agent}" in page
    alice.post("settings_automation_rule", second.pk, do="up")
    alice.post("settings_automation_rule", first.pk, do="off")
    assert [(rule.source, rule.is_on) for rule in AssignmentRule.objects.all()] == [
        ("Web form", True),
        ("Fair", False),
    ]
    alice.post("settings_automation_rule", first.pk, do="remove")
    assert AssignmentRule.objects.get() == second
    assert AuditEntry.objects.filter(action="automation_changed").count() == 5


def test_a_rule_for_nobody_is_refused_beside_the_field(alice: Browser) -> None:
    answer = alice.post("settings_automation_rule_add", source="Fair")
    assert answer.status_code == 422
    assert "Choose who is to get these leads." in answer.content.decode()


def test_the_fallback_owner_is_chosen(alice: Browser, company: Company, agent: User) -> None:
    alice.post("settings_automation_fallback", owner=str(agent.pk))
    company.refresh_from_db()
    assert company.fallback_owner == agent


def test_the_night_s_work_is_switched(alice: Browser) -> None:
    alice.post("settings_automation_spam", wanted="on")
    alice.post("settings_automation_follow_up", wanted="on", days="30", how="notification")
    found = Automations.objects.get()
    assert (found.cleans_spam, found.follows_up, found.follow_up_days, found.follow_up_makes_task) == (
        True,
        True,
        30,
        False,
    )
    alice.post("settings_automation_spam", wanted="off")
    assert not Automations.objects.get().cleans_spam


@pytest.mark.parametrize("days", ["0", "366", "", "x"])
def test_wrong_days_are_refused(alice: Browser, days: str) -> None:
    answer = alice.post("settings_automation_follow_up", wanted="on", days=days, how="task")
    assert answer.status_code == 422
    assert not Automations.objects.exists()


def test_a_stage_gets_a_task(alice: Browser) -> None:
    stage = Stage.objects.get(pipeline__key="sales", key="proposal")
    alice.post("settings_automation_stage_add", stage=str(stage.pk), title="Send the quote", days="2")
    rule = StageTask.objects.get()
    assert "Sales, Proposal; due 2 days later" in alice.seen(PAGE)
    alice.post("settings_automation_stage", rule.pk, do="off")
    rule.refresh_from_db()
    assert not rule.is_on
    alice.post("settings_automation_stage", rule.pk, do="remove")
    assert not StageTask.objects.exists()


def test_what_was_done_is_in_the_log(alice: Browser, company: Company, agent: User) -> None:
    automations.add_rule(company, SHELL, [agent], source="Fair")
    leads.create_lead(company, {"first_name": "Annika", "source": "Fair"}, Actor("capture"))
    assert f"Annika went to {agent}. Rule: Fair" in alice.seen(PAGE)
    assert "Annika went to" in alice.seen(PAGE, query="?log=assignment")
    assert "Annika went to" not in alice.seen(PAGE, query="?log=spam")


def test_agents_do_not_come_in(bob: Browser) -> None:
    assert bob.get(PAGE).status_code == 403
