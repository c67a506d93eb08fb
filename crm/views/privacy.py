"""What people may ask of whoever has their data: a copy of all of it, or that it is gone."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm import personal_export
from crm.access import Ability
from crm.actions import erase
from crm.models import Lead
from crm.views.page import PageRequest, actor_of, done, member_page


def _lead(request: PageRequest, pk: UUID) -> Lead:
    """Any lead of the company, an archived one too: the person asks, not the list."""
    lead = get_object_or_404(Lead.objects.select_related("company"), pk=pk)
    if not request.principal.can(Ability.MANAGE):
        get_object_or_404(request.principal.leads(), pk=pk)
        raise PermissionDenied
    return lead


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def lead_erase(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask by name, then forget the person."""
    lead = _lead(request, pk)
    if request.method == "POST":
        try:
            erasure = erase.erase_lead(lead, actor_of(request))
        except Lead.DoesNotExist as gone:
            raise Http404 from gone
        erasure.refresh_from_db()
        # Without the name: this sentence is kept in the session until it is shown.
        text = _("The person was erased.")
        if not erasure.completed_at:
            text += _(" One request to LinkedIn was on its way; it ends within 90 seconds.")
        return done(request, text, reverse("leads"))
    context = {
        "lead": lead,
        "namesakes": list(erase.namesakes(lead)[:10]),
        "back_url": reverse("lead", args=[lead.pk]),
    }
    template = "crm/lead_erase.html#dialog" if request.htmx else "crm/lead_erase.html"
    return render(request, template, context)


@require_POST
@member_page
def lead_export(request: PageRequest, pk: UUID) -> HttpResponse:
    """Everything there is about the person as JSON; with the files kept beside them, where there are any, as ZIP."""
    lead = _lead(request, pk)
    found = personal_export.export_lead(lead, actor_of(request))
    if files := personal_export.files_of(lead):
        archive = personal_export.as_archive(found, files)
        name = f"lead-{lead.pk}.zip"
        return FileResponse(  # type: ignore[return-value]  # the stubs keep streamed answers apart
            archive, as_attachment=True, filename=name, content_type="application/zip"
        )
    answer = JsonResponse(found, encoder=personal_export.JSONEncoder, json_dumps_params={"indent": 1})
    answer.headers["Content-Disposition"] = f'attachment; filename="lead-{lead.pk}.json"'
    return answer
