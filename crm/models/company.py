"""The tenant: a company and its settings."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from crm.tenancy import UUIDModel


class ConsentPolicy(models.TextChoices):
    """What happens to conversions of people whose consent is unknown."""

    SEND = "send", "Send"
    HOLD_EUROPE = "hold_eea", "Hold for the EEA, the UK and Switzerland"
    HOLD = "hold", "Hold"


class Company(UUIDModel):
    """The tenant. Not itself scoped: membership decides who may open its scope."""

    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, default="EUR")
    time_zone = models.CharField(max_length=64, default="Europe/Berlin")
    language = models.CharField(max_length=8, default=settings.LANGUAGE_CODE, choices=settings.LANGUAGES)
    default_status = models.ForeignKey(
        "crm.LeadStatus", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    default_source = models.CharField(max_length=80, default="Web form", blank=True)
    fallback_owner = models.ForeignKey(
        "crm.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    consent_policy = models.CharField(
        max_length=10, choices=ConsentPolicy.choices, default=ConsentPolicy.SEND
    )
    settle_minutes = models.PositiveSmallIntegerField(
        default=2,
        validators=[MaxValueValidator(15)],
        help_text="How long won and lost wait before LinkedIn is told, so that a slip can be undone (0–15).",
    )
    enhanced_matching = models.BooleanField(
        default=False, help_text="Also send names, title, organization and country to LinkedIn."
    )
    internal_domains = models.JSONField(
        default=list, blank=True, help_text="Leads with these e-mail domains are never reported."
    )
    mfa_required = models.BooleanField(
        "second step required",
        default=False,
        help_text="Members set up a second step before they can do anything else.",
    )
    is_sample = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "companies"
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(condition=models.Q(settle_minutes__lte=15), name="company_settle_0_15"),
        ]

    def __str__(self) -> str:
        return self.name

    def local_now(self) -> dt.datetime:
        """The company's clock."""
        return timezone.now().astimezone(ZoneInfo(self.time_zone))
