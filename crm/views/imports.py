"""Imports as pages: upload, map, check, run, and what came of it. Each step is a plain form; nothing needs script."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from crm import import_work, importing, panels
from crm.actions import imports as actions
from crm.actions.imports import Options
from crm.errors import Conflict
from crm.importing import FIELDS, PRESETS, Dialect, Unreadable
from crm.models import Import, ImportOutcome, ImportRow, ImportState, LeadStatus, OnMatch
from crm.models.imports import WORKING
from crm.spreadsheets import csv_lines
from crm.tenancy import company_scope
from crm.texts import told_again
from crm.views.page import PageRequest, actor_of, done, for_htmx, member_page, refused, sentence_of

MOST_LISTED = 50
MOST_FAULTS = 20
# So long a request works itself before it leaves the rest to the workers: small files are done at once.
AT_ONCE_SECONDS = 1.5


@dataclass(frozen=True)
class ColumnRow:
    """A column of the file on the page where it is mapped."""

    place: int
    header: str
    samples: tuple[str, ...]
    field: str
    why: str


@dataclass(frozen=True)
class Figure:
    """A count with its words."""

    label: str
    number: int | str
    text: str
    is_bad: bool = False


@require_safe
@member_page
def imports(request: PageRequest) -> HttpResponse:
    """What was imported, newest first, and the form that takes a file in."""
    return _list(request)


def _list(request: PageRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    found = list(request.principal.imports().select_related("created_by")[:MOST_LISTED])
    context = {
        "batches": found,
        "running": sum(batch.is_working for batch in found),
        "error": error,
        "most_megabytes": settings.MAX_IMPORT_BYTES // 2**20,
        "presets": [_(preset.label) for preset in PRESETS.values() if preset.marks],
    }
    return render(request, "crm/imports.html", context, status=status)


# Whoever may not sign in is refused before a byte of the file is read, so the form's token is looked at in here,
# by `csrf_protect`.
@csrf_exempt  # nosemgrep: request-without-its-token
@require_POST
@member_page
@csrf_protect
def import_upload(request: PageRequest) -> HttpResponse:
    """Take a file in, and go on to its columns. With `like`, the settings are those of an earlier import."""
    file = request.FILES.get("file")
    if file is None:
        return _list(request, error=_("Choose a file first."), status=422)
    actor, principal = actor_of(request), request.principal
    try:
        like = _like(request)
        if like is not None:
            batch = actions.again(like, principal, actor, file.name or "", file)
        else:
            batch = actions.upload(principal, actor, file.name or "", file)
    except Unreadable as error:
        return _list(request, error=told_again(str(error)), status=422)
    return HttpResponseRedirect(reverse("import_page", args=[batch.pk]))


def _like(request: PageRequest) -> Import | None:
    try:
        return request.principal.imports().filter(pk=UUID(request.POST.get("like", ""))).first()
    except ValueError:
        return None


@require_safe
@member_page
def import_page(request: PageRequest, pk: UUID) -> HttpResponse:
    """An import in the state it is in; htmx asks for the part that changes while it works."""
    batch = _batch(request, pk)
    if request.htmx and request.htmx.target == "progress":
        # The page as a whole changes when the work is over, so it is loaded anew then.
        if not batch.is_working:
            response = HttpResponse(status=204)
            response.headers["HX-Refresh"] = "true"
            return for_htmx(response)
        return for_htmx(render(request, "crm/import.html#progress", _working(batch)))
    return for_htmx(_page(request, batch))


def _page(request: PageRequest, batch: Import, *, error: str = "", status: int = 200) -> HttpResponse:
    if batch.is_working:
        return render(request, "crm/import.html", _working(batch), status=status)
    if batch.state in (ImportState.MAPPING, ImportState.CHECKED):
        context = _mapping(request, batch)
        return render(request, "crm/import_map.html", {**context, "error": error}, status=status)
    return render(request, "crm/import.html", _over(batch), status=status)


@require_POST
@member_page
def import_read(request: PageRequest, pk: UUID) -> HttpResponse:
    """Read the file in another way: encoding, delimiter, head, the program it is from."""
    batch, asked = _batch(request, pk), request.POST
    try:
        actions.read_again(
            batch,
            encoding=asked.get("encoding", ""),
            delimiter=asked.get("delimiter", ""),
            has_header=asked.get("has_header") == "on",
            preset=asked.get("preset", ""),
        )
    except Unreadable as error:
        return _page(request, _batch(request, pk), error=told_again(str(error)), status=422)
    except (ValidationError, Conflict) as refusal:
        return refused(request, refusal, reverse("import_page", args=[pk]))
    return HttpResponseRedirect(reverse("import_page", args=[pk]))


@require_POST
@member_page
def import_check(request: PageRequest, pk: UUID) -> HttpResponse:
    """Save how the file is to be read, and check every row of it."""
    batch = _batch(request, pk)
    try:
        actions.check(batch, _options(request, batch))
    except ValidationError as refusal:
        return _page(request, batch, error=sentence_of(refusal), status=422)
    except Conflict as refusal:
        return refused(request, refusal, reverse("import_page", args=[pk]))
    return _begin(request, batch)


def _options(request: PageRequest, batch: Import) -> Options:
    asked, principal = request.POST, request.principal
    owners = {str(user.pk): user for user in principal.assignees()}
    statuses = {status.key: status for status in LeadStatus.objects.all()}
    return Options(
        mapping=[asked.get(f"column-{place}", "") for place in range(len(batch.headers))],
        on_match=asked.get("on_match", OnMatch.FILL),
        source=asked.get("source", ""),
        status=statuses.get(asked.get("status", "")),
        owner=owners.get(asked.get("owner", "")),
        month_first=asked.get("month_first") == "on",
        lenient=asked.get("lenient") == "on",
        is_reported=asked.get("is_reported") == "on",
    )


@require_POST
@member_page
def import_start(request: PageRequest, pk: UUID) -> HttpResponse:
    """Write what was checked."""
    batch = _batch(request, pk)
    try:
        actions.start(batch, actor_of(request), is_reported=request.POST.get("is_reported") == "on")
    except Conflict as refusal:
        return refused(request, refusal, reverse("import_page", args=[pk]))
    return _begin(request, batch)


@require_POST
@member_page
def import_stop(request: PageRequest, pk: UUID) -> HttpResponse:
    """End the work where it is."""
    batch = _batch(request, pk)
    try:
        actions.stop(batch)
    except Conflict as refusal:
        return refused(request, refusal, reverse("import_page", args=[pk]))
    return done(request, _("Stopped. The rows that are done stay."), reverse("import_page", args=[pk]))


@require_POST
@member_page
def import_undo(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take the whole import back."""
    batch = _batch(request, pk)
    try:
        actions.undo(batch, actor_of(request))
    except Conflict as refusal:
        return refused(request, refusal, reverse("import_page", args=[pk]))
    return _begin(request, batch)


