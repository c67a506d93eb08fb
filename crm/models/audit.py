"""The audit log: who did what that matters, when and from where. Rows are added, never changed."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from crm.tenancy import TenantModel, TenantQuerySet, scoped


class AuditEntry(TenantModel):
    """One sensitive action. It names people and records by id alone, and outlives both.

    The database refuses to change or remove a row (crm.audit_walls). Rows end with their company: its own end
    takes them along there, so Django is told to do nothing.
    """

    company = models.ForeignKey("crm.Company", on_delete=models.DO_NOTHING, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    actor_id = models.UUIDField(null=True, help_text="The user; null where no user did it.")
    actor_label = models.CharField(max_length=80, blank=True, help_text="Who, where no user did it.")
    channel = models.CharField(max_length=10)
    address = models.CharField(max_length=45, blank=True, help_text="The client's IP address.")
    action = models.CharField(max_length=40)
    subject_type = models.CharField(max_length=40, blank=True)
    subject_id = models.UUIDField(null=True)
    changes = models.JSONField(
        default=dict,
        help_text="By field: before and after, or “changed” where the value is nobody's business.",
    )

    objects: ClassVar[TenantQuerySet[AuditEntry]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=("company", "-at", "-id"), name="audit_by_time"),
            models.Index(fields=("company", "actor_id", "-at"), name="audit_by_actor"),
            models.Index(fields=("company", "action", "-at"), name="audit_by_action"),
            models.Index(fields=("company", "subject_id", "-at"), name="audit_by_subject"),
        ]

    def __str__(self) -> str:
        return self.action
