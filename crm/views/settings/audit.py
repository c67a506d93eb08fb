"""The audit log for those who manage the company: to search, to page through, to take along as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django import forms
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, audit_log
from crm.access import Ability
from crm.audit import ACTIONS
from crm.audit_log import NOT_A_USER, Filters, Line
from crm.models import User
from crm.spreadsheets import csv_lines
from crm.texts import gettext_lazy
from crm.views.page import PageRequest, actor_of, link_with
from crm.views.settings.page import render_settings, settings_page

# An export is made in memory and in one transaction; of more, the newest.
MOST_EXPORTED: Final = 50_000
COLUMNS: Final = (
    "time (UTC)",
    "who",
    "user id",
    "channel",
    "address",
    "action",
    "what",
    "subject type",
    "subject id",
    "subject",
    "changes",
)


class FilterForm(forms.Form):
    """What the log can be searched by."""

    actor = forms.ChoiceField(label=gettext_lazy("Who"), required=False)
    action = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    since = forms.CharField(
        label=gettext_lazy("Since"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.CharField(
        label=gettext_lazy("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    subject = forms.CharField(
        label=gettext_lazy("Id of a record"),
        required=False,
        max_length=36,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, people: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        actors = [("", _("Anybody")), (NOT_A_USER, _("No user: keys and commands"))]
        self.fields["actor"].choices = [*actors, *((str(user.pk), str(user)) for user in people)]  # type: ignore[attr-defined]
        self.fields["action"].choices = [("", _("Anything")), *ACTIONS.items()]  # type: ignore[attr-defined]


@settings_page(Ability.MANAGE)
def audit_entries(request: PageRequest) -> HttpResponse:
    """The log, newest first."""
    filters = Filters.read(request.GET)
    rows = filters.rows()
    page = audit_log.page(rows, request.GET.get("cursor", ""))
    # Those who left have done something, too.
    members = User.objects.filter(memberships__company=request.principal.company)
    people = list(members.order_by("first_name", "last_name", "email"))
    context = {
        "params": vars(filters),
        "form": FilterForm(initial=vars(filters), people=people),
        "chips": _chips(request, filters, people),
        "lines": page.lines,
        "page": page,
        "total": rows.count(),
        "most": MOST_EXPORTED,
    }
    return render_settings(request, "crm/settings/audit.html", context)


@settings_page(Ability.MANAGE, "POST")
@transaction.atomic
def audit_export(request: PageRequest) -> HttpResponse:
    """The entries of the filters as CSV. That they were taken along is an entry itself, with how many."""
    filters = Filters.read(request.POST)
    lines = list(audit_log.every_line(filters.rows(), MOST_EXPORTED))
    company = request.principal.company
    audit.record(actor_of(request), "audit_exported", company=company, changes={"count": (None, len(lines))})
    response = HttpResponse("".join(csv_lines(_cells(lines))), content_type="text/csv; charset=utf-8")
    name = f"audit-{timezone.localdate():%Y-%m-%d}-{len(lines)}-entries.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _cells(lines: list[Line]) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    for line in lines:
        entry = line.entry
        yield (
            entry.at.isoformat(),
            line.who,
            entry.actor_id or "",
            entry.channel,
            entry.address,
            entry.action,
            line.sentence,
            entry.subject_type,
            entry.subject_id or "",
            line.subject,
            "; ".join(line.changes),
        )


def _chips(request: PageRequest, filters: Filters, people: list[User]) -> list[tuple[str, str, str]]:
    """Each filter that is set: about, value, and the address of the same list without it."""
    who = next((str(user) for user in people if str(user.pk) == filters.actor), filters.actor)
    set_now = (
        ("actor", _("Done by"), _("no user") if filters.actor == NOT_A_USER else who),
        ("action", _("What is"), ACTIONS.get(filters.action, "")),
        ("since", _("Since"), filters.since),
        ("until", _("Until"), filters.until),
        ("subject", _("Record is"), filters.subject),
    )
    return [
        (about, value, link_with(request.GET, **{name: None, "cursor": None}))
        for name, about, value in set_now
        if value
    ]