@require_safe
@member_page
def import_failed(request: PageRequest, pk: UUID) -> HttpResponse:
    """The rows that failed as they were in the file, with a column that says why."""
    batch = _batch(request, pk)
    count = batch.rows.filter(outcome=ImportOutcome.FAILED).count()
    name = f"failed-rows-{batch.created_at:%Y-%m-%d}-{count}-rows.csv"
    lines = csv_lines(_failed(request, batch))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return cast("HttpResponse", response)


def _failed(request: PageRequest, batch: Import) -> Iterator[tuple[object, ...]]:
    yield (*batch.headers, _("Row"), _("What is wrong"))
    # The answer is read when the request, and with it the scope of its company, is over.
    with company_scope(request.principal.company):
        rows = batch.rows.filter(outcome=ImportOutcome.FAILED)
        reasons = dict(rows.values_list("number", "reason"))
    if not batch.has_file:
        yield from ((*([""] * len(batch.headers)), number, reason) for number, reason in reasons.items())
        return
    width = len(batch.headers)
    for row in importing.rows_of(batch.path, Dialect(batch.encoding, batch.delimiter)):
        if row.number in reasons:
            cells = (*row.cells, *([""] * width))[:width]
            yield (*cells, row.number, reasons[row.number])


def _batch(request: PageRequest, pk: UUID) -> Import:
    return get_object_or_404(
        request.principal.imports().select_related("company", "created_by", "status", "owner"), pk=pk
    )


def _begin(request: PageRequest, batch: Import) -> HttpResponse:
    """Work a moment in this request; the workers do the rest. Without workers, the page's next look goes on."""
    more = import_work.work(request.principal.company, batch.pk, AT_ONCE_SECONDS)
    if more:
        import_work.nudge_on_commit(batch)
    return HttpResponseRedirect(reverse("import_page", args=[batch.pk]))


# --- What the pages show ------------------------------------------------------------------------------------


