"""Tasks through their one door: who they are for, what stays on the timeline, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from crm.actions import erase, members, tasks
from crm.actions.leads import archive_lead
from crm.actions.tasks import Step
from crm.actor import Actor
from crm.models import Activity, Company, Membership, Task, User
from crm.models.activity import ActivityKind
from tests.factories import SHELL, DealFactory, LeadFactory, UserFactory

NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=ZoneInfo("Europe/Berlin"))
TODAY = NOON.date()


def made(company: Company, actor: Actor = SHELL, **changes: Any) -> Task:
    return tasks.create_task(company, {"title": "Call", **changes}, actor)


def told(task: Task) -> list[tuple[str, str, str]]:
    rows = Activity.objects.filter(kind=ActivityKind.TASK).order_by("at", "pk")
    return [(row.field, row.old, row.new) for row in rows]


def test_a_task_is_for_whoever_adds_it(company: Company, agent: User) -> None:
    assert made(company, Actor("web", user=agent)).people == [agent]


def test_a_task_that_the_product_adds_is_for_the_owner_of_the_record(company: Company, agent: User) -> None:
    lead = LeadFactory(company=company, owner=agent)
    assert made(company, lead=lead).people == [agent]
    assert made(company, deal=DealFactory(company=company, lead=lead, owner=agent)).people == [agent]
    assert made(company).people == []


def test_a_task_has_several_people_and_steps(company: Company, owner: User, agent: User) -> None:
    task = made(company, assignees=[owner, agent, owner], subtasks=[Step("One", is_done=True), Step("Two")])
    assert task.people == [owner, agent]
    assert [(step.title, step.is_done) for step in task.subtasks.all()] == [("One", True), ("Two", False)]


def test_everything_is_on_the_timeline_of_the_record(company: Company) -> None:
    task = made(company, lead=LeadFactory(company=company))
    tasks.update_task(task, {"due_on": TODAY, "priority": 1}, SHELL)
    tasks.update_task(task, {"notes": "Nobody reads of this"}, SHELL)
    tasks.finish_task(task, SHELL)
    tasks.finish_task(task, SHELL)
    tasks.reopen_task(task, SHELL)
    tasks.delete_task(task, SHELL)
    assert told(task) == [
        ("added", "", "Call"),
        ("changed", "due date, priority", "Call"),
        ("finished", "", "Call"),
        ("reopened", "", "Call"),
        ("deleted", "", "Call"),
    ]


def test_doing_a_task_touches_the_lead_and_adding_one_does_not(company: Company) -> None:
    lead = LeadFactory(company=company, occurred_at=NOON - dt.timedelta(days=100))
    task = made(company, lead=lead)
    lead.refresh_from_db()
    assert lead.last_touch_at == NOON - dt.timedelta(days=100)
    tasks.finish_task(task, SHELL)
    lead.refresh_from_db()
    task.refresh_from_db()
    assert lead.last_touch_at == task.done_at


def test_who_did_it_and_when_is_kept(company: Company, agent: User) -> None:
    task = tasks.finish_task(made(company), Actor("web", user=agent))
    assert task.done_by == agent
    assert task.done_at is not None
    assert tasks.reopen_task(task, SHELL).done_at is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 161}, "title"),
        ({"title": "N\x00UL"}, "title"),
        ({"notes": "\ud800"}, "notes"),
        ({"due_time": dt.time(9)}, "due_on"),
        ({"due_on": dt.date(1, 1, 1)}, "due_on"),
        ({"priority": 9}, "priority"),
        ({"subtasks": [Step(" ")]}, "subtasks"),
        ({"subtasks": [Step("x" * 161)]}, "subtasks"),
        ({"subtasks": [Step("x")] * 51}, "subtasks"),
    ],
)
def test_what_is_wrong_is_refused_by_name(company: Company, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        made(company, **changes)
    assert field in refusal.value.message_dict
    assert not Task.objects.exists()


def test_a_stranger_is_not_assigned(company: Company, stranger: User) -> None:
    with pytest.raises(ValidationError, match="active members"):
        made(company, assignees=[stranger])


def test_a_task_is_about_one_record(company: Company) -> None:
    lead = LeadFactory(company=company)
    deal = DealFactory(company=company, lead=lead)
    with pytest.raises(ValidationError, match="not about both"):
        made(company, lead=lead, deal=deal)
    task = tasks.update_task(made(company, lead=lead), {"deal": deal}, SHELL)
    assert (task.lead, task.deal) == (None, deal)
    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.filter(pk=task.pk).update(lead=lead)


def test_an_hour_goes_with_its_day(company: Company) -> None:
    task = made(company, due_on=TODAY, due_time=dt.time(9, 30))
    assert tasks.update_task(task, {"due_on": None}, SHELL).due_time is None


@pytest.mark.parametrize(
    ("due_on", "due_time", "is_late"),
    [
        (TODAY - dt.timedelta(days=1), None, True),
        (TODAY - dt.timedelta(days=1), dt.time(23, 59), True),
        (TODAY, None, False),  # it has its whole day
        (TODAY, dt.time(11, 59), True),
        (TODAY, dt.time(12, 1), False),
        (TODAY + dt.timedelta(days=1), dt.time(0), False),
        (None, None, False),
    ],
)
def test_overdue_is_by_the_company_s_clock(
    company: Company, due_on: dt.date | None, due_time: dt.time | None, is_late: bool
) -> None:
    task = made(company, due_on=due_on, due_time=due_time)
    assert task.is_late(NOON) is is_late
    assert Task.objects.overdue(NOON).exists() is is_late
    tasks.finish_task(task, SHELL)
    assert not Task.objects.overdue(NOON).exists()


def test_the_most_overdue_comes_first_and_no_day_last(company: Company) -> None:
    for title, changes in {
        "never": {},
        "tomorrow": {"due_on": TODAY + dt.timedelta(days=1)},
        "today": {"due_on": TODAY},
        "today, matters": {"due_on": TODAY, "priority": 1},
        "at nine": {"due_on": TODAY, "due_time": dt.time(9)},
        "late": {"due_on": TODAY - dt.timedelta(days=2)},
    }.items():
        made(company, title=title, **changes)
    found = [task.title for task in Task.objects.all().soonest()]
    assert found == ["late", "at nine", "today, matters", "today", "tomorrow", "never"]


def test_tasks_of_archived_records_rest(company: Company, owner: User) -> None:
    lead = LeadFactory(company=company)
    made(company, lead=lead)
    archive_lead(lead, SHELL)
    assert not Task.objects.current().exists()
    assert Task.objects.exists()


def test_open_tasks_go_to_the_heir_of_who_leaves(company: Company, owner: User, agent: User) -> None:
    other = UserFactory(company=company)
    alone, shared = made(company, assignees=[agent]), made(company, assignees=[agent, other])
    did = tasks.finish_task(made(company, assignees=[agent]), SHELL)
    members.deactivate_member(Membership.objects.get(user=agent), SHELL, other)
    people = {task.pk: task.people for task in Task.objects.for_list()}
    assert people == {alone.pk: [other], shared.pk: [other], did.pk: [agent]}


def test_an_erased_person_s_tasks_are_gone_and_those_of_their_deals_forget_them(company: Company) -> None:
    lead = LeadFactory(company=company, first_name="Annika", last_name="Sorensen")
    made(company, lead=lead, title="Call Annika")
    deal = DealFactory(company=company, lead=lead)
    made(company, deal=deal, title="Send Annika the quote", subtasks=[Step("Ask Sorensen")])
    erase.erase_lead(lead, SHELL)
    task = Task.objects.get()
    assert task.title == "Send [erased] the quote"
    assert task.subtasks.get().title == "Ask [erased]"
    assert not Activity.objects.filter(new__icontains="Annika").exists()


def test_steps_are_added_ticked_and_removed(company: Company) -> None:
    task = made(company)
    step = tasks.add_step(task, " Find the number ")
    tasks.tick_step(step, is_done=True)
    assert [(each.title, each.is_done) for each in task.subtasks.all()] == [("Find the number", True)]
    tasks.remove_step(step)
    assert not task.subtasks.exists()
