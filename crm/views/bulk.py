"""Changes to the selected rows of a list: asked for, done, and told row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from crm.access import Principal
from crm.actions import bulk_runs
from crm.actions.bulk_runs import Change, Counts, counts_of
from crm.customfilters import NO_FILTERS, CustomFilters
from crm.display import number
from crm.forms import LoseForm
from crm.frame import Toast, ToastAction
from crm.models import BulkRow, BulkRun, BulkState, BulkVerb, RowOutcome
from crm.texts import told_again
from crm.toasts import show_toast
from crm.views import deals as deal_list
from crm.views import leads as lead_list
from crm.views.leads import page_links
from crm.views.page import PageRequest, back_to, for_htmx, member_page, query_of, refused

PAGE_ROWS: Final = 50
UNDO_KEY: Final = "z"
# Done at once to many, these cannot be taken back by doing the opposite, so they ask first even for a few.
_ASKS_ALWAYS: Final = (BulkVerb.ARCHIVE,)
# Those that need somebody's eye come first.
_ORDER: Final = (RowOutcome.REFUSED, RowOutcome.UNCHANGED, RowOutcome.CHANGED, RowOutcome.WAITING)


@dataclass(frozen=True)
class Selection:
    """The rows that were chosen. `asked` is how many were named one by one; None if all that match were."""

    records: QuerySet[Any]
    asked: int | None
    custom: CustomFilters = NO_FILTERS


@dataclass(frozen=True)
class Line:
    """A row of a report. Without `record` it is gone, or not this person's to see."""

    row: BulkRow
    record: Model | None
    url: str


@require_POST
@member_page
def leads_bulk(request: PageRequest) -> HttpResponse:
    """Change the selected leads, or all that the list's filters match."""
    return _bulk(request, "lead", reverse("leads"), selected_leads(request))


@require_POST
@member_page
def deals_bulk(request: PageRequest) -> HttpResponse:
    """Change the selected deals, or all that the list's filters match."""
    return _bulk(request, "deal", f"{reverse('deals')}?view=list", selected_deals(request))


def selected_leads(request: PageRequest) -> Selection:
    """The leads that a form with `lead` (ids), or `all` and `next` (the list's address), is about."""
    principal = request.principal
    if request.POST.get("do") == BulkVerb.RESTORE:
        return _named(request, "lead", principal.leads_ever().archived())
    if not request.POST.get("all"):
        return _named(request, "lead", principal.leads())
    asked = query_of(back_to(request, reverse("leads")))
    filters = lead_list.read_filters(asked, lead_list.lead_options(principal), principal)
    return Selection(lead_list.matching_leads(principal, filters), None, filters.custom)


def selected_deals(request: PageRequest) -> Selection:
    """As `selected_leads`, for `deal`."""
    principal = request.principal
    if request.POST.get("do") == BulkVerb.RESTORE:
        return _named(request, "deal", principal.deals_ever().archived())
    if not request.POST.get("all"):
        return _named(request, "deal", principal.deals())
    asked = query_of(back_to(request, reverse("deals")))
    filters = deal_list.read_filters(asked, deal_list.deal_options())
    return Selection(deal_list.matching_deals(principal, filters), None, filters.custom)


def _named(request: PageRequest, noun: str, records: QuerySet[Any]) -> Selection:
    pks = _ids(request.POST.getlist(noun))
    return Selection(records.filter(pk__in=pks), len(pks))


def _ids(texts: Sequence[str]) -> set[UUID]:
    found = set()
    for text in texts:
        try:
            found.add(UUID(text))
        except ValueError:
            continue
    return found


def _bulk(request: PageRequest, noun: str, list_url: str, selection: Selection) -> HttpResponse:
    back = back_to(request, list_url)
    try:
        selection.custom.check()
        change = _change(request)
        if bulk_runs.needs_reason(change) and not change.reason:
            return _ask(request, noun, change, _("Lost"), selection, back)
        said = bulk_runs.said_of(request.principal, noun, change)
        if _is_to_be_asked(request, change, selection):
            return _ask(request, noun, change, said, selection, back)
        run = bulk_runs.start_run(request.principal, noun, change, selection.records, asked=selection.asked)
    except ValidationError as refusal:
        return refused(request, refusal, back)
    except PermissionError as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    return _tell(request, run, back)


def _change(request: PageRequest) -> Change:
    """What the pressed button says: `status:won`, `assign:<id>`, `tag` with a field beside it, `archive`."""
    verb, _colon, target = request.POST.get("do", "").partition(":")
    if verb not in BulkVerb.values:
        raise ValidationError(_("Choose what to do with the selected rows."))
    if verb in (BulkVerb.TAG, BulkVerb.UNTAG) and not target:
        target = request.POST.get("tag", "")
    why = LoseForm(request.POST)
    return Change(BulkVerb(verb), target, why.words() if why.is_valid() else "")


def _is_to_be_asked(request: PageRequest, change: Change, selection: Selection) -> bool:
    if request.POST.get("sure"):
        return False
    return selection.asked is None or change.verb in _ASKS_ALWAYS