def _mapping(request: PageRequest, batch: Import) -> dict[str, Any]:
    principal = request.principal
    matches = {field for field in batch.mapping if field}
    samples = actions.samples_of(batch)
    rows = [
        ColumnRow(place, header, samples[place], field, _("mapped") if field else _("left out"))
        for place, (header, field) in enumerate(zip(batch.headers, batch.mapping, strict=True))
    ]
    is_checked = batch.state == ImportState.CHECKED
    listeners = sum(count("lead_created") for count in panels.event_listeners)
    return {
        "batch": batch,
        "rows": rows,
        "mapped": len(matches),
        "fields": [(name, _(field.label)) for name, field in FIELDS.items()],
        "own_fields": importing.own_labels(actions.own_fields()).items(),
        "encodings": [(value, _(label)) for value, label in importing.ENCODINGS.items()],
        "encoding": _(importing.ENCODINGS.get(batch.encoding, batch.encoding)),
        "delimiters": [(value, _(label)) for value, label in importing.DELIMITERS.items()],
        "delimiter": told_again(importing.DELIMITERS.get(batch.delimiter, "")),
        "presets": [(name, _(preset.label)) for name, preset in PRESETS.items()],
        "statuses": LeadStatus.objects.all(),
        "owners": principal.assignees() if principal.may_assign(None) else [],
        "ways": [
            (OnMatch.SKIP, _("Skip them"), _("your leads stay as they are")),
            (OnMatch.FILL, _("Fill blanks"), _("writes empty fields, changes none")),
            (OnMatch.OVERWRITE, _("Overwrite"), _("changes fields; can be undone")),
        ],
        "is_checked": is_checked,
        "faults": list(batch.rows.filter(outcome=ImportOutcome.FAILED)[:MOST_FAULTS]) if is_checked else [],
        "would_send": batch.reportable * listeners,
        "listeners": listeners,
        "silent": batch.created - batch.reportable,
    }


def _working(batch: Import) -> dict[str, Any]:
    if batch.state == ImportState.UNDOING:
        total, now_at = int(batch.plan.get("undo", 0)), batch.position
    else:
        total, now_at = batch.total, batch.handled
    share = min(now_at / total, 1) if total else 0
    return {
        "batch": batch,
        "total": total,
        "at": now_at,
        "percent": f"{share * 100:.1f}",
        "left": _left(batch, share),
        "figures": _figures(batch),
        "verb": {"checking": _("Checking"), "running": _("Importing"), "undoing": _("Taking it back")}[
            batch.state
        ],
    }


def _left(batch: Import, share: float) -> str:
    """How long it will take, in words; nothing while that is a guess."""
    if not batch.started_at or share < 0.05:
        return ""
    passed = timezone.now() - batch.started_at
    left = passed * (1 - share) / share
    if left > dt.timedelta(minutes=2):
        return _("About {n} min more.").format(n=left // dt.timedelta(minutes=1))
    return _("About {n} s more.").format(n=max(left // dt.timedelta(seconds=1), 1))


def _figures(batch: Import) -> list[Figure]:
    plan = batch.plan if batch.state == ImportState.RUNNING else {}

    def of(name: str, otherwise: str) -> str:
        return _("of {plan}").format(plan=plan[name]) if name in plan else otherwise

    return [
        Figure(_("Created"), batch.created, of("created", _("new leads"))),
        Figure(
            _("Updated"),
            batch.updated,
            of("updated", _("{filled} fields written").format(filled=batch.filled)),
        ),
        Figure(_("Skipped"), batch.skipped, of("skipped", _("nothing to write"))),
        Figure(
            _("Failed"), batch.failed, of("failed", _("nothing of them was saved")), is_bad=batch.failed > 0
        ),
        Figure(
            "LinkedIn",
            _("On") if batch.is_reported else _("Off"),
            _("new leads are reported") if batch.is_reported else _("nothing is reported"),
        ),
    ]


def _over(batch: Import) -> dict[str, Any]:
    now = timezone.now()
    faults = batch.rows.filter(outcome=ImportOutcome.FAILED)
    skipped = ImportRow.objects.filter(batch=batch, outcome=ImportOutcome.SKIPPED)
    return {
        "batch": batch,
        "figures": _figures(batch),
        "faults": list(faults[:MOST_FAULTS]),
        "skipped": list(skipped[:MOST_FAULTS]),
        "may_undo": actions.may_undo(batch, now),
        "undo_until": batch.created_at + actions.KEPT_FOR,
        "took": (batch.finished_at - batch.started_at) if batch.finished_at and batch.started_at else None,
        "is_over": batch.state not in WORKING,
    }
