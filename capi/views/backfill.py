"""The page that says what a rule's backfill would tell, and begins or ends it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from capi import backfill
from capi.backfill import Preview
from capi.models import Rule
from capi.views.door import READ, finish, linkedin_page, show_dialog
from crm.access import Ability
from crm.errors import Conflict
from crm.views.page import PageRequest, actor_of


@linkedin_page(Ability.MANAGE, *READ, "POST")
def backfill_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Counts and asks; a POST begins it, with `stop` ends it."""
    rule = get_object_or_404(Rule.objects.current(), pk=pk)
    if request.method == "POST":
        return _stop(request, rule) if "stop" in request.GET else _start(request, rule)
    is_running = rule.backfill_until is not None
    url = reverse("linkedin_rule_backfill", args=[pk])
    context = {
        "title": _("Stop the backfill?") if is_running else _("Tell LinkedIn what happened before?"),
        "text": " ".join(_sentences(backfill.preview(rule, timezone.now()))),
        "action": f"{url}?stop" if is_running else url,
        "verb": _("Stop backfill") if is_running else _("Start backfill"),
        "back_url": reverse("linkedin_rule", args=[pk]),
    }
    return show_dialog(request, "capi/confirm.html", context)


def _start(request: PageRequest, rule: Rule) -> HttpResponse:
    url = reverse("linkedin_setup") + "#rules"
    try:
        backfill.start(rule, actor_of(request))
    except Conflict as refusal:
        return finish(request, refusal.message, url, state="bad")
    text = _("The oldest goes first, and what happens meanwhile goes before it.")
    return finish(request, text, url, lead=_("Backfill of {name} started.").format(name=rule.name))


def _stop(request: PageRequest, rule: Rule) -> HttpResponse:
    backfill.stop(rule, actor_of(request))
    lead = _("Backfill of {name} stopped.").format(name=rule.name)
    text = _("What is recorded is sent. Started again, it goes on with the rest.")
    return finish(request, text, reverse("linkedin_setup") + "#rules", lead=lead)


def _sentences(counts: Preview) -> list[str]:
    """What can be told, and why the rest is not."""
    others = (
        (_("{count} told already."), counts.already_sent),
        (_("{count} too old: LinkedIn takes 90 days."), counts.too_old),
        (_("{count} without consent."), counts.no_consent),
        (_("{count} without an e-mail or click id."), counts.no_identifier),
        (_("{count} left out: conditions, tests, spam, your own addresses."), counts.excluded),
    )
    told = _("{count} can be told, each with the time when it happened.").format(count=counts.eligible)
    return [told, *(words.format(count=count) for words, count in others if count)]
