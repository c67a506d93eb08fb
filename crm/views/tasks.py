"""The list of tasks, by when they are due, and the calendar of a month."""

from __future__ import annotations

import calendar as calendars
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from crm import display
from crm.access import Ability, Principal
from crm.forms import members
from crm.frame import NavItem
from crm.models import Deal, Lead, Priority, Task, TaskQuerySet, User
from crm.models.task import is_overdue
from crm.periods import after, midnight, parsed_day
from crm.texts import gettext_lazy
from crm.views.leads import Chip, page_links
from crm.views.page import PageRequest, for_htmx, link_with, member_page

PAGE_ROWS: Final = 50
DAY_ROWS: Final = 3
# The name of a view in the URL, and what its tab says.
VIEWS: Final = {"mine": gettext_lazy("Mine"), "all": gettext_lazy("All"), "done": gettext_lazy("Done")}
DUE: Final = {
    "overdue": gettext_lazy("Overdue"),
    "today": gettext_lazy("Today"),
    "week": gettext_lazy("Next seven days"),
    "later": gettext_lazy("Later"),
    "none": gettext_lazy("No date"),
}
_GROUPS: Final = {**DUE, "done": gettext_lazy("Done")}
PRIORITIES: Final = {"high": Priority.HIGH, "normal": Priority.NORMAL, "low": Priority.LOW}
NOBODY: Final = "nobody"
WEEK: Final = dt.timedelta(days=7)


@dataclass(frozen=True)
class TaskFilters:
    """What a list of tasks is asked for, read from its URL. Values that do not exist are left out."""

    view: str = "mine"
    due: str = ""
    day: dt.date | None = None
    priority: str = ""
    person: User | None = None
    is_nobody: bool = False
    search: str = ""
    done_by: User | None = None
    done_from: dt.date | None = None
    done_to: dt.date | None = None

    @property
    def are_set(self) -> bool:
        return bool(
            self.due
            or self.day
            or self.priority
            or self.person
            or self.is_nobody
            or self.search
            or self.done_by
            or self.done_from
            or self.done_to
        )


@dataclass(frozen=True)
class TaskRow:
    """A task as a line. `record` is what it is about, if the reader may open that; `steps` as "2 of 3"."""

    task: Task
    is_late: bool
    record: Lead | Deal | None
    record_url: str
    steps: str
    due: str


@dataclass(frozen=True)
class Group:
    """Tasks that are due at about the same time."""

    key: str
    label: str
    rows: tuple[TaskRow, ...]


@dataclass(frozen=True)
class TaskCounts:
    """How many tasks are in the views, and of one's own how many press."""

    mine: int
    all: int
    overdue: int
    today: int


@require_safe
@member_page
def tasks(request: PageRequest) -> HttpResponse:
    """The list; htmx gets the part below the page's frame."""
    principal = request.principal
    now = principal.company.local_now()
    people = list(members()) if principal.can(Ability.SEE_ALL) else []
    filters = read_filters(request.GET, people)
    counts = task_counts(principal, now)
    page = Paginator(matching_tasks(principal, filters, now).for_list(), PAGE_ROWS).get_page(
        request.GET.get("page")
    )
    rows = rows_of(principal, page.object_list, now)
    context = {
        "filters": filters,
        "counts": counts,
        "people": people,
        "tabs": _tabs(principal, filters, counts),
        "chips": _chips(request.GET, filters),
        "clear_url": f"?view={filters.view}",
        "groups": list(_groups(rows, filters, now)),
        "page": page,
        "priorities": PRIORITIES,
        "dues": DUE,
        "list_url": request.get_full_path(),
        **page_links(page, request.GET),
    }
    is_part = request.htmx and request.htmx.target == "list"
    return for_htmx(render(request, "crm/tasks.html#list" if is_part else "crm/tasks.html", context))


def read_filters(params: QueryDict, people: Iterable[User]) -> TaskFilters:
    """The filters of a URL."""
    view, due, person = params.get("view", ""), params.get("due", ""), params.get("person", "")
    priority = params.get("priority", "")
    return TaskFilters(
        view=view if view in VIEWS else "mine",
        due=due if due in DUE else "",
        day=parsed_day(params.get("day", "")),
        priority=priority if priority in PRIORITIES else "",
        person=next((user for user in people if str(user.pk) == person), None),
        is_nobody=person == NOBODY,
        search=" ".join(params.get("search", "").replace("\x00", "").split()),
        done_by=next((user for user in people if str(user.pk) == params.get("done_by")), None),
        done_from=parsed_day(params.get("done_from", "")),
        done_to=parsed_day(params.get("done_to", "")),
    )


