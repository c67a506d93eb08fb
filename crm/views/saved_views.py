"""Saves what a list shows under a name, and changes or removes what was saved."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import Principal
from crm.actions import views as actions
from crm.actions.views import ViewChanges, may_change
from crm.forms import SentenceForm, show_refusal
from crm.frame import NavItem
from crm.models import SavedView
from crm.models.view import ViewNoun
from crm.texts import gettext_lazy
from crm.views.page import PageRequest, done, member_page, refused

MOST_TABS = 100  # the row can be moved sideways
MOST_PINNED = 12


class ViewForm(SentenceForm):
    """A name, and who finds the view where."""

    name = forms.CharField(max_length=60)
    is_pinned = forms.BooleanField(label=gettext_lazy("Pin it to the side bar"), required=False)
    is_default = forms.BooleanField(label=gettext_lazy("Open the list with it"), required=False)
    is_shared = forms.BooleanField(label=gettext_lazy("Share it with the company"), required=False)
    is_locked = forms.BooleanField(
        label=gettext_lazy("Lock it, so that nobody changes it by accident"), required=False
    )

    def changes(self) -> ViewChanges:
        return cast("ViewChanges", self.cleaned_data)  # the fields bear the action's names


def views_of(principal: Principal, noun: str) -> list[SavedView]:
    """What the tabs of a list offer, in one query."""
    if principal.user is None:
        return []
    return list(SavedView.objects.seen_by(principal.user).filter(noun=noun)[:MOST_TABS])


def current_view(views: list[SavedView], params: QueryDict) -> SavedView | None:
    """The view that the list was opened with."""
    return next((view for view in views if str(view.pk) == params.get("saved")), None)


def default_url(principal: Principal, views: list[SavedView], params: QueryDict) -> str:
    """Where a list without any parameter goes: one's own default, else a shared one; "" stays."""
    if params:
        return ""
    defaults = [view for view in views if view.is_default]
    own = [view for view in defaults if view.owner_id == getattr(principal.user, "pk", None)]
    return next((view.url for view in [*own, *defaults]), "")


def saved_context(
    principal: Principal, noun: str, views: list[SavedView], params: QueryDict
) -> dict[str, Any]:
    """What a list's page says of saved views: tabs, and what can be done with the open one."""
    current = current_view(views, params)
    here = params.copy()
    for passing in ("page", "saved"):
        here.pop(passing, None)
    return {
        "saved_tabs": [NavItem(view.name, view.url, "star", current=view == current) for view in views],
        "saved": current,
        "may_change_saved": current is not None and may_change(principal, current),
        "is_changed": current is not None and _sorted(here) != _sorted(QueryDict(current.query)),
        "save_url": f"{reverse('view_new')}?noun={noun}&{here.urlencode()}",
        "here": here.urlencode(),
    }


def _sorted(params: QueryDict) -> list[tuple[str, list[str]]]:
    return sorted((name, sorted(values)) for name, values in params.lists() if any(values))


def pinned_views(principal: Principal, current: str) -> tuple[NavItem, ...]:
    """The side bar's: one query on every page."""
    if principal.user is None:
        return ()
    pinned = SavedView.objects.seen_by(principal.user).filter(is_pinned=True)[:MOST_PINNED]
    return tuple(NavItem(view.name, view.url, "star", current=str(view.pk) == current) for view in pinned)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def view_new(request: PageRequest) -> HttpResponse:
    """Save the list of this query (`?noun=lead&…`) under a name."""
    params = request.GET.copy()
    noun = params.pop("noun", ["lead"])[-1]
    if noun not in ViewNoun.values:
        raise Http404
    form = ViewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            view = actions.create_view(
                request.principal, str(noun), {**form.changes(), "query": params.urlencode()}
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("{view} is saved.").format(view=view), view.url)
    back = f"{reverse(f'{noun}s')}?{params.urlencode()}"
    return _form_page(request, form, None, back)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def view_edit(request: PageRequest, pk: UUID) -> HttpResponse:
    """Name, sharing, lock, pin and default of a view."""
    view = _own_or_404(request, pk)
    fields = ("name", "is_pinned", "is_default", "is_shared", "is_locked")
    form = ViewForm(request.POST or None, initial={field: getattr(view, field) for field in fields})
    if request.method == "POST" and form.is_valid():
        try:
            view = actions.update_view(request.principal, view, form.changes())
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("{view} is saved.").format(view=view), view.url)
    return _form_page(request, form, view, view.url)


def _form_page(request: PageRequest, form: ViewForm, view: SavedView | None, back: str) -> HttpResponse:
    is_part = request.htmx and request.htmx.target == "dialog"
    template = "crm/view_form.html#dialog" if is_part else "crm/view_form.html"
    context = {"form": form, "view": view, "back_url": back, "action": request.get_full_path()}
    return render(request, template, context, status=422 if form.errors else 200)


@require_POST
@member_page
def view_save(request: PageRequest, pk: UUID) -> HttpResponse:
    """Let the view show what the list shows now (`query`)."""
    view = _own_or_404(request, pk)
    try:
        view = actions.update_view(request.principal, view, {"query": request.POST.get("query", "")})
    except ValidationError as refusal:
        return refused(request, refusal, view.url)
    return done(request, _("{view} shows this now.").format(view=view), view.url)


@require_POST
@member_page
def view_delete(request: PageRequest, pk: UUID) -> HttpResponse:
    """Remove a view; its records stay."""
    view = _own_or_404(request, pk)
    try:
        actions.delete_view(request.principal, view)
    except ValidationError as refusal:
        return refused(request, refusal, view.url)
    return HttpResponseRedirect(f"{reverse(f'{view.noun}s')}?view={'list' if view.noun == 'deal' else 'all'}")


def _own_or_404(request: PageRequest, pk: UUID) -> SavedView:
    """A view that this person sees; who sees it and may not change it is told so."""
    user = request.principal.user
    if user is None:
        raise Http404
    view = get_object_or_404(SavedView.objects.seen_by(user), pk=pk)
    if not may_change(request.principal, view):
        raise PermissionDenied
    return view
