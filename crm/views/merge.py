"""Two leads beside each other, and the merge that makes one of them; and its undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import Principal
from crm.actions import merge as actions
from crm.actions.merge import CHOICES, Choice
from crm.countries import country_names
from crm.customvalues import PREFIX, shown
from crm.duplicates import duplicates_of
from crm.errors import Conflict
from crm.frame import Toast, ToastAction
from crm.models import CustomEntity, Lead, custom_fields_of
from crm.search import search_leads
from crm.toasts import show_toast
from crm.views.lead import lead_or_404
from crm.views.page import PageRequest, actor_of, done, member_page, refused, sentence_of, status_of

MOST_FOUND: Final = 20
THEIRS: Final = "theirs"


@dataclass(frozen=True)
class Row:
    """A field in which the two differ; `is_theirs` if the word of the one that goes is chosen."""

    name: str
    label: str
    ours: str
    theirs: str
    is_theirs: bool


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def lead_merge(request: PageRequest, pk: UUID) -> HttpResponse:
    """Choose the other one, then look at both and choose field by field; the lead in the address stays."""
    survivor = lead_or_404(request, pk)
    other = (request.POST if request.method == "POST" else request.GET).get("with", "")
    if not other:
        return _choose(request, survivor, status=422 if request.method == "POST" else 200)
    loser = lead_or_404(request, _id_of(other))
    if request.method != "POST":
        return _compare(request, survivor, loser)
    own = [name for name in request.POST if name.startswith(PREFIX)]
    names = (*(choice.name for choice in CHOICES), *own)
    take = [name for name in names if request.POST.get(name) == THEIRS]
    try:
        actions.merge_leads(survivor, loser, actor_of(request), take=take)
    except (ValidationError, Conflict) as refusal:
        return _compare(request, survivor, loser, sentence_of(refusal), status_of(refusal))
    undo = ToastAction(_("Undo"), reverse("lead_unmerge", args=[pk]), "z")
    show_toast(request, Toast(_("The two leads are one now."), actions=(undo,), seconds=20))
    return redirect("lead", survivor.pk)


@require_POST
@member_page
def lead_unmerge(request: PageRequest, pk: UUID) -> HttpResponse:
    """Make two of the one again."""
    survivor = lead_or_404(request, pk)
    url = reverse("lead", args=[pk])
    merge = actions.last_merge(survivor)
    if merge is None:
        return refused(request, Conflict(_("There is no merge that could be undone."), code="none"), url)
    try:
        loser = actions.undo_merge(merge, actor_of(request))
    except Conflict as refusal:
        return refused(request, refusal, url)
    return done(request, _("{loser} is a lead of its own again.").format(loser=loser), url)


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)  # nobody's


def _choose(request: PageRequest, survivor: Lead, status: int) -> HttpResponse:
    search = " ".join(request.GET.get("search", "").split())
    found: list[Lead] = []
    if search:
        leads = search_leads(request.principal.leads(), search).exclude(pk=survivor.pk)
        found = list(leads.for_list()[:MOST_FOUND])
    context = {
        "lead": survivor,
        "search": search,
        "found": found,
        "duplicates": duplicates_of(request.principal, survivor),
    }
    return render(request, "crm/lead_merge_choose.html", context, status=status)


def _compare(
    request: PageRequest, survivor: Lead, loser: Lead, refusal: str = "", status: int = 200
) -> HttpResponse:
    chosen = actions.suggested(survivor, loser)
    own = _own_rows(survivor, loser)
    rows = [_row(choice, survivor, loser, choice.name in chosen) for choice in CHOICES]
    rows += [row for row in own if row.ours and row.theirs]
    kept = _beside(_belongings(request.principal, survivor), _belongings(request.principal, loser))
    context = {
        "lead": survivor,
        "other": loser,
        "rows": [row for row in rows if row.ours != row.theirs],
        "same": [row for row in rows if row.ours == row.theirs and row.ours],
        "kept": [
            *kept,
            *(
                (row.label, _listed(row.ours), _listed(row.theirs))
                for row in own
                if not (row.ours and row.theirs)
            ),
        ],
        "refusal": refusal,
    }
    return render(request, "crm/lead_merge.html", context, status=status)


def _row(choice: Choice, survivor: Lead, loser: Lead, is_theirs: bool) -> Row:
    return Row(choice.name, choice.words, _words(choice, survivor), _words(choice, loser), is_theirs)


def _own_rows(survivor: Lead, loser: Lead) -> list[Row]:
    """The company's own fields of which either says something."""
    rows = [
        Row(
            f"{PREFIX}{field.key}",
            field.name,
            shown(field.values, survivor.custom.get(field.key)),
            shown(field.values, loser.custom.get(field.key)),
            is_theirs=False,
        )
        for field in custom_fields_of(CustomEntity.LEAD)
    ]
    return [row for row in rows if row.ours or row.theirs]


def _listed(words: str) -> list[str]:
    return [words] if words else []


def _words(choice: Choice, lead: Lead) -> str:
    """What a reader sees of a choice; "" for nothing."""
    if choice.name == "campaign":
        return next((value for value in (getattr(lead, column) for column in choice.columns) if value), "")
    if choice.name == "country_code":
        return country_names().get(lead.country_code, lead.country_code)
    return str(getattr(lead, choice.name) or "")


def _belongings(principal: Principal, lead: Lead) -> dict[str, list[str]]:
    """What both keep, so that there is nothing to choose."""
    return {
        _("E-mail"): [email.address for email in lead.emails.all()],
        _("Phone"): [phone.number for phone in lead.phones.all()],
        _("Website"): [website.url for website in lead.websites.all()],
        _("Tags"): [tag.name for tag in lead.tags.all()],
        _("Deals"): [deal.title for deal in principal.deals().filter(lead=lead)[:MOST_FOUND]],
    }


def _beside(
    ours: dict[str, list[str]], theirs: dict[str, list[str]]
) -> list[tuple[str, list[str], list[str]]]:
    """The same for both, without what neither has."""
    return [(label, words, theirs[label]) for label, words in ours.items() if words or theirs[label]]