def matching_tasks(principal: Principal, filters: TaskFilters, now: dt.datetime) -> TaskQuerySet:
    """The tasks that the filters ask for, in order."""
    tasks = _of_view(principal, filters)
    if filters.due:
        tasks = tasks.filter(_due(filters.due, now))
    if filters.day:
        tasks = tasks.due_on(filters.day)
    if filters.priority:
        tasks = tasks.filter(priority=PRIORITIES[filters.priority])
    if filters.person:
        tasks = tasks.assigned_to(filters.person)
    if filters.is_nobody:
        tasks = tasks.filter(assignees=None)
    tasks = _done_then(tasks, filters)
    for word in filters.search.split():
        tasks = tasks.filter(title__icontains=word)
    if filters.view == "done":
        return tasks.order_by("-done_at", "-pk")
    return tasks.of_a_day() if filters.day else tasks.soonest()


def _of_view(principal: Principal, filters: TaskFilters) -> TaskQuerySet:
    tasks = principal.tasks()
    if filters.view == "done":
        return tasks.done()
    if filters.view == "mine":
        tasks = tasks.assigned_to(principal.user)
    # A day shows what the calendar shows of it, done or not.
    return tasks if filters.day else tasks.open()


def _done_then(tasks: TaskQuerySet, filters: TaskFilters) -> TaskQuerySet:
    """By who did it and when; days are those of the company."""
    zone = timezone.get_current_timezone()
    if filters.done_by:
        tasks = tasks.filter(done_by=filters.done_by)
    if filters.done_from:
        tasks = tasks.filter(done_at__gte=midnight(filters.done_from, zone))
    if filters.done_to:
        tasks = tasks.filter(done_at__lt=after(filters.done_to, zone))
    return tasks


def _due(due: str, now: dt.datetime) -> Q:
    today, last = now.date(), now.date() + WEEK
    return {
        "overdue": is_overdue(now),
        "today": Q(due_on=today) & ~is_overdue(now) | Q(due_on=today, due_time=None),
        "week": Q(due_on__gt=today, due_on__lte=last),
        "later": Q(due_on__gt=last),
        "none": Q(due_on=None),
    }[due]


def task_counts(principal: Principal, now: dt.datetime) -> TaskCounts:
    """The counts of the views in two queries."""
    tasks = principal.tasks().open().order_by()
    late = is_overdue(now)
    mine = tasks.assigned_to(principal.user).aggregate(
        mine=Count("pk"),
        overdue=Count("pk", filter=late),
        today=Count("pk", filter=_due("today", now)),
    )
    return TaskCounts(all=tasks.count(), **mine)


def rows_of(principal: Principal, tasks: Iterable[Task], now: dt.datetime) -> list[TaskRow]:
    """Lines for tasks; which of their records the reader may open is asked once for all of them."""
    found = list(tasks)
    leads = {task.lead_id for task in found if task.lead_id}
    deals = {task.deal_id for task in found if task.deal_id}
    seen: set[UUID] = (
        set(principal.leads().filter(pk__in=leads).values_list("pk", flat=True)) if leads else set()
    )
    if deals:
        seen |= set(principal.deals().filter(pk__in=deals).values_list("pk", flat=True))
    return [_row(task, seen, now) for task in found]


def _row(task: Task, seen: set[UUID], now: dt.datetime) -> TaskRow:
    record = task.deal or task.lead
    shown = record if record is not None and record.pk in seen else None
    noun = "deal" if task.deal_id else "lead"
    steps = list(task.subtasks.all())
    return TaskRow(
        task,
        task.is_late(now),
        shown,
        reverse(noun, args=[shown.pk]) if shown else "",
        _("{sum} of {n}").format(sum=sum(step.is_done for step in steps), n=len(steps)) if steps else "",
        due_words(task, now),
    )


def due_words(task: Task, now: dt.datetime) -> str:
    """When it is due, as a colleague would say it: `2 days late`, `Today, 15:30`, `in 3 days`. "" without a day."""
    if task.due_on is None:
        return ""
    days = (now.date() - task.due_on).days
    if days > 0 and not task.is_done:
        return ngettext("{n} day late", "{n} days late", days).format(n=days)
    clock = f", {task.due_time:%H:%M}" if task.due_time else ""
    late = _(", late") if task.is_late(now) else ""
    return f"{display.relative_day(task.due_on, now.date())}{clock}{late}"


def _groups(rows: list[TaskRow], filters: TaskFilters, now: dt.datetime) -> Iterator[Group]:
    """In the order of the list, which is that of the groups."""
    if filters.view == "done":
        if rows:
            yield Group("done", _("Done"), tuple(rows))
        return
    for key, found in groupby(rows, key=lambda row: _group_of(row, now)):
        yield Group(key, _GROUPS[key], tuple(found))


