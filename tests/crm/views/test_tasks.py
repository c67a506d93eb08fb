"""The pages of tasks: the list in groups, the calendar, the form, and a task on its record's page."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.actions import tasks
from crm.models import Company, Deal, Lead, SubTask, Task, User
from tests.crm.views.conftest import Browser
from tests.factories import SHELL, LeadFactory


def made(company: Company, *people: User, **changes: Any) -> Task:
    return tasks.create_task(company, {"title": "Call", "assignees": people, **changes}, SHELL)


def today(company: Company) -> dt.date:
    return company.local_now().date()


def test_the_list_is_in_groups_with_the_overdue_first(alice: Browser, company: Company, owner: User) -> None:
    day = today(company)
    for title, due in {"Someday": None, "Now": day, "Then": day - dt.timedelta(days=2)}.items():
        made(company, owner, title=title, due_on=due)
    page = alice.seen("tasks")
    assert page.index("Overdue") < page.index("2 days late") < page.index(">Now<") < page.index(">Someday<")
    assert "<b>1</b> of mine overdue" in page


def test_mine_all_and_done_are_apart(alice: Browser, company: Company, owner: User, agent: User) -> None:
    made(company, owner, title="Hers")
    made(company, agent, title="His")
    tasks.finish_task(made(company, agent, title="Finished"), SHELL)
    pages = {view: alice.seen("tasks", query=f"?view={view}") for view in ("mine", "all", "done")}
    titles = ("Hers", "His", "Finished")
    found = {view: [title for title in titles if f">{title}<" in page] for view, page in pages.items()}
    assert found == {"mine": ["Hers"], "all": ["Hers", "His"], "done": ["Finished"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("due=overdue", {"late"}),
        ("due=today", {"today"}),
        ("due=later", {"far", "nobody's"}),
        ("due=none", {"never"}),
        ("priority=high", {"far"}),
        ("search=lat", {"late"}),
        ("person=nobody", {"nobody's"}),
        ("due=x&priority=x&person=x&day=x", {"late", "today", "far", "never", "nobody's"}),
        ("search=%00", {"late", "today", "far", "never", "nobody's"}),
    ],
)
def test_filters_are_in_the_address(
    alice: Browser, company: Company, owner: User, query: str, found: set[str]
) -> None:
    day = today(company)
    made(company, owner, title="late", due_on=day - dt.timedelta(days=1))
    made(company, owner, title="today", due_on=day)
    made(company, owner, title="far", due_on=day + dt.timedelta(days=40), priority=1)
    made(company, owner, title="never")
    made(company, title="nobody's", due_on=day + dt.timedelta(days=41))
    shown = alice.get("tasks", query=f"?view=all&{query}").context["groups"]
    assert {row.task.title for group in shown for row in group.rows} == found


def test_a_task_is_ticked_off_in_its_line_and_put_back(alice: Browser, company: Company, owner: User) -> None:
    task = made(company, owner)
    answer = alice.client.post(
        f"/tasks/{task.pk}/done/", headers={"HX-Request": "true", "HX-Target": f"task-{task.pk}"}
    )
    text = answer.content.decode()
    assert f'id="task-{task.pk}" class="task done"' in text
    assert "Undo" in text
    alice.post("task_reopen", task.pk)
    task.refresh_from_db()
    assert not task.is_done


def test_without_script_one_comes_back_to_the_list(alice: Browser, company: Company, owner: User) -> None:
    task = made(company, owner)
    answer = alice.client.post(
        f"/tasks/{task.pk}/done/", headers={"Referer": "http://testserver/tasks/?view=all"}
    )
    assert answer.status_code == 302
    assert answer.headers["Location"] == "http://testserver/tasks/?view=all"
    assert "Done." in alice.seen("tasks")


def test_a_task_is_written_for_a_lead_and_stands_on_its_page(alice: Browser, lead: Lead, agent: User) -> None:
    answer = alice.post(
        "task_new",
        query=f"?lead={lead.pk}",
        title="Send the quote",
        priority="1",
        due_on="2030-01-02",
        due_time="15:30",
        assignees=[str(agent.pk)],
    )
    assert answer.headers["Location"] == f"/leads/{lead.pk}/"
    task = Task.objects.get()
    assert (task.lead, task.people, task.due_time) == (lead, [agent], dt.time(15, 30))
    page = alice.seen("lead", lead.pk)
    assert "Send the quote" in page
    assert "added the task <b>Send the quote</b>" in page


def test_a_deal_s_task_stands_on_its_page_and_on_its_lead_s(alice: Browser, deal: Deal) -> None:
    alice.post("task_new", query=f"?deal={deal.pk}", title="Ask for the order", priority="2")
    assert "Ask for the order" in alice.seen("deal", deal.pk)
    assert "Ask for the order" in alice.seen("lead", deal.lead_id)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"title": ""}, "Say what is to be done."),
        ({"due_on": "yesterday"}, "Enter a valid date."),
        ({"due_time": "09:00"}, "A time needs a day."),
        ({"priority": "7"}, "Select a valid choice"),
        ({"title": "\x00"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_field_is_said_beside_it_and_nothing_is_lost(
    alice: Browser, fields: dict[str, str], sentence: str
) -> None:
    answer = alice.post("task_new", **{"title": "Call", "priority": "2", "notes": "Keep this", **fields})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert "Keep this" in answer.content.decode()
    assert not Task.objects.exists()


def test_a_task_is_changed_and_deleted(alice: Browser, company: Company, owner: User) -> None:
    task = made(company, owner)
    alice.post("task", task.pk, title="Ring", priority="2", assignees=[str(owner.pk)])
    task.refresh_from_db()
    assert task.title == "Ring"
    assert "Delete Ring?" in alice.seen("task_delete", task.pk)
    alice.post("task_delete", task.pk)
    assert not Task.objects.exists()


def test_steps_by_their_own_buttons(alice: Browser, company: Company, owner: User) -> None:
    task = made(company, owner)
    alice.post("task_step_add", task.pk, title="Find the number")
    step = SubTask.objects.get()
    alice.post("task_step", step.pk, do="done")
    assert "1 of 1 done" in alice.seen("task", task.pk)
    alice.post("task_step", step.pk, do="remove")
    alice.post("task_step_add", task.pk, title="")
    assert not SubTask.objects.exists()
    assert "Say what the step is." in alice.said()


def test_an_agent_sees_what_is_assigned_and_what_is_about_own_records(
    bob: Browser, company: Company, owner: User, agent: User, lead: Lead
) -> None:
    made(company, agent, title="Mine", lead=lead)
    made(company, owner, title="About mine", lead=LeadFactory(company=company, owner=agent))
    made(company, owner, title="Theirs", lead=lead)
    page = bob.seen("tasks", query="?view=all")
    assert (">Mine<" in page, ">About mine<" in page, ">Theirs<" in page) == (True, True, False)
    assert "Annika" not in page
    assert "About a colleague" in page
    assert "Annika" not in bob.seen("task", Task.objects.get(title="Mine").pk)


def test_an_agent_takes_tasks_and_gives_none_away(
    bob: Browser, company: Company, owner: User, agent: User
) -> None:
    task = made(company, agent)
    bob.post("task", task.pk, title="Call", priority="2", assignees=[str(owner.pk)])
    assert task.people == [agent]
    shared = made(company, owner, agent)
    bob.post("task", shared.pk, title="Ring", priority="2", assignees=[str(owner.pk), str(agent.pk)])
    shared.refresh_from_db()
    assert (shared.title, set(shared.people)) == ("Ring", {owner, agent})


def test_an_agent_deletes_own_tasks_only(bob: Browser, company: Company, agent: User) -> None:
    given = made(company, agent)
    assert bob.post("task_delete", given.pk).status_code == 403
    bob.post("task_new", title="My own", priority="2", assignees=[str(agent.pk)])
    assert bob.post("task_delete", Task.objects.get(title="My own").pk).status_code == 302
    assert Task.objects.get() == given


def test_the_calendar_shows_a_month(alice: Browser, company: Company, owner: User, agent: User) -> None:
    for number in range(5):
        made(company, owner, title=f"Fifth {number}", due_on=dt.date(2026, 2, 5))
    made(company, agent, title="Bobs", due_on=dt.date(2026, 2, 6))
    page = alice.seen("tasks_calendar", query="?month=2026-02")
    assert "February 2026" in page
    assert "Fifth 2" in page
    assert "Fifth 3" not in page
    assert "2 more" in page
    assert "Bobs" not in page
    assert "Bobs" in alice.seen("tasks_calendar", query="?month=2026-02&view=all")
    assert "month=2026-01" in page
    assert "month=2026-03" in page
    fifth = alice.get("tasks", query="?view=mine&day=2026-02-05").context["page"].paginator.count
    assert fifth == 5


def test_a_day_of_the_calendar_opens_what_is_done_as_well(
    alice: Browser, company: Company, owner: User
) -> None:
    day = dt.date(2026, 2, 5)
    tasks.finish_task(made(company, owner, title="Finished", due_on=day), SHELL)
    made(company, owner, title="Open", due_on=day)
    page = alice.get("tasks", query="?view=mine&day=2026-02-05")
    groups = [(group.label, [row.task.title for row in group.rows]) for group in page.context["groups"]]
    assert groups == [("Overdue", ["Open"]), ("Done", ["Finished"])]


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "9999-12", "0001-01", "1990-01", "2199-12", "%00"])
def test_any_month_has_a_page(alice: Browser, month: str) -> None:
    assert alice.get("tasks_calendar", query=f"?month={month}").status_code == 200


def test_the_side_bar_counts_what_is_overdue(alice: Browser, company: Company, owner: User) -> None:
    assert "late</span>" not in alice.seen("home")
    made(company, owner, due_on=today(company) - dt.timedelta(days=1))
    assert '<span class="count">1 late</span>' in alice.seen("home")


@pytest.mark.parametrize("place", ["tasks", "tasks_calendar"])
def test_a_page_asks_as_often_for_sixty_tasks_as_for_three(
    alice: Browser, company: Company, owner: User, agent: User, lead: Lead, deal: Deal, place: str
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            alice.seen(place, query="?view=all")
        return len(queries)

    def add(number: int) -> None:
        for n in range(number):
            about = {"lead": lead} if n % 2 else {"deal": deal}
            made(company, owner, agent, due_on=today(company), subtasks=[tasks.Step("One")], **about)

    add(3)
    count()
    few = count()
    add(60)
    assert count() == few
