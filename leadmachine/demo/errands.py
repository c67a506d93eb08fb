"""What the people of the sample company still have to do: some of it late, some today, some later, some done."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from crm.models import Deal, Lead, Priority, StageKind, SubTask, Task, TaskAssignee
from leadmachine.demo.world import World


class Errand(NamedTuple):
    """A task: in how many days it is due, at what hour, whose it is (places in `cast.COLLEAGUES`), its steps."""

    title: str
    days: int | None
    hour: int | None = None
    people: tuple[int, ...] = (0,)
    priority: Priority = Priority.NORMAL
    steps: tuple[str, ...] = ()
    is_done: bool = False


_ERRANDS: Final = (
    Errand("Send the revised quote", -2, None, (0, 2), Priority.HIGH, ("Ask for the new rates", "Have it checked")),
    Errand("Call about the sorter", 0, 15, (0,)),
    Errand("Send the scope for the trial", 0, None, (0, 2)),
    Errand("Answer the security questionnaire", 1, None, (0, 1), Priority.HIGH, ("Hosting", "Backups", "Roles")),
    Errand("Book the site visit", 3, 9, (1,)),
    Errand("Ask who signs", 5, None, (0,)),
    Errand("Prepare the kick-off", 9, 14, (1, 3)),
    Errand("Send the reference list", 16, None, (0,), Priority.LOW),
    Errand("Find a date for the review", None, None, (0,), Priority.LOW),
    Errand("Write the meeting up", -1, None, (2,)),
    Errand("Ask for the floor plan", -3, None, (0,), is_done=True),
    Errand("Send the brochure", -6, None, (1,), is_done=True),
)  # fmt: skip


def hand_out(world: World) -> None:
    """Add the tasks, each about one of the newest open deals or leads."""
    deals = list(Deal.objects.filter(status=StageKind.OPEN).order_by("-created_at", "-pk")[: len(_ERRANDS)])
    leads = list(Lead.objects.open().order_by("-created_at", "-pk")[: len(_ERRANDS)])
    for number, errand in enumerate(_ERRANDS):
        about_deal = number % 3 != 2 and number < len(deals)
        _add(world, errand, deals[number] if about_deal else None, None if about_deal else leads[number])


def _add(world: World, errand: Errand, deal: Deal | None, lead: Lead | None) -> None:
    today = world.company.local_now().date()
    first = world.users[errand.people[0]]
    task = Task.objects.create(
        company=world.company,
        title=errand.title,
        due_on=None if errand.days is None else today + dt.timedelta(days=errand.days),
        due_time=None if errand.hour is None else dt.time(errand.hour, 30),
        priority=errand.priority,
        deal=deal,
        lead=lead,
        created_by=first,
        done_at=world.now - dt.timedelta(hours=20) if errand.is_done else None,
        done_by=first if errand.is_done else None,
        is_sample=True,
    )
    TaskAssignee.objects.bulk_create(
        TaskAssignee(company=world.company, task=task, user=world.users[place]) for place in errand.people
    )
    SubTask.objects.bulk_create(
        SubTask(company=world.company, task=task, title=step, is_done=not place, position=place)
        for place, step in enumerate(errand.steps)
    )
