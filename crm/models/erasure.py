"""Erasures: that a person was erased, and the tombstones that know them again without saying who they were."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from crm.tenancy import TenantModel, TenantQuerySet, scoped


class ErasureQuerySet(TenantQuerySet["Erasure"]):
    """Erasures of the company whose scope is open."""

    def unfinished(self) -> ErasureQuerySet:
        """Those that wait for a request that was on its way to LinkedIn."""
        return self.filter(completed_at=None)


class Erasure(TenantModel):
    """A person was erased. Their record is gone at `requested_at`; `completed_at` says that nothing is on its way."""

    lead_id = models.UUIDField(help_text="The id their record had.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_label = models.CharField(max_length=80, blank=True, help_text="Who, where no user did it.")
    requested_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    objects: ClassVar[ErasureQuerySet] = scoped(ErasureQuerySet)

    class Meta:
        ordering = ("-requested_at", "-id")
        constraints = [models.UniqueConstraint(fields=("company", "lead_id"), name="erased_once")]

    def __str__(self) -> str:
        return f"{self.lead_id} ({self.state})"

    @property
    def state(self) -> str:
        return "completed" if self.completed_at else "requested"


class Tombstone(TenantModel):
    """A keyed hash of one thing an erased person was known by; see crm.tombstones."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="tombstones")
    digest = models.CharField(max_length=64)

    objects: ClassVar[TenantQuerySet[Tombstone]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("erasure", "digest"), name="tombstone_once")]
        indexes = [models.Index(fields=("company", "digest"), name="tombstone_lookup")]

    def __str__(self) -> str:
        return self.digest[:12]