def _ask(
    request: PageRequest, noun: str, change: Change, said: str, selection: Selection, back: str
) -> HttpResponse:
    count = selection.records.order_by().count()
    if not count:
        return refused(request, ValidationError(_("Select {noun}s first.").format(noun=_(noun))), back)
    asks_why = bulk_runs.needs_reason(change) and not change.reason
    why = LoseForm(request.POST if request.POST.get("sure") else None) if asks_why else None
    context = {
        "form": why,
        "noun": noun,
        "change": change,
        "said": told_again(said),
        "count": count,
        "do": f"{change.verb}:{change.target}",
        "pks": request.POST.getlist(noun) if selection.asked is not None else [],
        "is_slow": count > bulk_runs.AT_ONCE,
        "action": request.path,
        "back_url": back,
    }
    return render(request, "crm/bulk_ask.html", context, status=422 if why and why.errors else 200)


def archive_one(request: PageRequest, noun: str, records: QuerySet[Any]) -> HttpResponse:
    """Archive the one record of `records`, and offer on its list to undo it."""
    run = bulk_runs.start_run(request.principal, noun, Change(BulkVerb.ARCHIVE), records)
    return _tell(request, run, reverse(f"{noun}s"))


def _tell(request: PageRequest, run: BulkRun, back: str) -> HttpResponse:
    """Back to the list where all went well; else to the report."""
    report = reverse("bulk_run", args=[run.pk])
    counts = counts_of(run)
    if run.state != BulkState.DONE or counts.refused or run.not_found:
        return HttpResponseRedirect(report)
    undo = ToastAction(_("Undo"), reverse("bulk_run_undo", args=[run.pk]), UNDO_KEY)
    show_toast(
        request,
        Toast(
            _in_words(run, counts),
            lead=f"{told_again(run.said)}:",
            actions=(undo,) if run.verb == BulkVerb.ARCHIVE and counts.changed else (),
            url=report,
            url_text=_("Each row"),
        ),
    )
    return HttpResponseRedirect(back)


def _in_words(run: BulkRun, counts: Counts) -> str:
    nouns = {
        "lead": ngettext("{n} lead.", "{n} leads.", counts.changed),
        "deal": ngettext("{n} deal.", "{n} deals.", counts.changed),
    }
    text = nouns[run.noun].format(n=number(counts.changed))
    if not counts.unchanged:
        return text
    return f"{text} " + _("{n} were so already.").format(n=number(counts.unchanged))


# ── The report ─────────────────────────────────────────────────────────────────────────────────────────


def _run_or_404(request: PageRequest, pk: UUID) -> BulkRun:
    """A run of one's own."""
    runs = BulkRun.objects.filter(user=request.principal.user).select_related("company", "user")
    return get_object_or_404(runs, pk=pk)


@require_safe
@member_page
def bulk_run(request: PageRequest, pk: UUID) -> HttpResponse:
    """How far a run is, and what became of each row."""
    run = _run_or_404(request, pk)
    counts = counts_of(run)
    chosen = request.GET.get("outcome", "")
    outcome = chosen if chosen in RowOutcome.values else _first_of(counts)
    rows = BulkRow.objects.filter(run=run, outcome=outcome)
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {
        "run": run,
        "counts": counts,
        "outcome": outcome,
        "tabs": [(each, getattr(counts, each), each.label) for each in _ORDER if getattr(counts, each)],
        "page": page,
        "lines": _lines(request.principal, run, list(page.object_list)),
        "list_url": reverse(f"{run.noun}s"),
        "can_be_undone": run.verb == BulkVerb.ARCHIVE and run.state != BulkState.RUNNING and counts.changed,
        **page_links(page, request.GET),
    }
    is_part = request.htmx and request.htmx.target == "run"
    return for_htmx(render(request, "crm/bulk_run.html#run" if is_part else "crm/bulk_run.html", context))


def _first_of(counts: Counts) -> RowOutcome:
    return next((outcome for outcome in _ORDER if getattr(counts, outcome)), RowOutcome.CHANGED)


def _lines(principal: Principal, run: BulkRun, rows: Sequence[BulkRow]) -> list[Line]:
    pks = [pk for row in rows if (pk := row.lead_id or row.deal_id)]
    found = (
        principal.leads_ever().prefetch_related("emails") if run.noun == "lead" else principal.deals_ever()
    )
    records: dict[UUID, Any] = {record.pk: record for record in found.filter(pk__in=pks)}
    return [_line(run, row, records.get(pk)) for row, pk in zip(rows, pks, strict=True)]


def _line(run: BulkRun, row: BulkRow, record: Any) -> Line:
    is_open = record is not None and record.archived_at is None
    return Line(row, record, reverse(run.noun, args=[record.pk]) if is_open else "")


@require_POST
@member_page
def bulk_run_stop(request: PageRequest, pk: UUID) -> HttpResponse:
    """Leave what is not done yet as it is."""
    run = _run_or_404(request, pk)
    bulk_runs.stop_run(run)
    return HttpResponseRedirect(reverse("bulk_run", args=[run.pk]))


@require_POST
@member_page
def bulk_run_undo(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put back what was archived."""
    run = _run_or_404(request, pk)
    try:
        undone = bulk_runs.undo_run(request.principal, run)
    except ValidationError as refusal:
        return refused(request, refusal, reverse("bulk_run", args=[run.pk]))
    except PermissionError as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    return _tell(request, undone, back_to(request, reverse(f"{run.noun}s")))
