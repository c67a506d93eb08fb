"""How long a company keeps what it no longer needs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from crm.tenancy import TenantModel, TenantQuerySet, scoped

CONVERSION_DAYS = 180


class Retention(TenantModel):
    """A company's choice; without a row, the defaults hold. Days are counted from the last change."""

    archived_lead_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Archived leads are erased after so many days; empty keeps them."
    )
    conversion_days = models.PositiveIntegerField(
        default=CONVERSION_DAYS,
        help_text="After so many days, what was sent to LinkedIn about a person is removed from the log.",
    )

    objects: ClassVar[TenantQuerySet[Retention]] = scoped(TenantQuerySet)

    class Meta:
        verbose_name_plural = "retention"
        constraints = [
            models.UniqueConstraint(fields=("company",), name="one_retention_per_company"),
            models.CheckConstraint(
                condition=Q(archived_lead_days=None) | Q(archived_lead_days__gte=1),
                name="archived_leads_are_kept_a_day",
            ),
            # LinkedIn's window is 90 days: what may still be sent must keep its bytes.
            models.CheckConstraint(condition=Q(conversion_days__gte=90), name="conversions_are_kept_90_days"),
        ]

    def __str__(self) -> str:
        return f"Retention of {self.company}"
