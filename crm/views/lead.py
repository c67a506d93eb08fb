"""A lead: its page, its form, and what is done to it with one click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import panels
from crm.access import Ability, Principal
from crm.actions import leads as actions
from crm.actions.merge import last_merge
from crm.actions.timeline import add_note
from crm.countries import country_names
from crm.duplicates import duplicates_of
from crm.errors import Conflict
from crm.forms import LeadForm, NoteForm, show_refusal
from crm.frame import Toast
from crm.models import Consent, Lead, LeadStatus, StatusCategory, Tag, User, custom_fields_of
from crm.models.activity import ActivityKind
from crm.rows import changed_rows
from crm.toasts import render_toast
from crm.views.bulk import archive_one
from crm.views.columns import LEAD_COLUMNS, own_columns, shown_columns, with_own
from crm.views.custom import customs_of
from crm.views.deals import Card, cards_of
from crm.views.files import files_of
from crm.views.leads import rows_of, sources_of, with_columns
from crm.views.page import (
    PageRequest,
    actor_of,
    back_to,
    done,
    drawn,
    for_htmx,
    into,
    member_page,
    query_of,
    refused,
    still_in,
)
from crm.views.path import Place, Step, Visit, path_of
from crm.views.recently import remember_view
from crm.views.task import tasks_of_lead
from crm.views.timeline import Asked, timeline_of_lead
from crm.views.walking import walk_of_lead


def lead_or_404(request: PageRequest, pk: UUID) -> Lead:
    """A lead that this person may see."""
    return get_object_or_404(
        request.principal.leads().select_related("company", "status", "lead_type", "organization", "owner"),
        pk=pk,
    )


@require_safe
@member_page
def lead_page(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything about one person."""
    if survivor := request.principal.leads().filter(merged_from=pk).first():
        return redirect("lead", survivor.pk)  # old links find whoever they are now
    lead = lead_or_404(request, pk)
    answer = _page(request, lead, NoteForm())
    remember_view(request, answer, lead)
    return answer


def _page(request: PageRequest, lead: Lead, note: NoteForm, status: int = 200) -> HttpResponse:
    principal = request.principal
    context = {
        "lead": lead,
        "walk": walk_of_lead(request, lead),
        "emails": list(lead.emails.all()),
        "phones": list(lead.phones.all()),
        "websites": list(lead.websites.all()),
        "tags": list(Tag.objects.filter(lead_tags__lead=lead)),
        "customs": customs_of(lead),
        "country": country_names().get(lead.country_code, ""),
        "steps": _path(lead),
        "note_form": note,
        "note_url": reverse("lead_note", args=[lead.pk]),
        "timeline": timeline_of_lead(principal, lead, Asked.by(request)),
        "deals": _deals_of(principal, lead),
        "tasks": tasks_of_lead(principal, lead),
        "files": files_of(principal, lead),
        "panels": drawn(request, (give(principal, lead) for give in panels.lead_panels)),
        "owners": list(principal.assignees()),
        "may_hand_over": principal.may_assign(None),
        "consents": Consent.choices,
        "duplicates": duplicates_of(principal, lead),
        "merge": last_merge(lead),
        "may_delete": principal.can(Ability.DELETE),
        "may_erase": principal.can(Ability.MANAGE),
    }
    return render(request, "crm/lead.html", context, status=status)


def _path(lead: Lead) -> list[Step]:
    url = reverse("lead_status", args=[lead.pk])
    closing = (StatusCategory.LOST, StatusCategory.SPAM)
    places = [
        Place(status.pk, status.name, status.key, url, is_lost=status.category in closing)
        for status in LeadStatus.objects.all()
    ]
    visits = [Visit(change.to_status_id, change.at) for change in lead.status_changes.all()]
    return path_of(places, lead.status_id, visits, "status")


