"""What happens by itself: in the transaction of the change, or at night; once, and written down."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from crm.actions import automations, deals, leads, tasks
from crm.actions.automations import add_rule
from crm.actor import Actor
from crm.models import (
    AssignmentRule,
    AutomationEntry,
    Company,
    Lead,
    LeadStatus,
    LeadType,
    Membership,
    Notification,
    Stage,
    StageTask,
    StatusCategory,
    Task,
    User,
)
from crm.tenancy import company_scope
from tests.factories import SHELL, DealFactory, LeadFactory, UserFactory

FORM = Actor("capture", label="Web form")


@pytest.fixture
def mia(company: Company) -> User:
    return UserFactory(email="mia@acme.test", first_name="Mia", company=company, role="manager")


def arrived(company: Company, actor: Actor = FORM, **changes: Any) -> Lead:
    return leads.create_lead(company, {"first_name": "Annika", **changes}, actor)


def log() -> list[str]:
    return list(AutomationEntry.objects.order_by("at", "pk").values_list("text", flat=True))


# ── On arrival ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_rule_that_fits_decides(company: Company, owner: User, agent: User, mia: User) -> None:
    demo = LeadType.objects.get(key="demo-request")
    add_rule(company, SHELL, [mia], source="Fair", country_code="DE")
    add_rule(company, SHELL, [agent], lead_type=demo)
    assert arrived(company, source="fair", country_code="DE", lead_type=demo).owner == mia
    assert arrived(company, source="Fair", country_code="AT", lead_type=demo).owner == agent
    assert arrived(company, source="Fair").owner == owner  # the fallback owner
    assert log()[0] == "Annika went to Mia Berg0. Rule: Fair, DE".replace("Mia Berg0", str(mia))
    assert len(log()) == 2


def test_several_take_turns_and_who_has_left_takes_none(
    company: Company, owner: User, agent: User, mia: User
) -> None:
    add_rule(company, SHELL, [owner, agent, mia])
    assert [arrived(company).owner for _ in range(4)] == [owner, agent, mia, owner]
    Membership.objects.filter(user=agent).update(is_active=False)
    assert [arrived(company).owner for _ in range(3)] == [mia, owner, mia]
    Membership.objects.update(is_active=False)
    AssignmentRule.objects.update(last_given=None)
    company.fallback_owner = None
    assert arrived(company).owner is None


@pytest.mark.parametrize("channel", ["api", "import", "capture", "linkedin", "shell"])
def test_whatever_the_door(company: Company, agent: User, channel: Any) -> None:
    add_rule(company, SHELL, [agent])
    assert arrived(company, Actor(channel)).owner == agent


def test_who_adds_a_lead_by_hand_keeps_it(company: Company, owner: User, agent: User) -> None:
    add_rule(company, SHELL, [agent])
    assert arrived(company, Actor("web", user=owner)).owner == owner


def test_an_owner_who_was_named_stays(company: Company, owner: User, agent: User) -> None:
    add_rule(company, SHELL, [agent])
    assert arrived(company, owner=owner).owner == owner
    assert arrived(company, owner=None).owner is None
    assert log() == []


def test_a_rule_that_is_off_does_nothing(company: Company, owner: User, agent: User) -> None:
    rule = add_rule(company, SHELL, [agent])
    automations.switch(rule, SHELL, is_on=False)
    assert arrived(company).owner == owner


def test_a_refused_lead_takes_no_turn(company: Company, owner: User, agent: User) -> None:
    add_rule(company, SHELL, [owner, agent])
    with pytest.raises(ValidationError):
        arrived(company, email="no address")
    assert arrived(company).owner == owner


def test_the_new_owner_is_told(company: Company, agent: User) -> None:
    add_rule(company, SHELL, [agent])
    arrived(company)
    assert Notification.objects.get(user=agent).text == "Annika is your lead now."


def test_rules_are_put_in_order(company: Company, agent: User) -> None:
    first, second, third = (add_rule(company, SHELL, [agent], source=name) for name in "abc")
    automations.move_rule(third, -1, SHELL)
    automations.move_rule(first, 1, SHELL)
    automations.move_rule(third, -1, SHELL)
    assert [rule.source for rule in AssignmentRule.objects.all()] == ["c", "a", "b"]
    automations.remove(second, SHELL)
    assert AssignmentRule.objects.count() == 2


def test_a_rule_needs_members(company: Company, stranger: User) -> None:
    for people in ([], [stranger]):
        with pytest.raises(ValidationError, match="Choose who"):
            add_rule(company, SHELL, people)


# ── Spam ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def spam(company: Company) -> LeadStatus:
    return LeadStatus.objects.create(
        company=company, name="Junk", key="junk", category=StatusCategory.SPAM, position=9
    )


def test_spam_is_archived_by_status_or_tag_and_written_down(company: Company, spam: LeadStatus) -> None:
    junk, tagged, good = (
        LeadFactory(company=company, first_name="Junk", status=spam),
        LeadFactory(company=company, first_name="Tagged", tags=["Spam"]),
        LeadFactory(company=company),
    )
    assert automations.clean_spam(company) == 0  # off at first
    automations.switch_spam(company, SHELL, is_on=True)
    assert [automations.clean_spam(company) for _ in range(2)] == [2, 0]
    assert set(Lead.objects.current()) == {good}
    assert log() == [f"Archived {junk} as spam.", f"Archived {tagged} as spam."]


def test_what_a_person_restores_stays(company: Company, spam: LeadStatus) -> None:
    lead = LeadFactory(company=company, status=spam)
    automations.switch_spam(company, SHELL, is_on=True)
    automations.clean_spam(company)
    Lead.objects.filter(pk=lead.pk).update(archived_at=None)
    assert automations.clean_spam(company) == 0


# ── Follow-up ──────────────────────────────────────────────────────────────────────────────────────────


def silent(company: Company, owner: User | None, days: int = 20, **changes: Any) -> Lead:
    lead: Lead = LeadFactory(company=company, owner=owner, **changes)
    Lead.objects.filter(pk=lead.pk).update(last_touch_at=timezone.now() - dt.timedelta(days=days))
    return lead


def turn_on(company: Company, days: int = 14, *, makes_task: bool = True) -> None:
    automations.set_follow_up(company, SHELL, is_on=True, days=days, makes_task=makes_task)


def test_an_untouched_lead_makes_one_task_a_silence(company: Company, agent: User) -> None:
    lead = silent(company, agent)
    silent(company, agent, days=13)
    silent(company, None)
    assert automations.follow_up(company) == 0  # off at first
    turn_on(company)
    assert [automations.follow_up(company) for _ in range(2)] == [1, 0]
    task = Task.objects.get()
    assert (task.lead, task.people, task.due_on) == (lead, [agent], company.local_now().date())
    tasks.finish_task(task, SHELL)  # a touch: a new silence begins
    assert automations.follow_up(company) == 0
    assert automations.follow_up(company, timezone.now() + dt.timedelta(days=15)) >= 1
    assert Task.objects.filter(lead=lead).count() == 2


def test_it_may_be_a_notification(company: Company, agent: User) -> None:
    silent(company, agent, first_name="Annika", last_name="S")
    turn_on(company, makes_task=False)
    Notification.objects.all().delete()
    automations.follow_up(company)
    assert Notification.objects.get().text == "Nobody has touched Annika S for 14 days."
    assert not Task.objects.exists()


@pytest.mark.parametrize("status", ["won", "lost"])
def test_closed_and_test_leads_are_left_alone(company: Company, agent: User, status: str) -> None:
    silent(company, agent, status=LeadStatus.objects.get(key=status))
    silent(company, agent, is_test=True)
    turn_on(company)
    assert automations.follow_up(company) == 0


def test_nobody_is_buried(company: Company, agent: User, mia: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automations, "MOST_A_PERSON", 2)
    for person in (agent, agent, agent, mia):
        silent(company, person)
    turn_on(company)
    assert [automations.follow_up(company) for _ in range(3)] == [3, 1, 0]


def test_days_have_bounds(company: Company) -> None:
    for days in (0, 366):
        with pytest.raises(ValidationError):
            turn_on(company, days)


# ── Stages ─────────────────────────────────────────────────────────────────────────────────────────────


def test_entering_a_stage_makes_its_task(company: Company, agent: User) -> None:
    proposal = Stage.objects.get(pipeline__key="sales", key="proposal")
    discovery = Stage.objects.get(pipeline__key="sales", key="discovery")
    automations.add_stage_task(company, SHELL, proposal, "Send the quote", 2)
    deal = DealFactory(company=company, owner=agent)
    assert not Task.objects.exists()
    for stage in (proposal, discovery, proposal):
        deals.move_deal(deal, stage, SHELL)
    task = Task.objects.get()  # the second time the first one is still open
    assert (task.deal, task.people) == (deal, [agent])
    assert task.due_on == company.local_now().date() + dt.timedelta(days=2)
    assert log() == [f"{deal} entered Proposal: added the task “Send the quote”."]
    tasks.finish_task(task, SHELL)
    deals.move_deal(deal, discovery, SHELL)
    deals.move_deal(deal, proposal, SHELL)
    assert Task.objects.count() == 2


def test_a_new_deal_enters_its_stage_too_and_an_import_does_not(company: Company, agent: User) -> None:
    first = Stage.objects.get(pipeline__key="sales", key="qualification")
    rule = automations.add_stage_task(company, SHELL, first, "Call", 0)
    DealFactory(company=company, actor=Actor("import"))
    assert not Task.objects.exists()
    DealFactory(company=company)
    assert Task.objects.count() == 1
    automations.switch(rule, SHELL, is_on=False)
    DealFactory(company=company)
    assert Task.objects.count() == 1


# ── The schedule ───────────────────────────────────────────────────────────────────────────────────────


def test_the_night_is_that_of_each_company(
    company: Company, agent: User, spam: LeadStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = LeadFactory(company=company, status=spam)
    automations.switch_spam(company, SHELL, is_on=True)
    night = dt.datetime(2026, 11, 20, 2, 20, tzinfo=dt.UTC)  # three o'clock in Berlin
    for hours, is_archived in ((-1, False), (0, True)):
        with monkeypatch.context() as patch:
            patch.setattr(
                "crm.models.company.timezone.now", lambda hours=hours: night + dt.timedelta(hours=hours)
            )
            automations.run_due()
        lead.refresh_from_db()
        assert lead.is_archived is is_archived


def test_the_command_does_it_at_once(company: Company, spam: LeadStatus, capsys: Any) -> None:
    LeadFactory(company=company, status=spam)
    automations.switch_spam(company, SHELL, is_on=True)
    call_command("automations")
    assert capsys.readouterr().out.startswith("1 leads were dealt with")


def test_another_company_is_left_alone(company: Company, other_company: Company, spam: LeadStatus) -> None:
    with company_scope(other_company):
        theirs = LeadFactory(company=other_company, tags=["spam"])
    automations.switch_spam(company, SHELL, is_on=True)
    automations.run_now()
    with company_scope(other_company):
        assert Lead.objects.current().get() == theirs


def test_a_stage_that_goes_takes_its_rules_along(company: Company) -> None:
    stage = Stage.objects.get(pipeline__key="sales", key="proposal")
    automations.add_stage_task(company, SHELL, stage, "Send the quote", 2)
    stage.delete()
    assert not StageTask.objects.exists()
