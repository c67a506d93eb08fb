"""What the product does by itself: who gets a lead that arrives, and what happens in the night. Each has its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy

if TYPE_CHECKING:
    from crm.models.person import User


class AutomationKind(models.TextChoices):
    """What is done by itself."""

    ASSIGNMENT = "assignment", gettext_lazy("Assignment")
    SPAM = "spam", gettext_lazy("Spam clean-up")
    FOLLOW_UP = "follow_up", gettext_lazy("Follow-up")
    STAGE = "stage", gettext_lazy("Stage task")


class Automations(TenantModel):
    """A company's switches; none is on until somebody turns it on."""

    cleans_spam = models.BooleanField(default=False)
    follows_up = models.BooleanField(default=False)
    follow_up_days = models.PositiveSmallIntegerField(
        default=14, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    follow_up_makes_task = models.BooleanField(default=True)

    objects: ClassVar[TenantQuerySet[Automations]] = scoped(TenantQuerySet)

    class Meta:
        verbose_name_plural = "automations"
        constraints = [models.UniqueConstraint(fields=("company",), name="automations_once")]

    def __str__(self) -> str:
        return "Automations"


class AssignmentRule(TenantModel):
    """Who gets a lead that arrives. Rules are tried in order; empty words fit every lead."""

    position = models.PositiveSmallIntegerField(default=0)
    source = models.CharField(max_length=80, blank=True)
    lead_type = models.ForeignKey(
        "crm.LeadType", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    country_code = models.CharField(max_length=2, blank=True)
    is_on = models.BooleanField(default=True)
    last_given = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )

    objects: ClassVar[TenantQuerySet[AssignmentRule]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        parts = (self.source, str(self.lead_type or ""), self.country_code)
        return ", ".join(part for part in parts if part) or "Every lead"

    @property
    def users(self) -> list[User]:
        """Who takes turns, in their order."""
        return [row.user for row in self.people.all()]


class AssignmentPerson(TenantModel):
    """Somebody who takes turns at the leads of a rule."""

    rule = models.ForeignKey(AssignmentRule, on_delete=models.CASCADE, related_name="people")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[TenantQuerySet[AssignmentPerson]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "assignment people"
        constraints = [models.UniqueConstraint(fields=("rule", "user"), name="person_once_per_rule")]

    def __str__(self) -> str:
        return str(self.user)


class StageTask(TenantModel):
    """The task that a deal gets on entering a stage, due so many days later."""

    stage = models.ForeignKey("crm.Stage", on_delete=models.CASCADE, related_name="+")
    title = models.CharField(max_length=160)
    days = models.PositiveSmallIntegerField(default=1, validators=[MaxValueValidator(365)])
    is_on = models.BooleanField(default=True)

    objects: ClassVar[TenantQuerySet[StageTask]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("stage__pipeline__position", "stage__position", "id")

    def __str__(self) -> str:
        return self.title


class AutomationEntry(TenantModel):
    """A line of the log. `key` keeps what comes round again from being done twice."""

    kind = models.CharField(max_length=10, choices=AutomationKind.choices)
    text = models.CharField(max_length=300)
    lead = models.ForeignKey(
        "crm.Lead", on_delete=models.CASCADE, null=True, related_name="automation_entries"
    )
    deal = models.ForeignKey("crm.Deal", on_delete=models.CASCADE, null=True, related_name="+")
    key = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[TenantQuerySet[AutomationEntry]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "automation entries"
        constraints = [
            models.UniqueConstraint(
                fields=("company", "key"), condition=~Q(key=""), name="automation_done_once"
            ),
        ]
        indexes = [models.Index(fields=("company", "-at", "-id"), name="automation_log")]

    def __str__(self) -> str:
        return self.text
