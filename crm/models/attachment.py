"""Files that belong to a lead, a deal or an organization."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from crm.models.deal import Deal
from crm.models.lead import Lead
from crm.models.organization import Organization
from crm.tenancy import TenantModel, TenantQuerySet, scoped


def folder_of(company: UUID) -> Path:
    """Where a company's files are."""
    return Path(settings.MEDIA_ROOT) / str(company)


class Attachment(TenantModel):
    """A file beside a record. `name` is what somebody called it; on the disk it is called by its id."""

    lead = models.ForeignKey(
        "crm.Lead", on_delete=models.CASCADE, null=True, editable=False, related_name="attachments"
    )
    deal = models.ForeignKey(
        "crm.Deal", on_delete=models.CASCADE, null=True, editable=False, related_name="attachments"
    )
    organization = models.ForeignKey(
        "crm.Organization", on_delete=models.CASCADE, null=True, editable=False, related_name="attachments"
    )
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField(help_text="In bytes.")
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    actor_label = models.CharField(max_length=80, blank=True, help_text="Who, where no user did it.")
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[TenantQuerySet[Attachment]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(lead__isnull=False, deal=None, organization=None)
                | Q(lead=None, deal__isnull=False, organization=None)
                | Q(lead=None, deal=None, organization__isnull=False),
                name="attachment_of_one_record",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def record(self) -> Lead | Deal | Organization:
        """What it belongs to."""
        found = self.lead or self.deal or self.organization
        assert found is not None
        return found

    @property
    def path(self) -> Path:
        """The bytes; no part of this was given by anybody."""
        return folder_of(self.company_id) / str(self.pk)


@receiver(post_delete, sender=Attachment)
def _delete_from_disk(instance: Attachment, **kwargs: Any) -> None:
    """Whatever deletes the row, a cascade too: the bytes go when that is certain. A nightly sweep finds leftovers."""
    path = instance.path
    transaction.on_commit(lambda: path.unlink(missing_ok=True), robust=True)
