"""Takes what a list shows along as a file: all of what the filters found, not the page alone."""

from __future__ import annotations

from django.http import FileResponse, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from crm import exporting
from crm.exporting import Export
from crm.forms import members
from crm.frame import Toast
from crm.models import Pipeline
from crm.toasts import show_toast
from crm.views import deals as deal_list
from crm.views import leads as lead_list
from crm.views.page import PageRequest, actor_of, back_to, member_page


@require_POST
@member_page
def leads_export(request: PageRequest) -> HttpResponse:
    """The leads that the filters ask for; the filters are those of the list's URL."""
    principal, asked = request.principal, request.POST
    filters = lead_list.read_filters(asked, lead_list.lead_options(principal), principal)
    leads = lead_list.matching_leads(principal, filters)
    kind = _kind(request)
    if (most := exporting.most_rows(kind)) and leads.count() > most:
        return _too_many(request, most, reverse("leads"))
    return as_download(
        exporting.export_leads(
            principal, actor_of(request), leads, kind=kind, every_column=_every_column(request)
        )
    )


@require_POST
@member_page
def deals_export(request: PageRequest) -> HttpResponse:
    """The deals that the filters ask for, as the list shows them; the board shows fewer."""
    principal, asked = request.principal, request.POST
    pipelines = list(Pipeline.objects.prefetch_related("stages"))
    filters = deal_list.read_filters(asked, pipelines, list(members()))
    order = lead_list.ordering(deal_list.SORTS, filters.sort)
    deals = deal_list.matching_deals(principal, filters).order_by(*order)
    kind = _kind(request)
    if (most := exporting.most_rows(kind)) and deals.count() > most:
        return _too_many(request, most, reverse("deals"))
    return as_download(
        exporting.export_deals(
            principal, actor_of(request), deals, kind=kind, every_column=_every_column(request)
        )
    )


def as_download(export: Export) -> HttpResponse:
    """The file as an attachment that no cache keeps."""
    # FileResponse streams, and closes the file when it is sent or the reader has gone.
    response = FileResponse(
        export.file, as_attachment=True, filename=export.name, content_type=export.content_type
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Row-Count"] = str(export.count)
    return response  # type: ignore[return-value]  # the stubs keep streamed answers apart


def _kind(request: PageRequest) -> str:
    kind = request.POST.get("format", "")
    return kind if kind in exporting.FORMATS else "csv"


def _every_column(request: PageRequest) -> bool:
    return request.POST.get("columns") != "shown"


def _too_many(request: PageRequest, most: int, url: str) -> HttpResponse:
    show_toast(request, Toast(f"A sheet holds {most} records. Export as CSV, or filter first.", state="bad"))
    return HttpResponseRedirect(back_to(request, url))
