"""A deal: its page, its forms, and the moves that win, lose and reopen it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import panels
from crm.access import Ability, Principal
from crm.actions import deals as actions
from crm.actions.timeline import add_note
from crm.display import days_long, money
from crm.errors import Conflict
from crm.forms import DealForm, LoseForm, NoteForm, PersonForm, show_refusal
from crm.frame import Toast, ToastAction
from crm.models import Deal, Lead, Stage, StageKind
from crm.models.activity import ActivityKind
from crm.panels import Note
from crm.search import search_leads
from crm.toasts import render_toast, show_toast
from crm.views.bulk import archive_one
from crm.views.custom import customs_of
from crm.views.deals import board_context, next_step_of
from crm.views.files import files_of
from crm.views.page import (
    PageRequest,
    Refusal,
    actor_of,
    back_to,
    done,
    drawn,
    member_page,
    query_of,
    refused,
    sentence_of,
    status_of,
    still_in,
)
from crm.views.path import Place, Step, Visit, path_of
from crm.views.task import tasks_of_deal
from crm.views.timeline import Asked, timeline_of_deal
from crm.views.walking import walk_of_deal

MOST_PEOPLE: Final = 50
UNDO_KEY: Final = "z"


def deal_or_404(request: PageRequest, pk: UUID) -> Deal:
    """A deal that this person may see."""
    deals = request.principal.deals().select_related(
        "company", "stage", "pipeline", "owner", "organization", "lead"
    )
    return get_object_or_404(deals, pk=pk)


@require_safe
@member_page
def deal_page(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything about one deal."""
    return _page(request, deal_or_404(request, pk), NoteForm())


def _page(request: PageRequest, deal: Deal, note: NoteForm, status: int = 200) -> HttpResponse:
    principal = request.principal
    context = {
        "deal": deal,
        "walk": walk_of_deal(request, deal),
        "seen_leads": _seen_leads(principal, deal),
        "people": list(deal.people.select_related("lead").prefetch_related("lead__emails")),
        "customs": customs_of(deal),
        "next": next_step_of(deal, timezone.localdate()),
        "steps": _path(deal),
        "note_form": note,
        "note_url": reverse("deal_note", args=[deal.pk]),
        "timeline": timeline_of_deal(principal, deal, Asked.by(request)),
        "tasks": tasks_of_deal(principal, deal),
        "files": files_of(principal, deal),
        "panels": drawn(request, (give(principal, deal) for give in panels.deal_panels)),
        "may_delete": principal.can(Ability.DELETE),
    }
    return render(request, "crm/deal.html", context, status=status)


def _seen_leads(principal: Principal, deal: Deal) -> set[UUID]:
    """Which of the deal's people the reader may open."""
    further = deal.people.values_list("lead_id", flat=True)
    concerned = [pk for pk in (deal.lead_id, *further) if pk]
    return set(principal.leads().order_by().filter(pk__in=concerned).values_list("pk", flat=True))


def _path(deal: Deal) -> list[Step]:
    url = reverse("deal_move", args=[deal.pk])
    places = [
        Place(
            stage.pk,
            stage.name,
            str(stage.pk),
            url if deal.status == StageKind.OPEN or stage.kind in (StageKind.OPEN, deal.status) else "",
            is_lost=stage.kind == StageKind.LOST,
        )
        for stage in deal.pipeline.stages.all()
    ]
    visits = [Visit(change.to_stage_id, change.at) for change in deal.stage_changes.all()]
    return path_of(places, deal.stage_id, visits, "stage")


