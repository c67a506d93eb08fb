"""Leads: people who might buy, with their addresses, status, consent and where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy

if TYPE_CHECKING:
    from crm.models.person import User


class StatusCategory(models.TextChoices):
    """What a status means. Names are free; only the category has effects."""

    OPEN = "open", gettext_lazy("Open")
    QUALIFIED = "qualified", gettext_lazy("Qualified")
    WON = "won", gettext_lazy("Won")
    LOST = "lost", gettext_lazy("Lost")
    SPAM = "spam", gettext_lazy("Spam")


class Consent(models.TextChoices):
    """Whether the person agreed that their data is used for ads measurement."""

    GRANTED = "granted", gettext_lazy("Granted")
    DENIED = "denied", gettext_lazy("Denied")
    UNKNOWN = "unknown", gettext_lazy("Unknown")


class LeadStatus(TenantModel):
    """A step in the life of a lead. `key` never changes; the API and imports use it."""

    name = models.CharField(max_length=60)
    key = models.SlugField(max_length=60)
    category = models.CharField(max_length=10, choices=StatusCategory.choices, default=StatusCategory.OPEN)
    colour = models.CharField(max_length=10, default="slate")
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[LeadStatus]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        verbose_name_plural = "lead statuses"
        constraints = [models.UniqueConstraint(fields=("company", "key"), name="lead_status_key")]

    def __str__(self) -> str:
        return self.name


class LeadType(TenantModel):
    """How a lead came in, e.g. Demo Request; gives a default priority (1 high – 3 low)."""

    name = models.CharField(max_length=60)
    key = models.SlugField(max_length=60)
    priority = models.PositiveSmallIntegerField(default=2)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[LeadType]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        constraints = [models.UniqueConstraint(fields=("company", "key"), name="lead_type_key")]

    def __str__(self) -> str:
        return self.name


class Tag(TenantModel):
    """A label for leads. A tag never fires an event."""

    name = models.CharField(max_length=60)
    name_key = models.CharField(max_length=60, editable=False, help_text="Name in lower case, for matching.")
    colour = models.CharField(max_length=10, default="slate")

    objects: ClassVar[TenantQuerySet[Tag]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("name", "id")
        constraints = [models.UniqueConstraint(fields=("company", "name_key"), name="tag_once_per_company")]

    def __str__(self) -> str:
        return self.name


class LeadQuerySet(TenantQuerySet["Lead"]):
    """Leads of the company whose scope is open."""

    def current(self) -> LeadQuerySet:
        """Not archived."""
        return self.filter(archived_at=None)

    def archived(self) -> LeadQuerySet:
        """In the recycle bin: one that was merged comes back by undoing that."""
        return self.exclude(archived_at=None).filter(merged_into=None)

    def owned_by(self, user: User) -> LeadQuerySet:
        return self.filter(owner=user)

    def open(self) -> LeadQuerySet:
        """Still to be worked: neither won, lost nor spam."""
        return self.filter(status__category__in=(StatusCategory.OPEN, StatusCategory.QUALIFIED))

    def for_list(self) -> LeadQuerySet:
        """With everything a list row shows, in a fixed number of queries."""
        return self.select_related("status", "lead_type", "organization", "owner").prefetch_related(
            models.Prefetch("emails", LeadEmail.objects.order_by("-is_primary", "position"))
        )


class Lead(TenantModel):
    """A person, for the whole of their life; a deal does not consume them."""

    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField(max_length=80, blank=True)
    title = models.CharField(max_length=120, blank=True)
    organization = models.ForeignKey(
        "crm.Organization", on_delete=models.SET_NULL, null=True, blank=True, related_name="leads"
    )
    country_code = models.CharField(max_length=2, blank=True)
    status = models.ForeignKey(LeadStatus, on_delete=models.PROTECT, related_name="leads")
    lead_type = models.ForeignKey(
        LeadType, on_delete=models.SET_NULL, null=True, blank=True, related_name="leads"
    )
    source = models.CharField(max_length=80, blank=True)
    tags: models.ManyToManyField[Tag, Any] = models.ManyToManyField(
        Tag, through="crm.LeadTag", related_name="leads", blank=True
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="leads"
    )
    external_id = models.CharField(max_length=190, blank=True)
    custom = models.JSONField(default=dict, blank=True, help_text="Values of custom fields, by key.")

    consent = models.CharField(max_length=10, choices=Consent.choices, default=Consent.UNKNOWN)
    consent_source = models.CharField(max_length=80, blank=True)
    consent_text_version = models.CharField(max_length=40, blank=True)
    consent_at = models.DateTimeField(null=True, blank=True)

    li_fat_id = models.CharField("LinkedIn click id", max_length=300, blank=True)
    li_fat_id_captured_at = models.DateTimeField(null=True, blank=True)
    utm_source = models.CharField(max_length=200, blank=True)
    utm_medium = models.CharField(max_length=200, blank=True)
    utm_campaign = models.CharField(max_length=200, blank=True)
    utm_term = models.CharField(max_length=200, blank=True)
    utm_content = models.CharField(max_length=200, blank=True)
    referrer = models.CharField(max_length=2000, blank=True)
    landing_page = models.CharField(max_length=2000, blank=True)
    first_touch = models.JSONField(
        default=dict,
        blank=True,
        help_text="How they came the first time: its time as `at`, and the fields above, which are the last time's.",
    )
    browser_event_id = models.CharField(max_length=64, blank=True)
    lead_gen_response = models.CharField(max_length=120, blank=True)

    is_test = models.BooleanField(default=False)
    is_sample = models.BooleanField(default=False, editable=False)
    origin = models.CharField(max_length=12, default="web", editable=False)
    occurred_at = models.DateTimeField(default=timezone.now, help_text="When they became a lead.")
    qualified_at = models.DateTimeField(null=True, blank=True, editable=False)
    status_since = models.DateTimeField(default=timezone.now, editable=False)
    last_touch_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    merged_into = models.ForeignKey(
        "crm.Lead",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="merged_from",
        help_text="The lead that has taken this one's place; it is archived, and gone after 30 days.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    # Its addresses as they were just written, for whoever shows a new lead; None for any other.
    written_emails: list[LeadEmail] | None = None

    objects: ClassVar[LeadQuerySet] = scoped(LeadQuerySet)

    class Meta:
        ordering = ("-last_touch_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "external_id"),
                condition=~models.Q(external_id=""),
                name="lead_external_id_once",
            ),
            models.UniqueConstraint(
                fields=("company", "browser_event_id"),
                condition=~models.Q(browser_event_id=""),
                name="lead_browser_event_id_once",
            ),
        ]
        indexes = [
            models.Index(fields=("company", "-last_touch_at", "-id"), name="lead_by_last_touch"),
            models.Index(fields=("company", "status", "-last_touch_at"), name="lead_by_status"),
            models.Index(fields=("company", "owner", "-last_touch_at"), name="lead_by_owner"),
            models.Index(fields=("company", "-created_at", "-id"), name="lead_by_creation"),
            models.Index(fields=("company", "-occurred_at", "-id"), name="lead_by_occurrence"),
            models.Index(
                fields=("company", "last_name", "first_name", "id"),
                condition=models.Q(archived_at=None),
                name="lead_by_name",
            ),
            models.Index(
                fields=("company", "-archived_at", "-id"),
                condition=models.Q(archived_at__isnull=False),
                name="lead_by_archiving",
            ),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """First and last name; for a person without either, the e-mail; never empty."""
        name = f"{self.first_name} {self.last_name}".strip()
        return name or self.email or _("Unnamed lead")

    @property
    def primary_email(self) -> LeadEmail | None:
        """The primary address. Reads `emails` once, prefetched where a list needs it."""
        return next((email for email in self.emails.all() if email.is_primary), None)

    @property
    def email(self) -> str:
        """The primary address as text, "" if there is none."""
        primary = self.primary_email
        return primary.address if primary else ""

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None


class LeadTag(TenantModel):
    """A tag on a lead."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="lead_tags")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="lead_tags")

    objects: ClassVar[TenantQuerySet[LeadTag]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("lead", "tag"), name="tag_once_per_lead")]

    def __str__(self) -> str:
        return str(self.tag)


