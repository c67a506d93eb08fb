"""Takes what a list shows along as a file: all of what the filters found, not the page alone."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm import exporting
from crm.customfilters import CustomFilters
from crm.customvalues import PREFIX
from crm.exporting import Export
from crm.frame import Toast
from crm.models import CustomEntity, Deal, Lead, custom_fields_of
from crm.toasts import show_toast
from crm.views import deals as deal_list
from crm.views import leads as lead_list
from crm.views import organizations as firm_list
from crm.views.bulk import selected_deals, selected_leads
from crm.views.columns import PARAMETER
from crm.views.page import PageRequest, actor_of, back_to, member_page, query_of, refused


@require_POST
@member_page
def leads_export(request: PageRequest) -> HttpResponse:
    """The leads that the filters ask for, the filters are those of the list's URL; or those that are selected there."""
    principal, asked = request.principal, _asked(request)
    options = lead_list.lead_options(principal)
    filters = lead_list.read_filters(asked, options, principal)
    if refusal := _refusal(request, filters.custom, reverse("leads")):
        return refusal
    leads: QuerySet[Lead] = lead_list.matching_leads(principal, filters)
    kind = _kind(request)
    if _is_selection(request):
        order = lead_list.ordering(lead_list.SORTS, filters.sort)
        selection = selected_leads(request)
        if selection.asked == 0:
            return _nothing(request, reverse("leads"))
        leads = selection.records.order_by(*order)
    if (most := exporting.most_rows(kind)) and leads.count() > most:
        return _too_many(request, most, reverse("leads"))
    return as_download(
        exporting.export_leads(
            principal,
            actor_of(request),
            leads,
            kind=kind,
            every_column=_every_column(request),
            own=_own(request),
        )
    )


@require_POST
@member_page
def deals_export(request: PageRequest) -> HttpResponse:
    """The deals that the filters ask for, as the list shows them, the board shows fewer; or those that are selected."""
    principal, asked = request.principal, _asked(request)
    options = deal_list.deal_options()
    filters = deal_list.read_filters(asked, options)
    if refusal := _refusal(request, filters.custom, f"{reverse('deals')}?view=list"):
        return refusal
    order = lead_list.ordering(deal_list.SORTS, filters.sort)
    deals: QuerySet[Deal] = deal_list.matching_deals(principal, filters).order_by(*order)
    kind = _kind(request)
    if _is_selection(request):
        selection = selected_deals(request)
        if selection.asked == 0:
            return _nothing(request, f"{reverse('deals')}?view=list")
        deals = selection.records.order_by(*order)
    if (most := exporting.most_rows(kind)) and deals.count() > most:
        return _too_many(request, most, reverse("deals"))
    return as_download(
        exporting.export_deals(
            principal,
            actor_of(request),
            deals,
            kind=kind,
            every_column=_every_column(request),
            own=_own(request),
        )
    )


@require_POST
@member_page
def organizations_export(request: PageRequest) -> HttpResponse:
    """The organizations that the filters ask for, by name."""
    principal = request.principal
    asked = firm_list.read_filters(request.POST, custom_fields_of(CustomEntity.ORGANIZATION))
    if refusal := _refusal(request, asked.custom, reverse("organizations")):
        return refusal
    firms = firm_list.matching_organizations(principal, asked)
    kind = _kind(request)
    if (most := exporting.most_rows(kind)) and firms.count() > most:
        return _too_many(request, most, reverse("organizations"))
    return as_download(
        exporting.export_organizations(
            principal,
            actor_of(request),
            firms,
            kind=kind,
            every_column=_every_column(request),
            own=_own(request),
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


def _is_selection(request: PageRequest) -> bool:
    """Whether the form is the bar of a selection, whose buttons say `selected` and the kind of file."""
    return "selected" in request.POST


def _asked(request: PageRequest) -> QueryDict:
    """The parameters of the list: the form repeats them, or names the list's address."""
    return query_of(back_to(request, "")) if _is_selection(request) else request.POST


def _nothing(request: PageRequest, url: str) -> HttpResponse:
    return refused(request, ValidationError(_("Select rows first.")), back_to(request, url))


def _refusal(request: PageRequest, custom: CustomFilters, url: str) -> HttpResponse | None:
    try:
        custom.check()
    except ValidationError as refusal:
        return refused(request, refusal, back_to(request, url))
    return None


def _kind(request: PageRequest) -> str:
    kind = request.POST.get("selected") or request.POST.get("format", "")
    return kind if kind in exporting.FORMATS else "csv"


def _every_column(request: PageRequest) -> bool:
    return request.POST.get("columns") != "shown"


def _own(request: PageRequest) -> list[str]:
    """The keys of the company's own fields that the list shows."""
    return [key.removeprefix(PREFIX) for key in _asked(request).getlist(PARAMETER) if key.startswith(PREFIX)]


def _too_many(request: PageRequest, most: int, url: str) -> HttpResponse:
    show_toast(
        request,
        Toast(
            _("A sheet holds {most} records. Export as CSV, or filter first.").format(most=most), state="bad"
        ),
    )
    return HttpResponseRedirect(back_to(request, url))
