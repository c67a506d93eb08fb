"""The timeline: notes, calls, meetings, e-mails logged, and every change."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy


class ActivityKind(models.TextChoices):
    """What happened. The first four are written by people, the others by the product."""

    NOTE = "note", gettext_lazy("Note")
    CALL = "call", gettext_lazy("Call")
    MEETING = "meeting", gettext_lazy("Meeting")
    EMAIL = "email", "E-mail"
    CREATED = "created", gettext_lazy("Created")
    STATUS = "status", gettext_lazy("Status changed")
    STAGE = "stage", gettext_lazy("Stage changed")
    FIELD = "field", gettext_lazy("Field changed")
    CONSENT = "consent", gettext_lazy("Consent changed")
    ARCHIVED = "archived", gettext_lazy("Archived")
    TASK = "task", gettext_lazy("Task")
    MERGED = "merged", gettext_lazy("Merged")
    UNMERGED = "unmerged", gettext_lazy("Merge undone")
    RESTORED = "restored", gettext_lazy("Restored")
    FILE = "file", gettext_lazy("File")


WRITTEN_BY_PEOPLE = (ActivityKind.NOTE, ActivityKind.CALL, ActivityKind.MEETING, ActivityKind.EMAIL)


class Activity(TenantModel):
    """One line of a timeline. `old` and `new` are what a reader should see, never ids."""

    lead = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, null=True, related_name="activities")
    deal = models.ForeignKey("crm.Deal", on_delete=models.CASCADE, null=True, related_name="activities")
    kind = models.CharField(max_length=10, choices=ActivityKind.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_label = models.CharField(max_length=80, blank=True, help_text="Who, where no user did it.")
    field = models.CharField(max_length=40, blank=True)
    old = models.CharField(max_length=300, blank=True)
    new = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True, max_length=20_000)
    at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[TenantQuerySet[Activity]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "activities"
        indexes = [
            models.Index(fields=("lead", "-at", "-id"), name="timeline_of_lead"),
            models.Index(fields=("deal", "-at", "-id"), name="timeline_of_deal"),
            # For the report of what each person did: it reads these two and no row.
            models.Index(
                fields=("company", "at", "actor", "kind"),
                condition=models.Q(kind__in=WRITTEN_BY_PEOPLE),
                name="activity_by_people",
            ),
            models.Index(
                fields=("company", "actor", "lead"),
                condition=models.Q(kind=ActivityKind.CREATED, deal=None),
                name="activity_of_adding_leads",
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class Mention(TenantModel):
    """A member who is named in a note, so that they can be told."""

    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="mentions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[TenantQuerySet[Mention]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("activity", "user"), name="mentioned_once")]

    def __str__(self) -> str:
        return str(self.user)
