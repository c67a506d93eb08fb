"""Imports: what somebody brought, how far it is, and what became of each row."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy

if TYPE_CHECKING:
    from crm.models.person import User


class ImportState(models.TextChoices):
    """Where an import is. Those of `WORKING` are taken up by a worker, whoever left them."""

    MAPPING = "mapping", gettext_lazy("To be set up")
    CHECKING = "checking", gettext_lazy("Checking")
    CHECKED = "checked", gettext_lazy("Checked")
    RUNNING = "running", gettext_lazy("Running")
    DONE = "done", gettext_lazy("Done")
    STOPPED = "stopped", gettext_lazy("Stopped")
    UNDOING = "undoing", gettext_lazy("Being undone")
    UNDONE = "undone", gettext_lazy("Undone")
    FAILED = "failed", gettext_lazy("Failed")


WORKING = (ImportState.CHECKING, ImportState.RUNNING, ImportState.UNDOING)


class OnMatch(models.TextChoices):
    """What becomes of a row about somebody who is there already."""

    SKIP = "skip", gettext_lazy("Skip them")
    FILL = "fill", gettext_lazy("Fill blanks")
    OVERWRITE = "overwrite", gettext_lazy("Overwrite")


class ImportQuerySet(TenantQuerySet["Import"]):
    """Imports of the company whose scope is open."""

    def begun_by(self, user: User) -> ImportQuerySet:
        return self.filter(created_by=user)

    def waiting(self, now: datetime) -> ImportQuerySet:
        """To be worked on by whoever has time: nobody does, or who did is gone."""
        return self.filter(Q(lease=None) | Q(lease_until__lt=now), state__in=WORKING)


class Import(TenantModel):
    """A file of leads, the settings it is read with, and how far it is. The row is the queue."""

    file_name = models.CharField(max_length=200)
    encoding = models.CharField(max_length=20)
    delimiter = models.CharField(max_length=1)
    has_header = models.BooleanField(default=True)
    is_workbook = models.BooleanField(default=False)
    headers = models.JSONField(default=list)
    total = models.PositiveIntegerField(default=0, help_text="Rows below the head.")
    preset = models.CharField(max_length=20, blank=True)

    mapping = models.JSONField(default=list, help_text="The field that each column goes to, or nothing.")
    on_match = models.CharField(max_length=10, choices=OnMatch.choices, default=OnMatch.FILL)
    source = models.CharField(max_length=80, blank=True, help_text="Of rows that do not say.")
    status = models.ForeignKey("crm.LeadStatus", on_delete=models.SET_NULL, null=True, related_name="+")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    month_first = models.BooleanField(default=False)
    lenient = models.BooleanField(default=False, help_text="Leave a bad value out instead of the whole row.")
    is_reported = models.BooleanField(default=False, help_text="Whether LinkedIn is told of the new leads.")

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_label = models.CharField(max_length=80, blank=True, help_text="Who, where no user did it.")
    own_only = models.BooleanField(default=False, help_text="Whoever began it sees their own leads alone.")

    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.MAPPING)
    position = models.PositiveIntegerField(default=0, help_text="The last row of the file that is done.")
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    filled = models.PositiveIntegerField(default=0, help_text="Fields written on leads that were there.")
    reportable = models.PositiveIntegerField(default=0, help_text="New leads that LinkedIn could be told of.")
    plan = models.JSONField(default=dict, help_text="The counts that the check found.")
    kept = models.PositiveIntegerField(default=0, help_text="Left as they are by the undoing: touched since.")
    error = models.CharField(max_length=300, blank=True)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[ImportQuerySet] = scoped(ImportQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=WORKING) | Q(lease=None), name="only_a_working_import_is_leased"
            )
        ]
        indexes = [
            models.Index("company", condition=Q(state__in=WORKING), name="import_working"),
            models.Index(fields=("company", "-created_at", "-id"), name="import_by_creation"),
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def path(self) -> Path:
        """The file as text; it has no name that somebody gave it."""
        return Path(settings.DATA_DIR) / "imports" / f"{self.pk}.csv"

    @property
    def has_file(self) -> bool:
        return self.path.is_file()

    @property
    def is_working(self) -> bool:
        return self.state in WORKING

    @property
    def handled(self) -> int:
        """How many rows are done."""
        return self.created + self.updated + self.skipped + self.failed


class ImportOutcome(models.TextChoices):
    """What became of a row."""

    CREATED = "created", gettext_lazy("Created")
    UPDATED = "updated", gettext_lazy("Updated")
    SKIPPED = "skipped", gettext_lazy("Skipped")
    FAILED = "failed", gettext_lazy("Failed")


class ImportRow(TenantModel):
    """What became of a row. `number` is that of the file; the same row cannot be done twice."""

    batch = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=ImportOutcome.choices)
    lead = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, null=True, related_name="import_rows")
    reason = models.CharField(max_length=300, blank=True)
    value = models.CharField(max_length=160, blank=True, help_text="The field and the value that are wrong.")
    before = models.JSONField(default=dict, help_text="What the import wrote over, and what it wrote.")
    is_undone = models.BooleanField(default=False)
    written_at = models.DateTimeField(null=True, help_text="The lead's last change, when it was ours.")

    objects: ClassVar[TenantQuerySet[ImportRow]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("batch", "number")
        constraints = [models.UniqueConstraint(fields=("batch", "number"), name="import_row_once")]

    def __str__(self) -> str:
        return f"Row {self.number}"
