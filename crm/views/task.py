"""One task: its form, its steps, and what is done to it with one click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import Ability, Principal
from crm.actions import tasks as actions
from crm.actions.tasks import TaskChanges
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.frame import Toast, ToastAction
from crm.models import Deal, Lead, Priority, SubTask, Task, User
from crm.texts import gettext_lazy
from crm.toasts import render_toast, show_toast
from crm.views.page import PageRequest, actor_of, back_to, done, member_page, refused
from crm.views.tasks import TaskRow, rows_of

MOST_ON_RECORD: Final = 20


def task_or_404(request: PageRequest, pk: UUID) -> Task:
    """A task that this person may see."""
    tasks = request.principal.tasks().select_related("company", "created_by")
    return get_object_or_404(tasks.for_list(), pk=pk)


class PeopleField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """Several members of the company."""

    widget = forms.CheckboxSelectMultiple


class TaskForm(SentenceForm):
    """A task as a person types it in."""

    title = forms.CharField(
        label=gettext_lazy("What is to be done"),
        max_length=160,
        error_messages={"required": gettext_lazy("Say what is to be done.")},
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Send the revised quote")}),
    )
    due_on = forms.DateField(
        label=gettext_lazy("Due on"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    due_time = forms.TimeField(
        label=gettext_lazy("At"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    priority = forms.TypedChoiceField(choices=Priority.choices, coerce=int)
    assignees = PeopleField(User.objects.none(), label=gettext_lazy("Assigned to"), required=False)
    notes = forms.CharField(max_length=20_000, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        principal: Principal,
        task: Task | None = None,
    ) -> None:
        self.task = task
        super().__init__(data, initial=_of_task(task) if task else _of_new_task(principal))
        field: Any = self.fields["assignees"]
        # Who is on it already stays a choice: an agent may leave others on a task, and put nobody else there.
        assigned = [user.pk for user in task.people] if task else []
        field.queryset = User.objects.filter(
            Q(pk__in=principal.assignees().order_by().values("pk")) | Q(pk__in=assigned)
        ).order_by("first_name", "last_name", "email")
        self.fields["due_time"].help_text = _("On the clock of {time_zone}.").format(
            time_zone=principal.company.time_zone
        )

    def changes(self) -> TaskChanges:
        """What the action is asked for: all of a new task, of a known one only what was changed here."""
        wanted = (
            self.cleaned_data if self.task is None else {n: self.cleaned_data[n] for n in self.changed_data}
        )
        return cast("TaskChanges", dict(wanted))  # the fields bear the action's names


def _of_task(task: Task) -> dict[str, Any]:
    return {
        "title": task.title,
        "due_on": task.due_on,
        "due_time": task.due_time,
        "priority": task.priority,
        "assignees": [user.pk for user in task.people],
        "notes": task.notes,
    }


def _of_new_task(principal: Principal) -> dict[str, Any]:
    return {"priority": Priority.NORMAL, "assignees": [principal.user.pk] if principal.user else []}


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def task_new(request: PageRequest) -> HttpResponse:
    """Add a task, about a lead (`?lead=`), a deal (`?deal=`) or nothing in particular."""
    lead, deal = (
        _asked(request, request.principal.leads(), "lead"),
        _asked(request, request.principal.deals(), "deal"),
    )
    form = TaskForm(request.POST or None, principal=request.principal)
    record = deal or lead
    back_url = _record_url(record) if record else reverse("tasks")
    if request.method == "POST" and form.is_valid():
        changes = form.changes()
        if deal:
            changes["deal"] = deal
        elif lead:
            changes["lead"] = lead
        try:
            actions.create_task(request.principal.company, changes, actor_of(request))
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("The task is added."), back_url)
    context = {"form": form, "record": record, "record_url": back_url if record else "", "back_url": back_url}
    return render(request, "crm/task_form.html", context, status=422 if form.errors else 200)


def _asked(request: PageRequest, records: Any, noun: str) -> Any:
    try:
        pk = UUID(request.GET.get(noun, ""))
    except ValueError:
        return None
    return get_object_or_404(records, pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def task_page(request: PageRequest, pk: UUID) -> HttpResponse:
    """A task with its steps; a POST saves its form."""
    task = task_or_404(request, pk)
    form = TaskForm(request.POST or None, principal=request.principal, task=task)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_task(task, form.changes(), actor_of(request))
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return _saved(request, task, _("Saved.") if form.changed_data else _("Nothing was changed."))
    row = rows_of(request.principal, [task], request.principal.company.local_now())[0]
    context = {
        "form": form,
        "task": task,
        "row": row,
        "record": row.record,
        "record_url": row.record_url,
        "steps": list(task.subtasks.all()),
        "may_delete": _may_delete(request.principal, task),
        "back_url": reverse("tasks"),
    }
    return render(request, "crm/task_form.html", context, status=422 if form.errors else 200)


def _saved(request: PageRequest, task: Task, text: str) -> HttpResponse:
    """Whoever gave the task away sees it no more; then the list is where to go on."""
    still = request.principal.tasks().filter(pk=task.pk).exists()
    return done(request, text, reverse("task", args=[task.pk]) if still else reverse("tasks"))


@require_POST
@member_page
def task_done(request: PageRequest, pk: UUID) -> HttpResponse:
    """Tick a task off. In a list htmx gets the line anew."""
    task = task_or_404(request, pk)
    actions.finish_task(task, actor_of(request))
    undo = ToastAction(_("Undo"), reverse("task_reopen", args=[pk]), keys="z")
    return _ticked(request, task, Toast(task.title, lead=_("Done."), actions=(undo,)))


@require_POST
@member_page
def task_reopen(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put a finished task back."""
    task = task_or_404(request, pk)
    actions.reopen_task(task, actor_of(request))
    return _ticked(request, task, Toast(_("{title} is open again.").format(title=task.title)))