# --- Forms --------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def deal_new(request: PageRequest) -> HttpResponse:
    """Add a deal, for a lead (`?lead=`) or alone."""
    form = DealForm(request.POST or None, principal=request.principal, lead=_asked_lead(request))
    if request.method == "POST" and form.is_valid():
        try:
            deal = actions.create_deal(request.principal.company, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            return done(
                request,
                _("{deal} is in {stage} now.").format(deal=deal, stage=deal.stage),
                reverse("deal", args=[deal.pk]),
            )
    return _form_page(request, form, None, _asked_lead(request))


def _asked_lead(request: PageRequest) -> Lead | None:
    try:
        pk = UUID(request.GET.get("lead", ""))
    except ValueError:
        return None
    return get_object_or_404(request.principal.leads().select_related("organization", "owner"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def deal_edit(request: PageRequest, pk: UUID) -> HttpResponse:
    """Change what is known of a deal. Its stage has roads of its own."""
    deal = deal_or_404(request, pk)
    form = DealForm(request.POST or None, principal=request.principal, deal=deal)
    if request.method == "POST" and form.is_valid():
        try:
            deal = actions.update_deal(deal, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            text = _("Saved.") if form.changed_data else _("Nothing was changed.")
            return done(request, text, reverse("deal", args=[pk]))
    return _form_page(request, form, deal, None)


def _form_page(request: PageRequest, form: DealForm, deal: Deal | None, lead: Lead | None) -> HttpResponse:
    back = (
        reverse("deal", args=[deal.pk])
        if deal
        else reverse("lead", args=[lead.pk])
        if lead
        else reverse("deals")
    )
    context = {"form": form, "deal": deal, "lead": lead, "back_url": back}
    return render(request, "crm/deal_form.html", context, status=422 if form.errors else 200)


@require_POST
@member_page
def deal_note(request: PageRequest, pk: UUID) -> HttpResponse:
    """Write a note, or log a call, a meeting or an e-mail."""
    deal = deal_or_404(request, pk)
    form = NoteForm(request.POST)
    if form.is_valid():
        try:
            add_note(
                deal,
                form.cleaned_data["text"],
                actor_of(request),
                form.cleaned_data["kind"] or ActivityKind.NOTE,
                at=form.cleaned_data["at"],
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return redirect(still_in(request, reverse("deal", args=[pk])) + "#timeline")
    return _page(request, deal, form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def deal_person_add(request: PageRequest, pk: UUID) -> HttpResponse:
    """Link a further person to the deal."""
    deal = deal_or_404(request, pk)
    search = " ".join(request.GET.get("search", "").split())
    found = search_leads(request.principal.leads(), search).exclude(deals=deal).exclude(deal_roles__deal=deal)
    offered = list(found.prefetch_related("emails").order_by("-last_touch_at")[:MOST_PEOPLE])
    form = PersonForm(request.POST or None, principal=request.principal, offered=offered)
    if request.method == "POST" and form.is_valid():
        try:
            person = actions.add_person(
                deal, form.cleaned_data["lead"], form.cleaned_data["role"], actor_of(request)
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(
                request, _("{lead} is on the deal now.").format(lead=person.lead), reverse("deal", args=[pk])
            )
    context = {"deal": deal, "form": form, "search": search, "offered": len(offered), "found": found.count()}
    return render(request, "crm/deal_person.html", context, status=422 if form.errors else 200)


# --- Moves --------------------------------------------------------------------------------------------------


@require_POST
@member_page
def deal_move(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put a deal into a stage. A lost stage asks for a reason first. On the board htmx gets the board anew.

    The stage is a field of the form; the Undo of a toast, which has no fields, names it in its address.
    """
    deal = deal_or_404(request, pk)
    stage = _asked_stage(request)
    reason = request.POST.get("reason", "")
    if stage.kind == StageKind.LOST and deal.status == StageKind.OPEN and not reason.strip():
        return _ask_reason(request, deal, stage)
    was = deal.stage
    try:
        deal = actions.move_deal(deal, stage, actor_of(request), reason=reason)
    except (ValidationError, Conflict) as refusal:
        return _refused_move(request, deal, refusal)
    return _moved(request, deal, toast_of(deal, is_new=was != deal.stage, was=was))


def _asked_stage(request: PageRequest) -> Stage:
    try:
        pk = UUID(request.POST.get("stage") or request.GET.get("stage", ""))
    except ValueError as error:
        raise Http404 from error
    return get_object_or_404(Stage.objects.select_related("pipeline"), pk=pk)


def _ask_reason(request: PageRequest, deal: Deal, stage: Stage) -> HttpResponse:
    if not request.htmx:
        return redirect(f"{reverse('deal_lose', args=[deal.pk])}?stage={stage.pk}")
    answer = _lose_page(request, deal, LoseForm())
    answer["HX-Retarget"], answer["HX-Reswap"] = "#dialog", "innerHTML"
    return answer


def _moved(request: PageRequest, deal: Deal, toast: Toast) -> HttpResponse:
    if request.htmx:
        return _board(request, toast)
    show_toast(request, toast)
    return redirect(back_to(request, reverse("deal", args=[deal.pk])))


def _refused_move(request: PageRequest, deal: Deal, refusal: Refusal) -> HttpResponse:
    if request.htmx:
        return _board(request, Toast(sentence_of(refusal), state="bad"), status_of(refusal))
    return refused(request, refusal, back_to(request, reverse("deal", args=[deal.pk])))


def _board(request: PageRequest, toast: Toast, status: int = 200) -> HttpResponse:
    """The board as it is now, with the filters it had, and what just happened."""
    context = board_context(request, query_of(request.POST.get("next", "")))
    answer = render(request, "crm/board.html#deals", context, status=status)
    answer.write(render_toast(request, toast, out_of_band=True))
    return answer


def toast_of(deal: Deal, *, is_new: bool = True, was: Stage | None = None) -> Toast:
    """What a move came to, and the way back; for won and lost also what LinkedIn will be told.

    `was` is the stage before, where a move from one open stage to another can be undone.
    """
    if not is_new:
        return Toast(_("{deal} was in {stage} already.").format(deal=deal, stage=deal.stage), state="info")
    notes = [note for note in (give(deal) for give in panels.move_notes) if note]
    if deal.status == StageKind.OPEN:
        return Toast(
            _and_then(_("{deal} is in {stage} now.").format(deal=deal, stage=deal.stage), notes),
            actions=(*_actions_of(notes), *_way_back(deal, was)),
        )
    undo = ToastAction(_("Undo"), reverse("deal_reopen", args=[deal.pk]), UNDO_KEY)
    fallback = money(deal.amount, deal.currency, short=True) or str(deal)
    return Toast(
        text=_and_then("", notes) or f"{fallback}.",
        lead=f"{deal.get_status_display()}.",
        actions=(*_actions_of(notes), undo),
        seconds=max(60 * deal.company.settle_minutes, 20),
    )


def _way_back(deal: Deal, was: Stage | None) -> tuple[ToastAction, ...]:
    if was is None or was.kind != StageKind.OPEN:
        return ()
    return (ToastAction(_("Undo"), f"{reverse('deal_move', args=[deal.pk])}?stage={was.pk}", UNDO_KEY),)


def _and_then(text: str, notes: list[Note]) -> str:
    return " ".join([text, *(note.text for note in notes)]).strip()


def _actions_of(notes: list[Note]) -> tuple[ToastAction, ...]:
    return tuple(ToastAction(note.action_text, note.action_url) for note in notes if note.action_url)


@require_POST
@member_page
def deal_win(request: PageRequest, pk: UUID) -> HttpResponse:
    """Close a deal as won."""
    deal = deal_or_404(request, pk)
    was = deal.stage_id
    try:
        deal = actions.win_deal(deal, actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return _refused_move(request, deal, refusal)
    return _moved(request, deal, toast_of(deal, is_new=was != deal.stage_id))


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def deal_lose(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask why, then close the deal as lost."""
    deal = deal_or_404(request, pk)
    form = LoseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        was = deal.stage_id
        try:
            deal = actions.lose_deal(deal, form.words(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            return refused(request, refusal, reverse("deal", args=[pk]))
        show_toast(request, toast_of(deal, is_new=was != deal.stage_id))
        return redirect(_after_loss(request, deal))
    return _lose_page(request, deal, form)


def _after_loss(request: PageRequest, deal: Deal) -> str:
    url = back_to(request, reverse("deal", args=[deal.pk]))
    return reverse("deal", args=[deal.pk]) if reverse("deal_lose", args=[deal.pk]) in url else url


def _lose_page(request: PageRequest, deal: Deal, form: LoseForm) -> HttpResponse:
    context: dict[str, Any] = {
        "deal": deal,
        "form": form,
        "days": days_long(deal.stage_since, timezone.now()),
        "next_url": request.POST.get("next") or request.GET.get("next", ""),
    }
    template = "crm/deal_lose.html#dialog" if request.htmx else "crm/deal_lose.html"
    return render(request, template, context, status=422 if form.errors else 200)


@require_POST
@member_page
def deal_reopen(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put a closed deal back into the stage it came from; also what Undo does."""
    deal = deal_or_404(request, pk)
    was_open = deal.status == StageKind.OPEN
    try:
        deal = actions.reopen_deal(deal, actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return _refused_move(request, deal, refusal)
    text = (
        _("{deal} is open already.").format(deal=deal)
        if was_open
        else _("{deal} is open again, in {stage}.").format(deal=deal, stage=deal.stage)
    )
    return done(request, text, back_to(request, reverse("deal", args=[pk])))


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def deal_archive(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask by name, then take the deal out of every list."""
    deal = deal_or_404(request, pk)
    if not request.principal.can(Ability.DELETE):
        raise PermissionDenied
    if request.method == "POST":
        return archive_one(request, "deal", request.principal.deals().filter(pk=pk))
    template = "crm/deal_archive.html#dialog" if request.htmx else "crm/deal_archive.html"
    return render(request, template, {"deal": deal, "back_url": reverse("deal", args=[deal.pk])})
