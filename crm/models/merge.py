"""Merges: that two leads were one person, and what it takes to make them two again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from crm.tenancy import TenantModel, TenantQuerySet, scoped

UNDO_FOR = timedelta(days=30)


class MergeQuerySet(TenantQuerySet["Merge"]):
    """Merges of the company whose scope is open."""

    def undoable(self, now: datetime) -> MergeQuerySet:
        """Young enough, the newest first."""
        return self.filter(at__gt=now - UNDO_FOR).order_by("-at", "-id")

    def outlived(self, now: datetime) -> MergeQuerySet:
        """Past the time in which they can be undone."""
        return self.filter(at__lte=now - UNDO_FOR)


class Merge(TenantModel):
    """Two leads were found to be one person. Gone when it is undone, and after 30 days together with the loser.

    `kept` holds what moved and what was changed, as `crm.actions.merge` wrote it: no more and no less than the undo
    needs.
    """

    survivor = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, related_name="merges")
    loser = models.OneToOneField("crm.Lead", on_delete=models.CASCADE, related_name="merge")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_label = models.CharField(max_length=80, blank=True, help_text="Who, where no user did it.")
    at = models.DateTimeField()
    kept = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    objects: ClassVar[MergeQuerySet] = scoped(MergeQuerySet)

    class Meta:
        ordering = ("-at", "-id")
        indexes = [models.Index(fields=("company", "at"), name="merge_by_time")]

    def __str__(self) -> str:
        return f"{self.loser_id} → {self.survivor_id}"

    @property
    def undoable_until(self) -> datetime:
        return self.at + UNDO_FOR