def _group_of(row: TaskRow, now: dt.datetime) -> str:
    day = row.task.due_on
    if row.task.is_done:
        return "done"
    if day is None:
        return "none"
    if row.is_late:
        return "overdue"
    if day == now.date():
        return "today"
    return "week" if day <= now.date() + WEEK else "later"


def _tabs(principal: Principal, filters: TaskFilters, counts: TaskCounts) -> list[NavItem]:
    numbers = {"mine": counts.mine, "all": counts.all}
    url = reverse("tasks")
    return [
        NavItem(label, f"{url}?view={view}", "check-circle", numbers.get(view), current=view == filters.view)
        for view, label in VIEWS.items()
    ]


def _chips(params: QueryDict, filters: TaskFilters) -> list[Chip]:
    person = _("Nobody") if filters.is_nobody else str(filters.person or "")
    found = {
        "due": (_("Due"), DUE.get(filters.due, "")),
        "day": (_("Due on"), _in_words(filters.day)),
        "priority": (_("Priority is"), _(filters.priority.capitalize()) if filters.priority else ""),
        "person": (_("Assigned to"), person),
        "search": (_("Words"), filters.search),
        "done_by": (_("Done by"), str(filters.done_by or "")),
        "done_from": (_("Done since"), _in_words(filters.done_from)),
        "done_to": (_("Done until"), _in_words(filters.done_to)),
    }
    return [
        Chip(about, value, link_with(params, **{name: None}))
        for name, (about, value) in found.items()
        if value
    ]


def _in_words(day: dt.date | None) -> str:
    return display.full_date(day) if day else ""


# ── Calendar ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class CalendarDay:
    """A day of the grid: its first tasks, and how many there are."""

    day: dt.date
    rows: tuple[TaskRow, ...]
    total: int
    in_month: bool
    is_today: bool
    url: str

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


@require_safe
@member_page
def tasks_calendar(request: PageRequest) -> HttpResponse:
    """A month of tasks, one's own or all that one may see."""
    principal = request.principal
    now = principal.company.local_now()
    view = "all" if request.GET.get("view") == "all" else "mine"
    first = _month(request.GET.get("month", ""), now.date())
    weeks = calendars.Calendar().monthdatescalendar(first.year, first.month)
    shown = principal.tasks().filter(due_on__range=(weeks[0][0], weeks[-1][-1]))
    if view == "mine":
        shown = shown.assigned_to(principal.user)
    days = _days(principal, shown, now)
    url = reverse("tasks_calendar")
    context: dict[str, Any] = {
        "first": first,
        "view": view,
        "weeks": [[_calendar_day(day, days, first, now, view) for day in week] for week in weeks],
        "names": list(calendars.day_name),
        "previous_url": f"{url}?view={view}&month={_month_before(first):%Y-%m}" if first.year > 1990 else "",
        "next_url": f"{url}?view={view}&month={_month_after(first):%Y-%m}" if first.year < 2199 else "",
        "today_url": f"{url}?view={view}",
        "mine_url": f"{url}?view=mine&month={first:%Y-%m}",
        "all_url": f"{url}?view=all&month={first:%Y-%m}",
        "count": sum(len(rows) for day, rows in days.items() if day.month == first.month),
    }
    return render(request, "crm/tasks_calendar.html", context)


def _month(text: str, today: dt.date) -> dt.date:
    """The first of the month that the URL names, or of this one."""
    try:
        first = dt.datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  a month has no time zone
    except ValueError:
        return today.replace(day=1)
    return first if 1990 <= first.year <= 2199 else today.replace(day=1)


def _month_before(first: dt.date) -> dt.date:
    return (first - dt.timedelta(days=1)).replace(day=1)


def _month_after(first: dt.date) -> dt.date:
    return (first + dt.timedelta(days=31)).replace(day=1)


def _days(principal: Principal, tasks: TaskQuerySet, now: dt.datetime) -> dict[dt.date, list[TaskRow]]:
    ordered = tasks.order_by("due_on", "done_at", "due_time", "priority", "pk").for_list()
    found: dict[dt.date, list[TaskRow]] = {}
    for row in rows_of(principal, ordered, now):
        if row.task.due_on:
            found.setdefault(row.task.due_on, []).append(row)
    return found


def _calendar_day(
    day: dt.date, days: dict[dt.date, list[TaskRow]], first: dt.date, now: dt.datetime, view: str
) -> CalendarDay:
    # Open ones first, by the clock; what is done goes below.
    rows = sorted(days.get(day, []), key=lambda row: (row.task.is_done, row.task.due_time or dt.time.max))
    return CalendarDay(
        day,
        tuple(rows[:DAY_ROWS]),
        len(rows),
        in_month=day.month == first.month,
        is_today=day == now.date(),
        url=f"{reverse('tasks')}?view={view}&day={day.isoformat()}",
    )
