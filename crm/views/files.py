"""Files beside a record: add, download, delete. A file is only ever given back to be saved, never to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import Principal
from crm.actions import attachments as actions
from crm.actions.attachments import Record
from crm.errors import Conflict
from crm.models import Attachment
from crm.views.page import PageRequest, actor_of, done, member_page, refused, still_in


@dataclass(frozen=True)
class FileRow:
    """A file in the list of its record."""

    attachment: Attachment
    may_delete: bool


@dataclass(frozen=True)
class Files:
    """The files of a record, and where another one goes."""

    rows: tuple[FileRow, ...]
    add_url: str
    most_megabytes: int

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= settings.MAX_FILES_PER_RECORD


def files_of(principal: Principal, record: Record) -> Files:
    """What the card on a record's page shows, the newest first."""
    found = record.attachments.select_related("added_by")
    return Files(
        tuple(FileRow(each, actions.may_delete_file(principal, each)) for each in found),
        reverse(f"{record._meta.model_name}_files", args=[record.pk]),
        settings.MAX_FILE_BYTES // 2**20,
    )


# As with the upload of an import: who may not sign in is refused before a byte of the file is read, so the form's
# token is looked at in here, by `csrf_protect`.
@csrf_exempt  # nosemgrep: request-without-its-token
@require_POST
@member_page
@csrf_protect
def lead_files(request: PageRequest, pk: UUID) -> HttpResponse:
    """Add a file to a lead."""
    return _add(request, request.principal.leads(), pk)


@csrf_exempt  # nosemgrep: request-without-its-token
@require_POST
@member_page
@csrf_protect
def deal_files(request: PageRequest, pk: UUID) -> HttpResponse:
    """Add a file to a deal."""
    return _add(request, request.principal.deals(), pk)


@csrf_exempt  # nosemgrep: request-without-its-token
@require_POST
@member_page
@csrf_protect
def organization_files(request: PageRequest, pk: UUID) -> HttpResponse:
    """Add a file to an organization."""
    return _add(request, request.principal.organizations(), pk)


def _add(request: PageRequest, records: QuerySet[Any], pk: UUID) -> HttpResponse:
    record: Record = get_object_or_404(records, pk=pk)
    file = request.FILES.get("file")
    url = still_in(request, _url_of(record)) + "#files"
    if file is None:
        return refused(request, ValidationError(_("Choose a file first.")), url)
    try:
        attachment = actions.add_file(record, file.name or "", file, actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return refused(request, refusal, url)
    return done(request, _("%(file)s is kept here now.") % {"file": attachment}, url)


@require_safe
@member_page
def file_download(request: PageRequest, pk: UUID) -> HttpResponse:
    """The bytes, to be saved: whatever is in them, no browser reads it as a page of ours."""
    attachment = _found(request, pk)
    try:
        content = attachment.path.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(
        content, as_attachment=True, filename=attachment.name, content_type="application/octet-stream"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response  # type: ignore[return-value]  # the stubs keep streamed answers apart


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def file_delete(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask by name, then delete it for good."""
    attachment = _found(request, pk)
    if not actions.may_delete_file(request.principal, attachment):
        raise PermissionDenied
    url = _url_of(attachment.record) + "#files"
    if request.method == "POST":
        actions.delete_file(attachment, actor_of(request))
        return done(request, _("%(file)s is deleted.") % {"file": attachment}, url)
    template = "crm/file_delete.html#dialog" if request.htmx else "crm/file_delete.html"
    return render(request, template, {"file": attachment, "back_url": url})


def _found(request: PageRequest, pk: UUID) -> Attachment:
    files = request.principal.attachments().select_related("company", "lead", "deal", "organization")
    return get_object_or_404(files, pk=pk)


def _url_of(record: Record) -> str:
    return reverse(record._meta.model_name or "", args=[record.pk])
