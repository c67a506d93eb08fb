"""What happens by itself: who gets a lead that arrives, the night's work, tasks of stages; and the log of it all."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.access import Ability
from crm.actions import automations as actions
from crm.actions import companies
from crm.countries import countries_by_name, country_names
from crm.forms import SentenceForm, StageField, members, show_refusal
from crm.models import AssignmentRule, AutomationEntry, Lead, LeadType, Stage, StageTask, User
from crm.models.automation import AutomationKind
from crm.texts import gettext_lazy
from crm.views.leads import page_links
from crm.views.page import PageRequest, actor_of, done
from crm.views.settings.page import render_settings, settings_page

URL: Final = "settings_automations"
PAGE_ROWS: Final = 50
MOST_SOURCES: Final = 60


class RuleForm(SentenceForm):
    """A rule as a person types it in."""

    source = forms.CharField(
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"list": "sources", "placeholder": gettext_lazy("Any")}),
    )
    lead_type = forms.ModelChoiceField(
        LeadType.objects.none(), label=gettext_lazy("Type"), required=False, empty_label=gettext_lazy("Any")
    )
    country_code = forms.ChoiceField(
        label=gettext_lazy("Country"),
        required=False,
        choices=lambda: [("", _("Any")), *countries_by_name()],
    )
    users = forms.ModelMultipleChoiceField(
        User.objects.none(),
        label=gettext_lazy("Goes to"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Several take turns."),
        error_messages={"required": gettext_lazy("Choose who is to get these leads.")},
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.fields["lead_type"].queryset = LeadType.objects.all()  # type: ignore[attr-defined]
        self.fields["users"].queryset = members()  # type: ignore[attr-defined]


class StageTaskForm(SentenceForm):
    """A task that a stage brings."""

    stage = StageField()
    title = forms.CharField(
        label=gettext_lazy("Task"),
        max_length=160,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Send the quote")}),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Due after days"),
        min_value=0,
        max_value=365,
        initial=1,
        widget=forms.NumberInput(),
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        stages = Stage.objects.select_related("pipeline").order_by("pipeline__position", "position")
        self.fields["stage"].queryset = stages  # type: ignore[attr-defined]


class FollowUpForm(SentenceForm):
    """How the follow-up works."""

    days = forms.IntegerField(label=gettext_lazy("Untouched for days"), min_value=1, max_value=365)
    how = forms.ChoiceField(
        label=gettext_lazy("The owner gets"),
        choices=[
            ("task", gettext_lazy("A task due that day")),
            ("notification", gettext_lazy("A notification")),
        ],
    )


@settings_page(Ability.MANAGE)
def automations(request: PageRequest) -> HttpResponse:
    """The page."""
    return _page(request)


@settings_page(Ability.MANAGE, "POST")
def automation_fallback(request: PageRequest) -> HttpResponse:
    """Say who gets what no rule fits."""
    chosen = request.POST.get("owner", "")
    owner = next((user for user in members() if str(user.pk) == chosen), None)
    companies.update_company(request.principal.company, {"fallback_owner": owner}, actor_of(request))
    return done(
        request, _("What no rule fits goes to {owner}.").format(owner=owner or "nobody"), reverse(URL)
    )


@settings_page(Ability.MANAGE, "POST")
def automation_rule_add(request: PageRequest) -> HttpResponse:
    """Add a rule of assignment."""
    form = RuleForm(request.POST)
    if form.is_valid():
        wanted = form.cleaned_data
        try:
            actions.add_rule(
                request.principal.company,
                actor_of(request),
                list(wanted["users"]),
                source=wanted["source"],
                lead_type=wanted["lead_type"],
                country_code=wanted["country_code"],
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("The rule is added."), reverse(URL))
    return _page(request, rule_form=form)


@settings_page(Ability.MANAGE, "POST")
def automation_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Turn a rule on or off, try it earlier or later, or take it away."""
    rule = get_object_or_404(AssignmentRule.objects.select_related("company", "lead_type"), pk=pk)
    places = {"up": -1, "down": 1}.get(request.POST.get("do", ""))
    if places is not None:
        actions.move_rule(rule, places, actor_of(request))
        return done(request, _("The order is changed."), reverse(URL))
    return _switched(request, rule)