def _deals_of(principal: Principal, lead: Lead) -> list[Card]:
    return cards_of(list(principal.deals().with_person(lead).for_list()))


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def lead_new(request: PageRequest) -> HttpResponse:
    """Add somebody by hand."""
    form = LeadForm(request.POST or None, principal=request.principal)
    if (changed := changed_rows(request.POST)) is not None:
        return _form_page(request, LeadForm(changed, principal=request.principal).unjudged(), None)
    if request.method == "POST" and form.is_valid():
        try:
            lead = actions.create_lead(request.principal.company, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            return done(
                request, _("{lead} is a lead now.").format(lead=lead), reverse("lead", args=[lead.pk])
            )
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def lead_edit(request: PageRequest, pk: UUID) -> HttpResponse:
    """Change what is known of somebody."""
    lead = lead_or_404(request, pk)
    only = [name for name in request.GET.getlist("only") if name in LeadForm.base_fields]
    form = LeadForm(request.POST or None, principal=request.principal, lead=lead, only=only)
    if (changed := changed_rows(request.POST)) is not None:
        form = LeadForm(changed, principal=request.principal, lead=lead, only=only)
        return _form_page(request, form.unjudged(), lead, only)
    if request.method == "POST" and form.is_valid():
        try:
            lead = actions.update_lead(lead, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            text = _("Saved.") if form.changed_data else _("Nothing was changed.")
            return _saved(request, text, reverse("lead", args=[pk]))
    return _form_page(request, form, lead, only)


def _saved(request: PageRequest, text: str, url: str) -> HttpResponse:
    """Back on the page; a field that was edited in its place says so to htmx."""
    answer = done(request, text, url)
    return HttpResponse(status=204, headers={"HX-Refresh": "true"}) if request.htmx else answer


def _form_page(
    request: PageRequest, form: LeadForm, lead: Lead | None, only: Sequence[str] = ()
) -> HttpResponse:
    context = {
        "form": form,
        "lead": lead,
        "only": only,
        "edit_url": request.get_full_path(),
        "sources": sources_of(request.principal) if not only or "source" in only else [],
        "back_url": reverse("lead", args=[lead.pk]) if lead else reverse("leads"),
    }
    template = "crm/lead_form.html"
    if only and request.htmx and request.htmx.target != "main":
        template += "#field"
    return for_htmx(render(request, template, context, status=422 if form.errors else 200))


@require_POST
@member_page
def lead_status(request: PageRequest, pk: UUID) -> HttpResponse:
    """Move a lead to another status. In a list htmx gets the row anew."""
    lead = lead_or_404(request, pk)
    status = _status(request.POST.get("status", ""))
    was = lead.status_id
    lead = actions.change_status(lead, status, actor_of(request))
    text = (
        _("{lead} is {name} now.").format(lead=lead, name=status.name)
        if was != status.pk
        else _("{lead} was {name} already.").format(lead=lead, name=status.name)
    )
    if request.htmx:
        return _row(request, lead, text)
    return done(request, text, back_to(request, reverse("lead", args=[pk])))


def _status(key: str) -> LeadStatus:
    found = next((status for status in LeadStatus.objects.all() if status.key == key), None)
    if found is None:
        raise Http404
    return found


def _row(request: PageRequest, lead: Lead, text: str) -> HttpResponse:
    url = back_to(request, reverse("leads"))
    columns = with_own(LEAD_COLUMNS, custom_fields_of("lead"))
    shown = shown_columns(columns, query_of(url))
    row = rows_of(with_columns(request.principal.leads().filter(pk=lead.pk).for_list(), shown))[0]
    context: dict[str, Any] = {
        "rows": [row],
        "shown": shown,
        "own": own_columns(columns, shown),
        "statuses": list(LeadStatus.objects.all()),
        "has_badges": bool(panels.lead_badges),
        "list_url": url,
        "walk": into(query_of(url)),
    }
    answer = render(request, "rows/leads.jinja", context, using="rows")
    answer.write(render_toast(request, Toast(text), out_of_band=True))
    return answer


@require_POST
@member_page
def lead_owner(request: PageRequest, pk: UUID) -> HttpResponse:
    """Give a lead to somebody else, or to nobody."""
    lead = lead_or_404(request, pk)
    owner = _owner(request.principal, request.POST.get("owner", ""))
    lead = actions.update_lead(lead, {"owner": owner}, actor_of(request))
    url = still_in(request, reverse("lead", args=[pk]))
    return done(
        request, _("{lead} belongs to {owner} now.").format(lead=lead, owner=owner or _("nobody")), url
    )


def _owner(principal: Principal, chosen: str) -> User | None:
    if not principal.may_assign(None):
        raise PermissionDenied
    if not chosen:
        return None
    found = next((user for user in principal.assignees() if str(user.pk) == chosen), None)
    if found is None:
        raise Http404
    return found


@require_POST
@member_page
def lead_note(request: PageRequest, pk: UUID) -> HttpResponse:
    """Write a note, or log a call, a meeting or an e-mail."""
    lead = lead_or_404(request, pk)
    form = NoteForm(request.POST)
    if form.is_valid():
        try:
            add_note(
                lead,
                form.cleaned_data["text"],
                actor_of(request),
                form.cleaned_data["kind"] or ActivityKind.NOTE,
                at=form.cleaned_data["at"],
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return redirect(still_in(request, reverse("lead", args=[pk])) + "#timeline")
    return _page(request, lead, form, status=422)


@require_POST
@member_page
def lead_consent(request: PageRequest, pk: UUID) -> HttpResponse:
    """Write down that the person agreed, or did not."""
    lead = lead_or_404(request, pk)
    url = still_in(request, reverse("lead", args=[pk]))
    try:
        lead = actions.set_consent(lead, request.POST.get("consent", ""), actor_of(request), source="web")
    except ValidationError as refusal:
        return refused(request, refusal, url)
    return done(
        request,
        _("Consent of {lead} is {consent} now.").format(
            lead=lead, consent=lead.get_consent_display().lower()
        ),
        url,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def lead_archive(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask by name, then take the lead out of every list."""
    lead = lead_or_404(request, pk)
    if not request.principal.can(Ability.DELETE):
        raise PermissionDenied
    if request.method == "POST":
        return archive_one(request, "lead", request.principal.leads().filter(pk=pk))
    template = "crm/lead_archive.html#dialog" if request.htmx else "crm/lead_archive.html"
    return render(request, template, {"lead": lead, "back_url": reverse("lead", args=[pk])})