def _ticked(request: PageRequest, task: Task, toast: Toast) -> HttpResponse:
    if request.htmx and request.htmx.target == f"task-{task.pk}":
        answer = render(request, "crm/parts/task_row.html", {"row": _fresh_row(request, task)})
        answer.write(render_toast(request, toast, out_of_band=True))
        return answer
    show_toast(request, toast)
    return redirect(back_to(request, reverse("tasks")))


def _fresh_row(request: PageRequest, task: Task) -> TaskRow:
    fresh = request.principal.tasks().filter(pk=task.pk).for_list()
    return rows_of(request.principal, fresh, request.principal.company.local_now())[0]


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def task_delete(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask by name, then take the task away."""
    task = task_or_404(request, pk)
    if not _may_delete(request.principal, task):
        raise PermissionDenied
    if request.method == "POST":
        actions.delete_task(task, actor_of(request))
        return done(request, _("{title} is deleted.").format(title=task.title), reverse("tasks"))
    template = "crm/task_delete.html#dialog" if request.htmx else "crm/task_delete.html"
    return render(request, template, {"task": task, "back_url": reverse("task", args=[pk])})


def _may_delete(principal: Principal, task: Task) -> bool:
    """Whoever may delete records, and whoever made the task."""
    return principal.can(Ability.DELETE) or task.created_by_id == getattr(principal.user, "pk", None)


@require_POST
@member_page
def task_step_add(request: PageRequest, pk: UUID) -> HttpResponse:
    """Add a sub-task."""
    task = task_or_404(request, pk)
    url = reverse("task", args=[pk]) + "#steps"
    try:
        actions.add_step(task, request.POST.get("title", ""))
    except (ValidationError, Conflict) as refusal:
        return refused(request, refusal, url)
    return redirect(url)


@require_POST
@member_page
def task_step(request: PageRequest, pk: UUID) -> HttpResponse:
    """Tick a sub-task off (`do=done`), put it back (`open`) or take it away (`remove`)."""
    step = get_object_or_404(SubTask.objects.filter(task__in=request.principal.tasks()), pk=pk)
    if request.POST.get("do") == "remove":
        actions.remove_step(step)
    else:
        actions.tick_step(step, is_done=request.POST.get("do") == "done")
    return redirect(reverse("task", args=[step.task_id]) + "#steps")


# ── On other pages ─────────────────────────────────────────────────────────────────────────────────────


def tasks_of_lead(principal: Principal, lead: Lead) -> dict[str, Any]:
    """What the card on a lead's page shows: its own open tasks and those of its deals that the reader may see."""
    about = Q(lead=lead) | Q(deal__in=principal.deals().filter(lead=lead).order_by().values("pk"))
    return _card(principal, principal.tasks().filter(about), f"{reverse('task_new')}?lead={lead.pk}")


def tasks_of_deal(principal: Principal, deal: Deal) -> dict[str, Any]:
    """What the card on a deal's page shows."""
    return _card(principal, principal.tasks().filter(deal=deal), f"{reverse('task_new')}?deal={deal.pk}")


def _card(principal: Principal, tasks: Any, new_url: str) -> dict[str, Any]:
    now = principal.company.local_now()
    found: Sequence[Task] = tasks.open().soonest().for_list()[:MOST_ON_RECORD]
    return {"rows": rows_of(principal, found, now), "new_url": new_url, "done": tasks.done().count()}


def _record_url(record: Lead | Deal) -> str:
    return reverse("deal" if isinstance(record, Deal) else "lead", args=[record.pk])