@settings_page(Ability.MANAGE, "POST")
def automation_stage_add(request: PageRequest) -> HttpResponse:
    """Let deals get a task when they enter a stage."""
    form = StageTaskForm(request.POST)
    if form.is_valid():
        wanted = form.cleaned_data
        try:
            actions.add_stage_task(
                request.principal.company, actor_of(request), wanted["stage"], wanted["title"], wanted["days"]
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("The task is added to the stage."), reverse(URL))
    return _page(request, stage_form=form)


@settings_page(Ability.MANAGE, "POST")
def automation_stage(request: PageRequest, pk: UUID) -> HttpResponse:
    """Turn a stage's task on or off, or take it away."""
    return _switched(request, get_object_or_404(StageTask.objects.select_related("company"), pk=pk))


def _switched(request: PageRequest, rule: AssignmentRule | StageTask) -> HttpResponse:
    wanted = request.POST.get("do", "")
    if wanted == "remove":
        actions.remove(rule, actor_of(request))
        return done(request, _("The rule is removed."), reverse(URL))
    actions.switch(rule, actor_of(request), is_on=wanted == "on")
    return done(request, _("The rule is on.") if rule.is_on else _("The rule is off."), reverse(URL))


@settings_page(Ability.MANAGE, "POST")
def automation_spam(request: PageRequest) -> HttpResponse:
    """Turn the spam clean-up on or off."""
    is_on = request.POST.get("wanted") == "on"
    actions.switch_spam(request.principal.company, actor_of(request), is_on=is_on)
    return done(
        request, _("The spam clean-up is on.") if is_on else _("The spam clean-up is off."), reverse(URL)
    )


@settings_page(Ability.MANAGE, "POST")
def automation_follow_up(request: PageRequest) -> HttpResponse:
    """Turn the follow-up on or off, with how it works."""
    form = FollowUpForm(request.POST)
    if not form.is_valid():
        return _page(request, follow_form=form)
    is_on = request.POST.get("wanted") == "on"
    actions.set_follow_up(
        request.principal.company,
        actor_of(request),
        is_on=is_on,
        days=form.cleaned_data["days"],
        makes_task=form.cleaned_data["how"] == "task",
    )
    return done(request, _("The follow-up is on.") if is_on else _("The follow-up is off."), reverse(URL))


def _page(
    request: PageRequest,
    *,
    rule_form: RuleForm | None = None,
    stage_form: StageTaskForm | None = None,
    follow_form: FollowUpForm | None = None,
) -> HttpResponse:
    company = request.principal.company
    switches = actions.settings_of(company)
    kind = request.GET.get("log", "")
    entries = AutomationEntry.objects.select_related("lead", "deal").prefetch_related("lead__emails")
    if kind in AutomationKind.values:
        entries = entries.filter(kind=kind)
    page = Paginator(entries, PAGE_ROWS).get_page(request.GET.get("page"))
    sources = Lead.objects.current().exclude(source="").order_by("source").values_list("source", flat=True)
    how = "task" if switches.follow_up_makes_task else "notification"
    context: dict[str, Any] = {
        "switches": switches,
        "rules": list(AssignmentRule.objects.select_related("lead_type").prefetch_related("people__user")),
        "countries": country_names(),
        "stage_tasks": list(StageTask.objects.select_related("stage__pipeline")),
        "rule_form": rule_form or RuleForm(),
        "stage_form": stage_form or StageTaskForm(),
        "follow_form": follow_form or FollowUpForm(initial={"days": switches.follow_up_days, "how": how}),
        "people": list(members()),
        "fallback": company.fallback_owner_id,
        "sources": list(sources.distinct()[:MOST_SOURCES]),
        "entries": page.object_list,
        "page": page,
        "log_kinds": AutomationKind.choices,
        "log_kind": kind,
        "spam_hour": actions.SPAM_HOUR,
        "follow_up_hour": actions.FOLLOW_UP_HOUR,
        **page_links(page, request.GET),
    }
    is_refused = any(form and form.errors for form in (rule_form, stage_form, follow_form))
    status = 422 if is_refused else 200
    return render_settings(request, "crm/settings/automations.html", context, status=status)
