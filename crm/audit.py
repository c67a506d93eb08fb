"""The audit log: the list of sensitive actions, and the one way to write one down.

`record` runs in the transaction of the action it tells of, so that there is a row if and only if it happened.
A row holds ids, names of fields, and values that are nobody's secret and nobody's person: switches, numbers, dates,
and words from a fixed vocabulary. Everything else is written as “changed”.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models, transaction

from crm.actor import Actor
from crm.models import AuditEntry, Company, Membership, User
from crm.tenancy import company_scope, every_company
from crm.texts import gettext_lazy

MASKED = "changed"

# Every sensitive action, with what a reader is told. What is not listed here cannot be recorded.
ACTIONS: dict[str, str] = {
    "sign_in": gettext_lazy("Signed in"),
    "sign_in_failed": gettext_lazy("Failed to sign in"),
    "sign_out": gettext_lazy("Signed out"),
    "password_changed": gettext_lazy("Changed their password"),
    "password_reset": gettext_lazy("Reset their password"),
    "email_changed": gettext_lazy("Changed the address they sign in with"),
    "mfa_failed": gettext_lazy("Gave a wrong second factor"),
    "mfa_added": gettext_lazy("Added a second factor"),
    "mfa_removed": gettext_lazy("Removed a second factor"),
    "recovery_codes_made": gettext_lazy("Made new recovery codes"),
    "recovery_code_used": gettext_lazy("Signed in with a recovery code"),
    "login_connected": gettext_lazy("Connected a way to sign in"),
    "login_disconnected": gettext_lazy("Disconnected a way to sign in"),
    "session_ended": gettext_lazy("Ended a session"),
    "company_switched": gettext_lazy("Switched to this company"),
    "settings_changed": gettext_lazy("Changed the company's settings"),
    "word_added": gettext_lazy("Added a status, type, tag, pipeline or stage"),
    "word_changed": gettext_lazy("Changed a status, type, tag, pipeline or stage"),
    "word_deleted": gettext_lazy("Deleted a status, type, tag, pipeline or stage"),
    "words_ordered": gettext_lazy("Put statuses, types, pipelines or stages in another order"),
    "field_added": gettext_lazy("Added a custom field"),
    "field_changed": gettext_lazy("Changed a custom field"),
    "field_deleted": gettext_lazy("Deleted a custom field and its values"),
    "member_invited": gettext_lazy("Invited somebody"),
    "invitation_resent": gettext_lazy("Sent an invitation again"),
    "invitation_revoked": gettext_lazy("Withdrew an invitation"),
    "member_joined": gettext_lazy("Joined the company"),
    "member_added": gettext_lazy("Added a member"),
    "role_changed": gettext_lazy("Changed a member's role"),
    "member_deactivated": gettext_lazy("Deactivated a member"),
    "member_reactivated": gettext_lazy("Let a member in again"),
    "member_removed": gettext_lazy("Removed a member"),
    "user_changed": gettext_lazy("Changed a member's details"),
    "automation_changed": gettext_lazy("Changed an automation"),
    "feed_made": gettext_lazy("Made an address for their calendar"),
    "feed_ended": gettext_lazy("Ended the address of their calendar"),
    "web_form_changed": gettext_lazy("Changed a web form"),
    "key_made": gettext_lazy("Made an API key"),
    "key_rotated": gettext_lazy("Gave an API key another secret"),
    "key_revoked": gettext_lazy("Revoked an API key"),
    "webhook_added": gettext_lazy("Added a webhook"),
    "webhook_changed": gettext_lazy("Changed a webhook"),
    "webhook_deleted": gettext_lazy("Deleted a webhook"),
    "webhook_rotated": gettext_lazy("Made a new secret for a webhook"),
    "webhook_replayed": gettext_lazy("Sent webhook messages again"),
    "forms_saved": gettext_lazy("Connected LinkedIn's lead forms"),
    "forms_mapped": gettext_lazy("Changed where answers of lead forms go"),
    "forms_deleted": gettext_lazy("Disconnected LinkedIn's lead forms"),
    "token_saved": gettext_lazy("Saved a LinkedIn token"),
    "token_deleted": gettext_lazy("Deleted the LinkedIn token"),
    "connection_paused": gettext_lazy("Paused LinkedIn"),
    "connection_released": gettext_lazy("Released LinkedIn"),
    "rule_released": gettext_lazy("Released a conversion rule"),
    "app_released": gettext_lazy("Released LinkedIn's API version"),
    "rule_created": gettext_lazy("Created a conversion rule"),
    "rule_changed": gettext_lazy("Changed a conversion rule"),
    "rule_deleted": gettext_lazy("Deleted a conversion rule"),
    "backfill_started": gettext_lazy("Started a backfill"),
    "backfill_stopped": gettext_lazy("Stopped a backfill"),
    "rule_tested": gettext_lazy("Sent a test conversion"),
    "event_resent": gettext_lazy("Sent a conversion again"),
    "events_resent": gettext_lazy("Sent conversions again"),
    "event_sent_now": gettext_lazy("Sent a conversion at once"),
    "event_cancelled": gettext_lazy("Cancelled a conversion"),
    "lead_archived": gettext_lazy("Archived a lead"),
    "leads_merged": gettext_lazy("Merged two leads"),
    "merge_undone": gettext_lazy("Undid a merge"),
    "lead_restored": gettext_lazy("Restored a lead"),
    "deal_archived": gettext_lazy("Archived a deal"),
    "deal_restored": gettext_lazy("Restored a deal"),
    "lead_erased": gettext_lazy("Erased a lead"),
    "lead_exported": gettext_lazy("Exported a lead"),
    "import_started": gettext_lazy("Imported leads"),
    "import_undone": gettext_lazy("Undid an import"),
    "leads_exported": gettext_lazy("Exported leads"),
    "deals_exported": gettext_lazy("Exported deals"),
    "organizations_exported": gettext_lazy("Exported organizations"),
    "consent_changed": gettext_lazy("Changed a lead's consent"),
    "retention_changed": gettext_lazy("Changed how long data is kept"),
    "retention_run": gettext_lazy("Removed data past its time"),
    "audit_exported": gettext_lazy("Exported the audit log"),
    "keys_rotated": gettext_lazy("Rotated the encryption keys"),
    "backup_made": gettext_lazy("Made a backup"),
    "backup_restored": gettext_lazy("Restored a backup"),
    "sample_data_cleared": gettext_lazy("Cleared the sample data"),
}

# Fields whose words come from a fixed vocabulary, so that they can be shown. Text of any other field is masked.
OPEN_FIELDS = frozenset(
    {
        "role",
        "scopes",
        "currency",
        "time_zone",
        "language",
        "consent_policy",
        "consent",
        "kind",
        "category",
        "colour",
        "event",
        "conversion_id",
        "repeat",
        "value",
        "fixed_currency",
        "method",
        "provider",
        "to",
    }
)
_PLAIN = (bool, int, Decimal, UUID, date, datetime, time)


def record(
    actor: Actor,
    action: str,
    subject: models.Model | None = None,
    *,
    company: Company,
    changes: Mapping[str, tuple[object, object]] | None = None,
) -> AuditEntry:
    """Write one sensitive action down. `changes`: by field, before and after; unequal ones alone are kept.

    Runs in the scope of `company`. Raises ValueError for an action that is not in the list.
    """
    entry = _entry(actor, action, subject, company, changes or {})
    entry.save()
    return entry


def record_each(actor: Actor, action: str, subjects: Iterable[models.Model], *, company: Company) -> None:
    """Write the same action down for many records, a row each, in one query."""
    AuditEntry.objects.bulk_create([_entry(actor, action, subject, company, {}) for subject in subjects])


def _entry(
    actor: Actor,
    action: str,
    subject: models.Model | None,
    company: Company,
    changes: Mapping[str, tuple[object, object]],
) -> AuditEntry:
    if action not in ACTIONS:
        raise ValueError(f"{action!r} is not in the list of sensitive actions.")
    return AuditEntry(
        company=company,
        actor_id=actor.user.pk if actor.user else None,
        actor_label="" if "@" in actor.label else actor.label[:80],
        channel=actor.channel,
        address=actor.address,
        action=action,
        subject_type=(subject._meta.model_name or "") if subject else "",
        subject_id=_id_of(subject),
        changes=masked(changes),
    )


def record_for(
    user: User,
    actor: Actor,
    action: str,
    *,
    changes: Mapping[str, tuple[object, object]] | None = None,
) -> None:
    """Write down what concerns a person whatever the company, in each company that lets them in.

    Works inside any scope, and without one. Who is in no company leaves no trace: there is nobody to read it.
    """
    with every_company():
        companies = list(
            Company.objects.filter(
                pk__in=Membership.objects.filter(user=user, is_active=True).values("company")
            )
        )
    with transaction.atomic():
        for company in companies:
            with company_scope(company):
                record(actor, action, user, company=company, changes=changes)


def masked(changes: Mapping[str, tuple[object, object]]) -> dict[str, Any]:
    """What may be written of a change, by field: [before, after], or “changed”."""
    return {
        field: [_shown(before), _shown(after)] if _may_show(field, before, after) else MASKED
        for field, (before, after) in changes.items()
        if before != after
    }


def differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """Two readings of the same fields, as `record` takes them."""
    return {field: (before.get(field), new) for field, new in after.items()}


def _may_show(field: str, *values: object) -> bool:
    if field in OPEN_FIELDS:
        return True
    return all(value is None or isinstance(value, (*_PLAIN, models.Model)) for value in values)


def _shown(value: object) -> Any:
    """As JSON has it; a record is its id."""
    if isinstance(value, models.Model):
        return str(value.pk)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(part) for part in value]
    return str(value)


def _id_of(subject: models.Model | None) -> UUID | None:
    return subject.pk if subject is not None and isinstance(subject.pk, UUID) else None
