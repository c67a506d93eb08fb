"""Searching everything: a page of its own, and the palette that does the same while one types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.access import Principal
from crm.display import money
from crm.finding import Findings, find, lead_counts_of, recent
from crm.frame import Frame, NavItem
from crm.models import Deal, Lead, LeadStatus, Organization
from crm.search import words_of
from crm.texts import counted, inside_a_sentence
from crm.views.frame import frame_of
from crm.views.page import PageRequest, for_htmx, member_page

MOST_IN_PALETTE: Final = 5
MOST_ON_PAGE: Final = 20
LONGEST: Final = 200


@dataclass(frozen=True)
class Line:
    """Something to open. `face` draws a person's initials, `icon` a sign; `aside` stands at the end."""

    title: str
    url: str
    small: str = ""
    face: str = ""
    icon: str = ""
    status: LeadStatus | None = None
    aside: str = ""
    keys: str = ""


@dataclass(frozen=True)
class Group:
    """Lines of one kind; `more_url` leads to all of them where these are not."""

    title: str
    lines: tuple[Line, ...]
    more_url: str = ""


@require_safe
@member_page
def search(request: PageRequest) -> HttpResponse:
    """Everything that has the words, by kind."""
    text = _asked(request)
    found = find(request.principal, text, MOST_ON_PAGE)
    context = {
        "text": text,
        "words": words_of(text),
        "groups": _groups(request.principal, found, text),
        "is_guess": found.is_guess,
    }
    return render(request, "crm/search.html", context)


@require_safe
@member_page
def palette(request: PageRequest) -> HttpResponse:
    """What the palette lists: with words what has them, without any what happened last and what can be done."""
    text = _asked(request)
    if text:
        found = find(request.principal, text, MOST_IN_PALETTE)
        groups = _groups(request.principal, found, text)
    else:
        found = recent(request.principal, MOST_IN_PALETTE)
        groups = [_recent(found)] if len(found) else []
    context = {
        "text": text,
        "words": words_of(text),
        "groups": [*groups, *_actions(frame_of(request), text)],
        "is_guess": found.is_guess,
        "all_url": f"{reverse('search')}?{urlencode({'q': text})}" if text else "",
    }
    return for_htmx(render(request, "crm/palette.html", context))


def _asked(request: PageRequest) -> str:
    return " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:LONGEST]


# --- What was found


def _groups(principal: Principal, found: Findings, text: str) -> list[Group]:
    asked = urlencode({"search": text})
    counts = lead_counts_of(principal, found.organizations) if found.organizations else {}
    firms = tuple(_firm(firm, counts.get(firm.pk, 0)) for firm in found.organizations)
    groups = (
        Group(
            _("Leads"),
            tuple(_lead(lead, text) for lead in found.leads),
            f"{reverse('leads')}?view=all&{asked}" if found.leads.has_more else "",
        ),
        Group(
            _("Deals"),
            tuple(_deal(deal) for deal in found.deals),
            f"{reverse('deals')}?view=list&pipeline=all&{asked}" if found.deals.has_more else "",
        ),
        Group(
            _("Organizations"),
            firms,
            f"{reverse('organizations')}?{asked}" if found.organizations.has_more else "",
        ),
    )
    return [group for group in groups if group.lines]


def _recent(found: Findings) -> Group:
    lines = (*(_lead(lead, "") for lead in found.leads), *(_deal(deal) for deal in found.deals))
    return Group(_("Recent"), lines)


def _lead(lead: Lead, text: str) -> Line:
    firm = lead.organization.name if lead.organization else ""
    work = ", ".join(part for part in (lead.title, firm) if part)
    # Whoever was found by their address is shown with it.
    seen = f"{lead.full_name} {work}".casefold()
    is_seen = all(word.casefold() in seen for word in words_of(text))
    small = work if work and is_seen else lead.email or work
    return Line(str(lead), reverse("lead", args=[lead.pk]), small, face=str(lead), status=lead.status)


def _deal(deal: Deal) -> Line:
    firm = f"{deal.organization}, " if deal.organization and str(deal.organization) not in deal.title else ""
    amount = money(deal.amount, deal.currency, short=True) if deal.amount is not None else ""
    return Line(
        deal.title, reverse("deal", args=[deal.pk]), f"{firm}{deal.stage}", icon="banknotes", aside=amount
    )


def _firm(firm: Organization, leads: int) -> Line:
    url = reverse("organization", args=[firm.pk])
    return Line(
        firm.name,
        url,
        firm.domain,
        icon="building-office",
        aside=counted("{n} lead", "{n} leads", leads),
    )


# --- What can be done


def _actions(frame: Frame | None, text: str) -> list[Group]:
    """The pages and the New menu of the frame, which shows permitted ones only; with words those that have them."""
    if frame is None:
        return []
    new = (
        _action(_("New {label}").format(label=inside_a_sentence(item.label)), item, "plus")
        for item in frame.new
    )
    settings = (frame.settings,) if frame.settings else ()
    pages = (
        _action(_("Go to {label}").format(label=item.label), item, item.icon)
        for item in (*frame.nav, *settings)
    )
    groups = (Group(_("Actions"), _having(text, new)), Group(_("Pages"), _having(text, pages)))
    return [group for group in groups if group.lines]


def _action(title: str, item: NavItem, icon: str) -> Line:
    return Line(title, item.url, icon=icon, keys=item.keys)


def _having(text: str, lines: Iterable[Line]) -> tuple[Line, ...]:
    words = text.casefold().split()
    return tuple(line for line in lines if all(word in line.title.casefold() for word in words))