class LeadEmail(TenantModel):
    """One of a lead's addresses. Exactly one is primary, if there is any."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="emails")
    address = models.CharField(max_length=254)
    address_key = models.CharField(max_length=254, editable=False, help_text="Lower case, for look-up.")
    label = models.CharField(max_length=40, blank=True)
    is_primary = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[LeadEmail]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-is_primary", "position", "id")
        constraints = [
            models.UniqueConstraint(fields=("lead", "address_key"), name="email_once_per_lead"),
            models.UniqueConstraint(
                fields=("lead",), condition=models.Q(is_primary=True), name="one_primary_email"
            ),
        ]
        indexes = [models.Index(fields=("company", "address_key"), name="lead_email_lookup")]

    def __str__(self) -> str:
        return self.address


class LeadPhone(TenantModel):
    """One of a lead's phone numbers, as typed, and its digits for search."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="phones")
    number = models.CharField(max_length=40)
    digits = models.CharField(max_length=40, editable=False)
    label = models.CharField(max_length=40, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[LeadPhone]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        indexes = [models.Index(fields=("company", "digits"), name="lead_phone_lookup")]

    def __str__(self) -> str:
        return self.number


class LeadWebsite(TenantModel):
    """One of a lead's web sites."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="websites")
    url = models.URLField(max_length=500)
    label = models.CharField(max_length=40, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[LeadWebsite]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.url


class LeadStatusChange(TenantModel):
    """A row for every change of status: the source of ageing reports, backfill and event times."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="status_changes")
    from_status = models.ForeignKey(LeadStatus, on_delete=models.SET_NULL, null=True, related_name="+")
    to_status = models.ForeignKey(LeadStatus, on_delete=models.SET_NULL, null=True, related_name="+")
    to_category = models.CharField(max_length=10, choices=StatusCategory.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField()

    objects: ClassVar[TenantQuerySet[LeadStatusChange]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("at", "id")
        indexes = [models.Index(fields=("lead", "at"), name="status_history")]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"
