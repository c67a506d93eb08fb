"""What a person does on the LinkedIn side: save a token, edit rules, test, release, resend, cancel.

The only door for changes to connections, rules and events by people; web, API and admin panel use it alike.
Each function is one transaction, in the company's scope, and raises ValidationError per field or Conflict.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from capi import holds, nudge, payload, recording
from capi.models import (
    RESENDABLE,
    WAITING,
    AppHold,
    Connection,
    ConnectionKind,
    ConversionEvent,
    ConversionEventQuerySet,
    CrmEvent,
    Repeat,
    Rule,
    Status,
    ValuePolicy,
)
from capi.told import told
from capi.wording import sentence
from crm import audit, cleaning
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import Company
from crm.tenancy import company_scope, every_company
from crm.texts import inside_a_sentence

CONDITIONS = ("sources", "types", "countries", "tags", "pipelines", "min_amount")
# What the audit log tells of a rule.
_TOLD = (
    "name",
    "event",
    "conversion_id",
    "is_active",
    "value",
    "fixed_amount",
    "fixed_currency",
    "repeat",
    "conditions",
)
_TOKEN = re.compile(r"[\x21-\x7e]{8,4000}")


class RuleChanges(TypedDict, total=False):
    """What may be said of a rule. `conversion_id` is a number or a URN, as text. An absent key stays as it is."""

    name: str
    event: str
    conversion_id: str
    is_active: bool
    value: str
    fixed_amount: Decimal | str | None
    fixed_currency: str
    repeat: str
    conditions: dict[str, object]


@transaction.atomic
def save_token(
    company: Company, token: str, actor: Actor, *, kind: str = ConnectionKind.DIRECT
) -> Connection:
    """Save a token (again): it ends a hold by the connection, and what waited for it is due now."""
    token = "".join(token.split())
    if not _TOKEN.fullmatch(token):
        raise ValidationError(
            {"token": _("Paste the whole token from Campaign Manager: letters, digits and signs, no blanks.")}
        )
    connection = Connection.objects.select_for_update().first() or Connection(company=company)
    now, kind_before = timezone.now(), connection.kind
    connection.kind = kind
    connection.seal(token)
    connection.saved_at, connection.saved_by, connection.saved_label = now, actor.user, actor.label
    connection.last_accepted_at = None
    _start_afresh(connection)
    connection.save()
    changes = {"kind": (kind_before, connection.kind)}
    audit.record(actor, "token_saved", connection, company=company, changes=changes)
    holds.clear(connection)
    _free(connection, now)
    return connection


@transaction.atomic
def delete_token(connection: Connection, actor: Actor) -> None:
    """Forget the token. Everything that waits is held until there is one again."""
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    connection.token_sealed = ""
    connection.save(update_fields=["token_sealed"])
    audit.record(actor, "token_deleted", connection, company=connection.company)
    holds.clear(connection)
    holds.apply(connection, timezone.now())


@transaction.atomic
def pause_connection(connection: Connection, actor: Actor) -> None:
    """Hold everything until a person releases it."""
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    now = timezone.now()
    holds.hold(connection, holds.PAUSED_BY_PERSON, sentence(holds.PAUSED_BY_PERSON), now)
    audit.record(actor, "connection_paused", connection, company=connection.company)
    holds.apply(connection, now)


@transaction.atomic
def release_connection(connection: Connection, actor: Actor) -> None:
    """End a hold by hand: what waits is tried now, and held again if the cause is still there."""
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    _start_afresh(connection)
    connection.save()
    audit.record(actor, "connection_released", connection, company=connection.company)
    holds.clear(connection)
    _free(connection, timezone.now())


@transaction.atomic
def release_rule(rule: Rule, actor: Actor) -> None:
    """End a rule's hold by hand."""
    rule = Rule.objects.select_for_update().get(pk=rule.pk)
    audit.record(actor, "rule_released", rule, company=rule.company)
    holds.clear(rule)
    _free(Connection.objects.first(), timezone.now(), rule.company)


@transaction.atomic
def release_app(endpoint: str, actor: Actor) -> None:
    """End the hold by the API version, for every company. The operator's to do; events follow with the sweep."""
    app = AppHold.objects.filter(endpoint=endpoint).first()
    if app is None:
        return
    holds.clear(app)
    with every_company():
        told = list(Company.objects.filter(pk__in=Connection.objects.values("company")))
    for company in told:
        with company_scope(company):
            audit.record(actor, "app_released", app, company=company)


@transaction.atomic
def create_rule(company: Company, changes: RuleChanges, actor: Actor) -> Rule:
    """A new rule. Won deals report their amount unless something else is said."""
    rule = Rule(company=company)
    if changes.get("event") == CrmEvent.DEAL_WON:
        rule.value = ValuePolicy.DEAL_AMOUNT
    _set_rule(rule, changes)
    rule.save()
    told = {field: (None, value) for field, value in _told(rule).items() if value not in (None, "")}
    audit.record(actor, "rule_created", rule, company=company, changes=told)
    return rule


