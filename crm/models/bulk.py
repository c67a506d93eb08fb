"""Changes to many records at once: what was asked for, and what became of each row."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy


class BulkVerb(models.TextChoices):
    """What is done to every row."""

    ASSIGN = "assign", gettext_lazy("Assign")
    STATUS = "status", gettext_lazy("Set the status of")
    STAGE = "stage", gettext_lazy("Move")
    TAG = "tag", gettext_lazy("Tag")
    UNTAG = "untag", gettext_lazy("Take a tag off")
    ARCHIVE = "archive", gettext_lazy("Archive")
    RESTORE = "restore", gettext_lazy("Restore")


class BulkState(models.TextChoices):
    """Where a run is."""

    RUNNING = "running", gettext_lazy("Running")
    DONE = "done", gettext_lazy("Done")
    STOPPED = "stopped", gettext_lazy("Stopped")


class RowOutcome(models.TextChoices):
    """What became of a row."""

    WAITING = "waiting", gettext_lazy("Waiting")
    CHANGED = "changed", gettext_lazy("Changed")
    UNCHANGED = "unchanged", gettext_lazy("Already so")
    REFUSED = "refused", gettext_lazy("Refused")


class BulkRunQuerySet(TenantQuerySet["BulkRun"]):
    """Runs of the company whose scope is open."""

    def running(self) -> BulkRunQuerySet:
        return self.filter(state=BulkState.RUNNING)


class BulkRun(TenantModel):
    """One change that somebody asked for, to rows that were chosen in that moment."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    noun = models.CharField(max_length=4, choices=[("lead", "leads"), ("deal", "deals")])
    verb = models.CharField(max_length=8, choices=BulkVerb.choices)
    target = models.CharField(
        max_length=60, blank=True, help_text="Key or id of the status, stage or owner; the name of the tag."
    )
    reason = models.CharField(max_length=300, blank=True, help_text="Why deals were lost.")
    said = models.CharField(max_length=200, help_text="What is done, as a sentence.")
    state = models.CharField(max_length=8, choices=BulkState.choices, default=BulkState.RUNNING)
    total = models.PositiveIntegerField(default=0)
    not_found = models.PositiveIntegerField(
        default=0, help_text="Rows that were asked for and that this person cannot see."
    )
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Until when a worker has it.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[BulkRunQuerySet] = scoped(BulkRunQuerySet)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("company", "user", "-id"), name="bulk_runs_of_user"),
            models.Index(fields=("company",), condition=Q(state="running"), name="bulk_runs_running"),
        ]

    def __str__(self) -> str:
        return self.said


class BulkRow(TenantModel):
    """A lead or deal of a run. `why` is a sentence, where nothing was changed."""

    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="rows")
    lead = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, null=True, related_name="+")
    deal = models.ForeignKey("crm.Deal", on_delete=models.CASCADE, null=True, related_name="+")
    outcome = models.CharField(max_length=9, choices=RowOutcome.choices, default=RowOutcome.WAITING)
    why = models.CharField(max_length=300, blank=True)

    objects: ClassVar[TenantQuerySet[BulkRow]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(lead__isnull=False, deal=None) | Q(lead=None, deal__isnull=False),
                name="bulk_row_has_a_record",
            )
        ]
        indexes = [models.Index(fields=("run", "outcome", "id"), name="bulk_rows_by_outcome")]

    def __str__(self) -> str:
        return self.get_outcome_display()
