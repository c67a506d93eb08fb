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

MASKED = "changed"

# Every sensitive action, with what a reader is told. What is not listed here cannot be recorded.
ACTIONS: dict[str, str] = {
    "sign_in": "Signed in",
    "sign_in_failed": "Failed to sign in",
    "sign_out": "Signed out",
    "password_changed": "Changed their password",
    "password_reset": "Reset their password",
    "email_changed": "Changed the address they sign in with",
    "mfa_failed": "Gave a wrong second factor",
    "mfa_added": "Added a second factor",
    "mfa_removed": "Removed a second factor",
    "recovery_codes_made": "Made new recovery codes",
    "recovery_code_used": "Signed in with a recovery code",
    "login_connected": "Connected a way to sign in",
    "login_disconnected": "Disconnected a way to sign in",
    "session_ended": "Ended a session",
    "company_switched": "Switched to this company",
    "settings_changed": "Changed the company's settings",
    "word_added": "Added a status, type, tag, pipeline or stage",
    "word_changed": "Changed a status, type, tag, pipeline or stage",
    "word_deleted": "Deleted a status, type, tag, pipeline or stage",
    "words_ordered": "Put statuses, types, pipelines or stages in another order",
    "field_added": "Added a custom field",
    "field_changed": "Changed a custom field",
    "field_deleted": "Deleted a custom field and its values",
    "member_invited": "Invited somebody",
    "invitation_resent": "Sent an invitation again",
    "invitation_revoked": "Withdrew an invitation",
    "member_joined": "Joined the company",
    "member_added": "Added a member",
    "role_changed": "Changed a member's role",
    "member_deactivated": "Deactivated a member",
    "member_reactivated": "Let a member in again",
    "member_removed": "Removed a member",
    "user_changed": "Changed a member's details",
    "automation_changed": "Changed an automation",
    "feed_made": "Made an address for their calendar",
    "feed_ended": "Ended the address of their calendar",
    "web_form_changed": "Changed a web form",
    "key_made": "Made an API key",
    "key_rotated": "Gave an API key another secret",
    "key_revoked": "Revoked an API key",
    "webhook_added": "Added a webhook",
    "webhook_changed": "Changed a webhook",
    "webhook_deleted": "Deleted a webhook",
    "webhook_rotated": "Made a new secret for a webhook",
    "webhook_replayed": "Sent webhook messages again",
    "forms_saved": "Connected LinkedIn's lead forms",
    "forms_mapped": "Changed where answers of lead forms go",
    "forms_deleted": "Disconnected LinkedIn's lead forms",
    "token_saved": "Saved a LinkedIn token",
    "token_deleted": "Deleted the LinkedIn token",
    "connection_paused": "Paused LinkedIn",
    "connection_released": "Released LinkedIn",
    "rule_released": "Released a conversion rule",
    "app_released": "Released LinkedIn's API version",
    "rule_created": "Created a conversion rule",
    "rule_changed": "Changed a conversion rule",
    "rule_deleted": "Deleted a conversion rule",
    "rule_tested": "Sent a test conversion",
    "event_resent": "Sent a conversion again",
    "events_resent": "Sent conversions again",
    "event_sent_now": "Sent a conversion at once",
    "event_cancelled": "Cancelled a conversion",
    "lead_archived": "Archived a lead",
    "leads_merged": "Merged two leads",
    "merge_undone": "Undid a merge",
    "lead_restored": "Restored a lead",
    "deal_archived": "Archived a deal",
    "deal_restored": "Restored a deal",
    "lead_erased": "Erased a lead",
    "lead_exported": "Exported a lead",
    "import_started": "Imported leads",
    "import_undone": "Undid an import",
    "leads_exported": "Exported leads",
    "deals_exported": "Exported deals",
    "organizations_exported": "Exported organizations",
    "consent_changed": "Changed a lead's consent",
    "retention_changed": "Changed how long data is kept",
    "retention_run": "Removed data past its time",
    "audit_exported": "Exported the audit log",
    "keys_rotated": "Rotated the encryption keys",
    "backup_made": "Made a backup",
    "backup_restored": "Restored a backup",
    "sample_data_cleared": "Cleared the sample data",
}

# Fields whose words come from a fixed vocabulary, so that they can be shown. Text of any other field is masked.
OPEN_FIELDS = frozenset(
    {
        "role",
        "scopes",
        "currency",
        "time_zone",
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
