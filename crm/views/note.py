"""One's own note, call, meeting or e-mail: written anew, or taken back."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.actions import timeline as actions
from crm.forms import NoteForm, show_refusal
from crm.models import Activity
from crm.views.page import PageRequest, actor_of, done, member_page


def _own_note(request: PageRequest, pk: UUID) -> Activity:
    """A line that this person may see and has written."""
    principal = request.principal
    seen = Q(deal__in=principal.deals()) | Q(deal=None, lead__in=principal.leads())
    activity = get_object_or_404(Activity.objects.filter(seen), pk=pk)
    if not actions.is_own(activity, principal.user):
        raise PermissionDenied
    return activity


def _page_of(activity: Activity) -> str:
    noun, pk = ("lead", activity.lead_id) if activity.deal_id is None else ("deal", activity.deal_id)
    return reverse(noun, args=[pk]) + "#timeline"


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def note(request: PageRequest, pk: UUID) -> HttpResponse:
    """Write it anew."""
    activity = _own_note(request, pk)
    data = request.POST if request.method == "POST" else None
    form = NoteForm(data, initial={"text": activity.text, "at": activity.at})
    if form.is_valid():
        at = form.cleaned_data["at"] if "at" in form.changed_data else None
        try:
            actions.edit_note(activity, form.cleaned_data["text"], actor_of(request), at=at)
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            return done(request, _("Saved."), _page_of(activity))
    context = {"activity": activity, "form": form, "back_url": _page_of(activity)}
    return render(request, "crm/note.html", context, status=422 if form.errors else 200)


@require_POST
@member_page
def note_delete(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take it back."""
    activity = _own_note(request, pk)
    url = _page_of(activity)
    actions.delete_note(activity, actor_of(request))
    return done(request, _("Deleted."), url)