@transaction.atomic
def update_rule(rule: Rule, changes: RuleChanges, actor: Actor) -> Rule:
    """Change a rule; that ends its hold. With another conversion id, what was never accepted is issued anew."""
    rule = Rule.objects.select_for_update().get(pk=rule.pk)
    if rule.deleted_at:
        raise Conflict(_("This rule was deleted."), code="deleted")
    before = _told(rule)
    _set_rule(rule, changes)
    rule.save()
    told = audit.differences(before, _told(rule))
    audit.record(actor, "rule_changed", rule, company=rule.company, changes=told)
    holds.clear(rule)
    if rule.conversion_id != before["conversion_id"]:
        _reissue(rule, timezone.now())
    _free(Connection.objects.first(), timezone.now(), rule.company)
    return rule


@transaction.atomic
def delete_rule(rule: Rule, actor: Actor) -> None:
    """Take a rule out. Its log stays; what still waits is cancelled."""
    rule = Rule.objects.select_for_update().get(pk=rule.pk)
    if rule.deleted_at:
        return
    now = timezone.now()
    rule.deleted_at, rule.is_active = now, False
    rule.save(update_fields=["deleted_at", "is_active"])
    audit.record(actor, "rule_deleted", rule, company=rule.company)
    recording.cancel_waiting(ConversionEvent.objects.filter(rule=rule), "rule_deleted", now)


def preview_test(rule: Rule) -> str:
    """The exact body a test event would be sent with; only its event id differs at every press."""
    return '{"elements":[' + recording.preview_test(rule, timezone.now()) + "]}"


@transaction.atomic
def send_test(rule: Rule, actor: Actor) -> ConversionEvent:
    """Send a test event now, whatever is held, settling or switched off. Needs a token."""
    connection = Connection.objects.first()
    if connection is None or not connection.token_sealed:
        raise Conflict(_("Save a LinkedIn token first, then send the test."), code="no_token")
    if rule.deleted_at:
        raise Conflict(_("This rule was deleted."), code="deleted")
    event = recording.record_test(rule, timezone.now())
    audit.record(actor, "rule_tested", rule, company=rule.company)
    return event


@transaction.atomic
def resend(event: ConversionEvent, actor: Actor) -> ConversionEvent:
    """Send again: same id, same time, same value. Conflict for what was accepted, cancelled or is too old."""
    now = timezone.now()
    if not _resend(ConversionEvent.objects.filter(pk=event.pk), now):
        raise Conflict(_why_not_resent(event, now), code="not_resendable")
    audit.record(actor, "event_resent", event, company=event.company)
    nudge.on_commit(event.company_id)
    return ConversionEvent.objects.get(pk=event.pk)


@transaction.atomic
def resend_all(events: ConversionEventQuerySet, actor: Actor) -> int:
    """Send again whatever of these can be; returns how many."""
    company = Company.objects.filter(pk__in=events.order_by().values("company")[:1]).first()
    count = _resend(events, timezone.now())
    if count and company:
        audit.record(actor, "events_resent", company=company, changes={"count": (None, count)})
        nudge.on_commit(company.pk)
    return count


@transaction.atomic
def send_now(event: ConversionEvent, actor: Actor) -> ConversionEvent:
    """End the settling of an event: it is due at once."""
    now = timezone.now()
    settling = ConversionEvent.objects.filter(pk=event.pk, status=Status.PENDING, attempts=0)
    if not settling.update(settles_at=None, next_attempt_at=now, changed_at=now):
        raise Conflict(_("Only an event that is settling can be sent sooner."), code="not_settling")
    audit.record(actor, "event_sent_now", event, company=event.company)
    nudge.on_commit(event.company_id)
    return ConversionEvent.objects.get(pk=event.pk)


@transaction.atomic
def cancel(event: ConversionEvent, actor: Actor) -> ConversionEvent:
    """Take back an event that still waits. What is on its way cannot be stopped."""
    waiting = ConversionEvent.objects.filter(pk=event.pk)
    if not recording.cancel_waiting(waiting, "cancelled_by_person", timezone.now()):
        raise Conflict(_("Only an event that waits can be cancelled."), code="not_waiting")
    audit.record(actor, "event_cancelled", event, company=event.company)
    return ConversionEvent.objects.get(pk=event.pk)


def _told(rule: Rule) -> dict[str, object]:
    return {field: getattr(rule, field) for field in _TOLD}


def _resend(events: ConversionEventQuerySet, now: datetime) -> int:
    possible = events.filter(
        status__in=RESENDABLE,
        is_test=False,
        erasure=None,
        happened_at__gt=now - payload.RESENDABLE_FOR,
    )
    # A definite refusal stored nothing, so the person may be described anew; what may be stored keeps its bytes.
    possible.filter(status__in=(Status.SKIPPED, Status.REJECTED), unknown_outcomes=0).update(
        element="", identifiers=[], told_lead=None
    )
    count = possible.update(
        status=Status.PENDING,
        held_by="",
        reason="",
        message="",
        settles_at=None,
        next_attempt_at=now,
        # Whoever asks may come later than we would still try by ourselves.
        expires_at=F("happened_at") + payload.RESENDABLE_FOR,
        failures=0,
        batch_key=None,
        is_suspect=False,
        changed_at=now,
    )
    holds.apply(Connection.objects.first(), now)
    return count


