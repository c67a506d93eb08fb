"""Web forms: what a capture key takes, from where, and what became of what was sent."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.apikey import ApiKey
from crm.tenancy import TenantModel, TenantQuerySet, scoped

ACCENT = "#4338ca"


class WebForm(TenantModel):
    """A capture key with what goes with it. A key that has none takes leads from servers, and from no other site."""

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, related_name="web_form")
    name = models.CharField(max_length=60)
    allowed_origins = models.JSONField(default=list, blank=True, help_text="Sites that may post, as origins.")
    redirects = models.JSONField(
        default=list, blank=True, help_text="Where it may lead on to; the first is usual."
    )
    source = models.CharField(max_length=80, blank=True)
    lead_type = models.ForeignKey(
        "crm.LeadType", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asks_consent = models.BooleanField(default=False, help_text="No lead without consent.")
    waits_for_consent = models.BooleanField(
        default=False, help_text="The script keeps nothing in the browser before the visitor agrees."
    )
    conversion_id = models.CharField(max_length=20, blank=True, help_text="Told to the Insight Tag.")
    fields = models.JSONField(default=list, blank=True, help_text="What the form asks for.")
    language = models.CharField(max_length=2, blank=True, help_text="The visitor's own if empty.")
    title = models.CharField(max_length=120, blank=True)
    logo_text = models.CharField(max_length=60, blank=True)
    accent = models.CharField(max_length=7, default=ACCENT)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantQuerySet[WebForm]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class ConsentText(TenantModel):
    """A wording that visitors were asked to agree to. It never changes: another wording is another version."""

    form = models.ForeignKey(WebForm, on_delete=models.CASCADE, related_name="consent_texts")
    version = models.PositiveIntegerField()
    text = models.CharField(max_length=1000, help_text="Empty: from here on nothing is asked.", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantQuerySet[ConsentText]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-version",)
        constraints = [models.UniqueConstraint(fields=("form", "version"), name="consent_text_version_once")]

    def __str__(self) -> str:
        return f"{self.form}, {self.version}"


class SubmissionOutcome(models.TextChoices):
    """What became of something that was sent."""

    CREATED = "created", _("New lead")
    UPDATED = "updated", _("Known person")
    COLLAPSED = "collapsed", _("Sent twice")
    SPAM = "spam", _("Spam")
    REFUSED = "refused", _("Refused")
    TESTED = "tested", _("Test")


class Submission(TenantModel):
    """That something was sent with a capture key, and what became of it. Holds nothing of what was in it."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="submissions")
    outcome = models.CharField(max_length=10, choices=SubmissionOutcome.choices)
    reason = models.CharField(max_length=30, blank=True)
    has_click_id = models.BooleanField(default=False)
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="A keyed hash, by which the same is known again; kept for a day."
    )
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[TenantQuerySet[Submission]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-at", "-id")
        indexes = [
            models.Index(fields=("key", "-at", "-id"), name="submission_by_time"),
            models.Index(fields=("company", "fingerprint", "-at"), name="submission_lookup"),
            models.Index(fields=("company", "at"), name="submission_age"),
        ]

    def __str__(self) -> str:
        return self.get_outcome_display()


class WebsiteTest(TenantModel):
    """A click id made up to see whether a site brings it along. Whoever comes with it is no lead."""

    form = models.ForeignKey(WebForm, on_delete=models.CASCADE, related_name="tests")
    url = models.CharField(max_length=2000)
    click_id = models.CharField(max_length=40)
    created_at = models.DateTimeField(default=timezone.now)
    arrived_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TenantQuerySet[WebsiteTest]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.url
