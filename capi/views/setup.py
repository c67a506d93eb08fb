"""Setup: the token, the rules, and the tests that show that LinkedIn takes both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from capi import holds, log, operations
from capi.forms import SUGGESTED, RuleForm, SandboxTokenForm, TokenForm
from capi.models import (
    Connection,
    ConnectionKind,
    ConversionEvent,
    ConversionEventQuerySet,
    CrmEvent,
    Rule,
    Status,
    ValuePolicy,
)
from capi.views.door import READ, finish, linkedin_page, show_dialog, tabs
from crm.access import Ability
from crm.display import money
from crm.errors import Conflict
from crm.forms import show_refusal
from crm.models import LeadType, Pipeline
from crm.texts import gettext_lazy, inside_a_sentence, pgettext_lazy
from crm.views.page import PageRequest, actor_of, back_to, for_htmx

# Where to click in Campaign Manager, as LinkedIn calls it in the reader's language.
WHERE_TOKEN: Final = (
    pgettext_lazy("Campaign Manager", "Data"),
    "Signals Manager",
    "Direct API",
    pgettext_lazy("Campaign Manager", "Generate access token"),
)
WHERE_RULE: Final = (
    pgettext_lazy("Campaign Manager", "Analyze"),
    pgettext_lazy("Campaign Manager", "Conversion tracking"),
    pgettext_lazy("Campaign Manager", "Create conversion"),
    "Conversions API",
)
WEEK: Final = timedelta(days=7)
SHOWN_TESTS: Final = 5


@dataclass(frozen=True)
class RuleRow:
    """A rule as its row shows it; `week` counts what was recorded in 7 days, `held` what waits now."""

    rule: Rule
    narrowed: str
    value: str
    week: int
    held: int
    trouble: str


@linkedin_page(Ability.SEE_LINKEDIN)
def setup(request: PageRequest) -> HttpResponse:
    """Three steps: token, rules, tests. `conversion_id` and `name` of the URL fill the row that adds a rule."""
    return _setup_page(request)


def _setup_page(
    request: PageRequest, *, token_form: TokenForm | None = None, rule_form: RuleForm | None = None
) -> HttpResponse:
    connection = Connection.objects.select_related("saved_by").first()
    rules = _rows()
    summary = log.Summary.now()
    seen, tests = log.fingerprint(_tests()), list(_tests())
    may_change = request.principal.can(Ability.MANAGE)
    is_refused = bool((token_form and token_form.errors) or (rule_form and rule_form.errors))
    context = {
        "connection": connection,
        "is_sandbox": bool(connection and connection.kind == ConnectionKind.SANDBOX),
        "is_verified": is_verified(connection),
        "is_paused_by_person": bool(connection and connection.held_reason == holds.PAUSED_BY_PERSON),
        "rules": rules,
        "active": sum(row.rule.is_active for row in rules),
        "tests": tests,
        "seen": seen,
        "summary": summary,
        "tabs": tabs("setup", summary),
        "may_change": may_change,
        "token_form": token_form or _token_form(connection)(),
        "rule_form": rule_form or _empty_rule_form(request, rules),
        "where_token": WHERE_TOKEN,
        "where_rule": WHERE_RULE,
        "step": _step(connection, rules),
    }
    return render(request, "capi/setup.html", context, status=422 if is_refused else 200)


def is_verified(connection: Connection | None) -> bool:
    """A saved token is only known to work once LinkedIn has accepted something with it."""
    return bool(connection and connection.token_sealed and connection.last_accepted_at)


def _step(connection: Connection | None, rules: list[RuleRow]) -> int:
    """The step a person should take next; 0 when all three are done."""
    if connection is None or connection.state != "active":
        return 1
    if not rules:
        return 2
    return 0 if is_verified(connection) else 3


def _rows() -> list[RuleRow]:
    rules = list(Rule.objects.current())
    week = Q(created_at__gte=timezone.now() - WEEK)
    counts = {
        row["rule"]: row
        for row in ConversionEvent.objects.real()
        .filter(Q(status=Status.HELD) | week)
        .order_by()
        .values("rule")
        .annotate(week=Count("pk", filter=week), held=Count("pk", filter=Q(status=Status.HELD)))
    }
    names = _condition_names(rules)
    none = {"week": 0, "held": 0}
    return [
        RuleRow(
            rule,
            _narrowed(rule, names),
            _value(rule),
            counts.get(rule.pk, none)["week"],
            counts.get(rule.pk, none)["held"],
            _trouble(rule),
        )
        for rule in rules
    ]


def _condition_names(rules: list[Rule]) -> dict[str, str]:
    """The names of types and pipelines by key; read only if a rule asks for any."""
    names: dict[str, str] = {}
    if any("types" in rule.conditions for rule in rules):
        names |= dict(LeadType.objects.values_list("key", "name"))
    if any("pipelines" in rule.conditions for rule in rules):
        names |= dict(Pipeline.objects.values_list("key", "name"))
    return names


_WITHOUT_CONDITION: Final[dict[str, str]] = {
    CrmEvent.LEAD_CREATED: gettext_lazy("any source"),
    CrmEvent.LEAD_QUALIFIED: gettext_lazy("first time only"),
    CrmEvent.DEAL_CREATED: gettext_lazy("any pipeline"),
    CrmEvent.DEAL_WON: gettext_lazy("sales pipelines"),
    CrmEvent.DEAL_LOST: gettext_lazy("sales pipelines"),
}


def _narrowed(rule: Rule, names: dict[str, str]) -> str:
    """What narrows the rule, in a few words."""
    parts = []
    for key, words in rule.conditions.items():
        if isinstance(words, list):
            parts.append(" or ".join(names.get(str(word), str(word)) for word in words))
        elif key == "min_amount":
            parts.append(_("from {words}").format(words=words))
    if rule.repeat == "each_cycle":
        parts.append(_("each time"))
    return ", ".join(parts) or _WITHOUT_CONDITION[rule.event]


def _value(rule: Rule) -> str:
    if rule.value == ValuePolicy.FIXED:
        return money(rule.fixed_amount, rule.fixed_currency)
    return rule.get_value_display()


_TROUBLES: Final = {
    "rule_unknown": gettext_lazy("LinkedIn does not find it."),
    "rule_wrong_method": gettext_lazy("Not a Conversions API rule."),
    "rule_disabled": gettext_lazy("Disabled in Campaign Manager."),
    "rule_urn_malformed": gettext_lazy("The id is malformed."),
    holds.PAUSED_BY_PERSON: gettext_lazy("Paused by a person."),
}


def _trouble(rule: Rule) -> str:
    return _TROUBLES.get(rule.held_reason, _("Refused by LinkedIn.")) if rule.is_held else ""


def _empty_rule_form(request: PageRequest, rules: list[RuleRow]) -> RuleForm:
    """Starts with the first event that no rule listens to yet, under the name LinkedIn would give it."""
    taken = {row.rule.event for row in rules} | {CrmEvent.DEAL_LOST}  # nothing to suggest
    event = next((event for event in CrmEvent.values if event not in taken), CrmEvent.DEAL_WON)
    wanted = request.GET.get("event", "")
    event = wanted if wanted in CrmEvent.values else event
    initial: dict[str, Any] = {
        "event": event,
        "name": request.GET.get("name", "")[:120] or SUGGESTED[event],
        "conversion_id": request.GET.get("conversion_id", "")[:60],
        "value": ValuePolicy.DEAL_AMOUNT if event == CrmEvent.DEAL_WON else ValuePolicy.NONE,
        "fixed_currency": request.principal.company.currency,
    }
    return RuleForm(initial=initial)


def _tests() -> ConversionEventQuerySet:
    """The last test events, newest first."""
    tests = ConversionEvent.objects.filter(is_test=True).order_by("-created_at", "-id")
    newest = list(tests.values_list("pk", flat=True)[:SHOWN_TESTS])
    return tests.filter(pk__in=newest).select_related("rule").prefetch_related("deliveries__attempt")


@linkedin_page(Ability.SEE_LINKEDIN)
def last_tests(request: PageRequest) -> HttpResponse:
    """The last test events, for the list that loads itself again; 204 while nothing has changed."""
    tests = _tests()
    seen = log.fingerprint(tests)
    if request.GET.get("seen") == seen:
        return for_htmx(HttpResponse(status=204))
    return for_htmx(render(request, "capi/setup.html#tests", {"tests": tests, "seen": seen}))


@sensitive_variables("form")
@sensitive_post_parameters("token")
@linkedin_page(Ability.MANAGE, *READ, "POST")
def token(request: PageRequest) -> HttpResponse:
    """The form that saves a token, or another one in its place."""
    connection = Connection.objects.first()
    form = _token_form(connection)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        kind = form.cleaned_data.get("kind") or ConnectionKind.DIRECT
        try:
            operations.save_token(
                request.principal.company, form.cleaned_data["token"], actor_of(request), kind=kind
            )
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            text = _("It is verified with the first event that LinkedIn accepts.")
            return finish(request, text, reverse("linkedin_setup"), lead=_("Token saved."))
    waiting = ConversionEvent.objects.real().filter(status=Status.HELD, held_by="connection").count()
    context = {"form": form, "where_token": WHERE_TOKEN, "waiting": waiting, "connection": connection}
    return show_dialog(request, "capi/token.html", context, status=422 if form.errors else 200)


def _token_form(connection: Connection | None) -> type[TokenForm]:
    is_sandbox = connection is not None and connection.kind == ConnectionKind.SANDBOX
    return SandboxTokenForm if is_sandbox else TokenForm


@linkedin_page(Ability.MANAGE, *READ, "POST")
def delete_token(request: PageRequest) -> HttpResponse:
    """Asks, then forgets the token."""
    connection = _connection()
    if request.method == "POST":
        operations.delete_token(connection, actor_of(request))
        text = _("Nothing is sent until there is another; what happens meanwhile waits.")
        return finish(request, text, reverse("linkedin_setup"), lead=_("Token deleted."))
    waiting = ConversionEvent.objects.real().waiting().count()
    context = {
        "title": _("Delete the LinkedIn token?"),
        "text": _(
            "{events} and whatever happens from now on is held until there is another token. To end "
            "its use for good, delete it in Campaign Manager too."
        ).format(events=_events(waiting)),
        "action": reverse("linkedin_token_delete"),
        "verb": _("Delete token"),
        "keep": _("Keep it"),
        "back_url": reverse("linkedin_setup"),
        "danger": True,
    }
    return show_dialog(request, "capi/confirm.html", context)


@linkedin_page(Ability.MANAGE, "POST")
def pause(request: PageRequest) -> HttpResponse:
    """Hold everything until a person resumes it."""
    operations.pause_connection(_connection(), actor_of(request))
    return finish(
        request, _("What happens meanwhile waits."), reverse("linkedin_setup"), lead=_("Sending is paused.")
    )


@linkedin_page(Ability.MANAGE, "POST")
def release(request: PageRequest) -> HttpResponse:
    """End the connection's hold: what waits is tried now."""
    operations.release_connection(_connection(), actor_of(request))
    text = _("What waited is tried now; if the cause is still there, it is held again.")
    return finish(request, text, back_to(request, reverse("linkedin_setup")), lead=_("Released."))


@linkedin_page(Ability.MANAGE, "POST")
def add_rule(request: PageRequest) -> HttpResponse:
    """Add a rule. One about lost deals starts switched off: with campaigns attached it would teach them to lose."""
    form = RuleForm(request.POST)
    if form.is_valid():
        changes = form.changes()
        changes["is_active"] = changes["event"] != CrmEvent.DEAL_LOST
        try:
            rule = operations.create_rule(request.principal.company, changes, actor_of(request))
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            text = _after_adding(rule)
            return finish(request, text, reverse("linkedin_setup") + "#rules", lead=_("Rule added."))
    return _setup_page(request, rule_form=form)


def _after_adding(rule: Rule) -> str:
    if not rule.is_active:
        return _(
            "It is off. Switch it on only if no campaign is attached to its conversion: "
            "LinkedIn would look for more people like those who did not buy."
        )
    return _("From now on LinkedIn is told of {event}. Send a test to see that it works.").format(
        event=inside_a_sentence(rule.get_event_display())
    )


def _connection() -> Connection:
    connection = Connection.objects.first()
    if connection is None:
        raise Http404
    return connection


def _events(count: int) -> str:
    return _("1 waiting event") if count == 1 else _("{count} waiting events").format(count=count)