def _why_not_resent(event: ConversionEvent, now: datetime) -> str:
    event = ConversionEvent.objects.get(pk=event.pk)
    if event.is_test:
        return _("A test event is sent once. Send another test instead.")
    if event.erasure_id:
        return _("The person was erased, and nobody knows any more whom to tell of.")
    if event.status == Status.SENDING:
        return _("This event is on its way. Wait for the answer.")
    if event.status in RESENDABLE or event.status == Status.EXPIRED:
        return sentence("too_old")
    return _("This event is {status} and cannot be sent again.").format(
        status=inside_a_sentence(event.get_status_display())
    )


def _start_afresh(connection: Connection) -> None:
    """Forget waits and failures: a person asks for a try now."""
    connection.failures = connection.throttles = 0
    connection.breaker_open, connection.failing_attempt = False, None
    connection.waits_until, connection.wait_reason, connection.wait_message = None, "", ""


def _free(connection: Connection | None, now: datetime, company: Company | None = None) -> None:
    holds.apply(connection, now)
    owner = connection.company_id if connection else company.pk if company else None
    if owner:
        nudge.on_commit(owner)


def _reissue(rule: Rule, now: datetime) -> None:
    replaceable = ConversionEvent.objects.filter(
        rule=rule, status__in=(*WAITING, Status.REJECTED), is_test=False, unknown_outcomes=0, erasure=None
    ).exclude(conversion_id=rule.conversion_id)
    for event in replaceable.select_related("lead", "deal").iterator(chunk_size=500):
        recording.reissue(event, rule, now)


def _set_rule(rule: Rule, changes: RuleChanges) -> None:
    for field in ("event", "is_active", "value", "fixed_currency", "repeat"):
        if field in changes:
            setattr(rule, field, changes[field])
    if "name" in changes:
        rule.name = " ".join(changes["name"].split())
    if "conversion_id" in changes:
        try:
            rule.conversion_id = payload.conversion_id(changes["conversion_id"])
        except ValueError as error:
            raise ValidationError({"conversion_id": told(str(error))}) from error
    if "conditions" in changes:
        rule.conditions = _conditions(changes["conditions"])
    if not rule.name and rule.event:
        rule.name = CrmEvent(rule.event).label if rule.event in CrmEvent.values else ""
    _check_words(rule)
    _set_value(rule, changes)
    rule.clean_fields(exclude=["company"])


def _check_words(rule: Rule) -> None:
    errors = {}
    for field, choices in (("event", CrmEvent), ("value", ValuePolicy), ("repeat", Repeat)):
        if getattr(rule, field) not in choices.values:
            errors[field] = _("Choose one of {values}.").format(values=", ".join(choices.values))
    if not errors and rule.value == ValuePolicy.DEAL_AMOUNT and not rule.event.startswith("deal_"):
        errors["value"] = _("A lead has no amount. Choose none or fixed.")
    if errors:
        raise ValidationError(errors)


def _set_value(rule: Rule, changes: RuleChanges) -> None:
    if rule.value != ValuePolicy.FIXED:
        rule.fixed_amount, rule.fixed_currency = None, ""
        return
    if not rule.fixed_currency:
        raise ValidationError({"fixed_currency": _("A fixed value needs a currency, such as EUR.")})
    try:
        cleaning.currency(rule.fixed_currency)
    except ValidationError as error:
        raise ValidationError({"fixed_currency": error.error_list}) from error
    try:
        amount = cleaning.amount(changes.get("fixed_amount", rule.fixed_amount), rule.fixed_currency)
    except ValidationError as error:
        raise ValidationError({"fixed_amount": error.error_list}) from error
    if not amount:
        raise ValidationError({"fixed_amount": _("Enter an amount above zero.")})
    rule.fixed_amount = amount


def _conditions(conditions: object) -> dict[str, object]:
    if not isinstance(conditions, dict):
        raise ValidationError({"conditions": _("Give conditions as names with lists of values.")})
    for name, wanted in conditions.items():
        if name not in CONDITIONS:
            raise ValidationError(
                {
                    "conditions": _("There is no condition {name}. Use {names}.").format(
                        name=repr(name), names=", ".join(CONDITIONS)
                    )
                }
            )
        if name == "min_amount":
            cleaning_error = _amount_error(wanted)
            if cleaning_error:
                raise ValidationError({"conditions": f"min_amount: {cleaning_error}"})
        elif not isinstance(wanted, list) or not all(isinstance(word, str) for word in wanted):
            raise ValidationError({"conditions": _("{name} must be a list of words.").format(name=name)})
    return conditions


def _amount_error(amount: object) -> str:
    if not isinstance(amount, str):
        return _("Enter a plain amount with a point, such as 1234.50.")
    try:
        cleaning.amount(amount, "")
    except ValidationError as error:
        return str(error.messages[0])
    return ""
