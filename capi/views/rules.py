"""Rules: switch, edit, delete, test, preview, and picking a conversion from the ad account."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from capi import operations, story, trail
from capi.forms import RuleEditForm
from capi.linkedin import LinkedInClient, ReadRefused, RemoteAccount, RemoteRule
from capi.models import Connection, ConversionEvent, CrmEvent, Endpoint, Holder, Rule, Status
from capi.outcome import NoAnswer, NotSent
from capi.preview import preview as preview_of
from capi.views.door import READ, finish, linkedin_page, show_dialog
from crm.access import Ability
from crm.errors import Conflict
from crm.forms import show_refusal
from crm.texts import gettext_lazy, inside_a_sentence
from crm.vault import VaultError
from crm.views.page import PageRequest, actor_of, back_to, member_page, refused

SETUP: Final = "linkedin_setup"
# A person waits for this page, so LinkedIn gets less time than it has for events.
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 5.0
ALL_SECONDS: Final = 8.0


def _rule(pk: UUID) -> Rule:
    return get_object_or_404(Rule.objects.current(), pk=pk)


@linkedin_page(Ability.MANAGE, *READ, "POST")
def edit_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Change a rule. Saving ends its hold; with another conversion id, what was never accepted is sent anew."""
    rule = _rule(pk)
    form = RuleEditForm(request.POST or None, rule=rule)
    if request.method == "POST" and form.is_valid():
        try:
            operations.update_rule(rule, form.changes(), actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            text = _("Events that waited for it are on their way.") if rule.is_held else ""
            return finish(
                request, text, reverse(SETUP) + "#rules", lead=_("{name} saved.").format(name=rule.name)
            )
    held = ConversionEvent.objects.real().filter(rule=rule, status=Status.HELD, held_by=Holder.RULE).count()
    context = {"rule": rule, "form": form, "held": held, "is_loss": rule.event == CrmEvent.DEAL_LOST}
    return show_dialog(request, "capi/rule.html", context, status=422 if form.errors else 200)


@linkedin_page(Ability.MANAGE, "POST")
def switch_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Switch a rule on or off."""
    rule = _rule(pk)
    is_on = request.POST.get("is_active") == "yes"
    try:
        operations.update_rule(rule, {"is_active": is_on}, actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return refused(request, refusal, reverse(SETUP))
    words = _("LinkedIn is told of {event}.") if is_on else _("LinkedIn is no longer told of {event}.")
    text = words.format(event=inside_a_sentence(rule.get_event_display()))
    if is_on and rule.event == CrmEvent.DEAL_LOST:
        text += _(" Check that no campaign is attached to its conversion.")
    return finish(
        request,
        text,
        reverse(SETUP) + "#rules",
        lead=(_("{rule} is on.") if is_on else _("{rule} is off.")).format(rule=rule.name),
    )


@linkedin_page(Ability.MANAGE, "POST")
def release_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """End a rule's hold by hand."""
    rule = _rule(pk)
    operations.release_rule(rule, actor_of(request))
    text = _("What waited is tried now; if the cause is still there, it is held again.")
    return finish(
        request, text, back_to(request, reverse(SETUP)), lead=_("{name} is released.").format(name=rule.name)
    )


@linkedin_page(Ability.MANAGE, *READ, "POST")
def delete_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Asks by name, then takes the rule out; its log stays."""
    rule = _rule(pk)
    if request.method == "POST":
        operations.delete_rule(rule, actor_of(request))
        return finish(
            request,
            _("Its events stay in the log."),
            reverse(SETUP) + "#rules",
            lead=_("{name} deleted.").format(name=rule.name),
        )
    counts = (
        ConversionEvent.objects.real()
        .filter(rule=rule)
        .aggregate(every=Count("pk"), waiting=Count("pk", filter=Q(status__in=(Status.PENDING, Status.HELD))))
    )
    context = {
        "title": _("Delete the rule {name}?").format(name=rule.name),
        "text": _(
            "LinkedIn is no longer told of {event} by conversion {conversion_id}. {consequence} The "
            "{counts} events in the log stay."
        ).format(
            event=inside_a_sentence(rule.get_event_display()),
            conversion_id=rule.conversion_id,
            consequence=_consequence(counts["waiting"]),
            counts=counts["every"],
        ),
        "action": reverse("linkedin_rule_delete", args=[rule.pk]),
        "verb": _("Delete rule"),
        "keep": _("Keep it"),
        "back_url": reverse("linkedin_rule", args=[rule.pk]),
        "danger": True,
    }
    return show_dialog(request, "capi/confirm.html", context)


def _consequence(waiting: int) -> str:
    if not waiting:
        return _("Nothing waits for it.")
    return (
        _("1 event that waits is cancelled.")
        if waiting == 1
        else _("{waiting} events that wait are cancelled.").format(waiting=waiting)
    )


# ── Test and preview: the exact request ────────────────────────────────────────────────────────────────


@linkedin_page(Ability.MANAGE, *READ, "POST")
def test_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Shows the whole request of a test event and asks; then sends it."""
    rule = _rule(pk)
    verify = reverse(SETUP) + "#verify"
    if request.method == "POST":
        try:
            operations.send_test(rule, actor_of(request))
        except Conflict as refusal:
            return finish(request, refusal.message, verify, state="bad")
        return finish(
            request,
            _("LinkedIn's answer appears below."),
            verify,
            lead=_("Test of {name} sent.").format(name=rule.name),
        )
    body = operations.preview_test(rule)
    connection = Connection.objects.first()
    context = {
        "rule": rule,
        "body": body,
        "notes": _notes_on_test(body),
        "url": f"{_base_url(connection)}/conversionEvents",
        "headers": _headers(),
        "connection": connection if connection and connection.token_sealed else None,
    }
    return show_dialog(request, "capi/test.html", context)


def _headers() -> tuple[tuple[str, str], ...]:
    """The headers of the request, the token masked whole."""
    return (
        ("Authorization", "Bearer ••••••••"),
        ("Content-Type", "application/json"),
        ("LinkedIn-Version", settings.LINKEDIN_VERSION),
        ("X-Restli-Protocol-Version", "2.0.0"),
        ("X-RestLi-Method", "BATCH_CREATE"),
    )


def _notes_on_test(body: str) -> dict[str, str]:
    element = json.loads(body)["elements"][0]
    hashes = {
        one["idValue"]: _("a made-up address at leadmachine.example") for one in element["user"]["userIds"]
    }
    return {element["eventId"]: _("another one at every test"), **hashes}


def _base_url(connection: Connection | None) -> str:
    is_sandbox = connection is not None and connection.endpoint == Endpoint.SANDBOX
    url: str = settings.SANDBOX_URL if is_sandbox else settings.LINKEDIN_API_URL
    return url


@require_safe
@member_page
def preview_rule(request: PageRequest, pk: UUID) -> HttpResponse:
    """What the rule would tell LinkedIn about a lead or deal, for everybody who may see that record."""
    rule = _rule(pk)
    lead, deal = _subject(request)
    body = trail.preview_body(preview_of(rule, lead=lead, deal=deal), trail.hash_notes(lead))
    context = {"rule": rule, "subject": deal or lead, "body": body, "back_url": _record_url(lead, deal)}
    return show_dialog(request, "capi/preview.html", context)


def _subject(request: PageRequest) -> tuple[Any, Any]:
    """The lead or the deal with its lead; 404 for what this person may not see."""
    try:
        if "deal" in request.GET:
            deal = get_object_or_404(
                request.principal.deals().select_related("lead__status", "lead__organization", "pipeline"),
                pk=UUID(request.GET["deal"]),
            )
            return deal.lead, deal
        leads = request.principal.leads().select_related("status", "organization", "lead_type")
        return get_object_or_404(leads, pk=UUID(request.GET.get("lead", ""))), None
    except ValueError as error:
        raise Http404 from error


def _record_url(lead: Any, deal: Any) -> str:
    return reverse("deal", args=[deal.pk]) if deal else story.lead_url(lead.pk)


# ── Pick from the ad account ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Found:
    """What the ad account holds, or in a sentence why that cannot be read."""

    accounts: list[RemoteAccount]
    rules: list[RemoteRule]
    account: str = ""
    trouble: str = ""


@linkedin_page(Ability.MANAGE)
def pick(request: PageRequest) -> HttpResponse:
    """The conversions of the ad account, to choose one from; or why LinkedIn does not list them."""
    found = _found(request.GET.get("account", ""))
    taken = set(Rule.objects.current().values_list("conversion_id", flat=True))
    context = {
        "found": found,
        "usable": [rule for rule in found.rules if rule.takes_events],
        "others": sum(not rule.takes_events for rule in found.rules),
        "taken": taken,
    }
    return show_dialog(request, "capi/pick.html", context)


_MAY_NOT_READ = gettext_lazy(
    "A token made under Direct API may report conversions without being allowed to list them, so this says nothing "
    "against it. Copy the number from Campaign Manager instead."
)


def _found(account: str) -> Found:
    connection = Connection.objects.first()
    if connection is None or not connection.token_sealed:
        return Found([], [], trouble=_("There is no token yet. Save one, then LinkedIn can be asked."))
    try:
        token = connection.token()
        client = LinkedInClient(
            _base_url(connection),
            settings.LINKEDIN_VERSION,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            wall_clock=ALL_SECONDS,
        )
        accounts = client.accounts(token)
        chosen = account or (accounts[0].id if len(accounts) == 1 else "")
        return Found(accounts, client.rules(token, chosen) if chosen else [], chosen)
    except ReadRefused as error:
        return Found([], [], trouble=f"{error.message} {_MAY_NOT_READ}")
    except (NotSent, NoAnswer) as error:
        return Found(
            [],
            [],
            trouble=_("LinkedIn could not be asked: {message} Try again, or copy the number.").format(
                message=error.message
            ),
        )
    except (VaultError, ValueError) as error:
        return Found([], [], trouble=str(error))
