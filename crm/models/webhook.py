"""Outgoing webhooks: where they go, and a row for each message, which is queue and log in one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm import vault
from crm.tenancy import TenantModel, TenantQuerySet, scoped

RETRIED_FOR = timedelta(days=3)


class WebhookEvent(models.TextChoices):
    """What can be told. `conversion_…` is what became of one conversion at LinkedIn."""

    LEAD_CREATED = "lead_created", _("Lead created")
    LEAD_QUALIFIED = "lead_qualified", _("Lead qualified")
    DEAL_CREATED = "deal_created", _("Deal created")
    DEAL_WON = "deal_won", _("Deal won")
    DEAL_LOST = "deal_lost", _("Deal lost")
    CONVERSION_ACCEPTED = "conversion_accepted", _("Conversion accepted")
    CONVERSION_HELD = "conversion_held", _("Conversion held")
    CONVERSION_SKIPPED = "conversion_skipped", _("Conversion skipped")
    CONVERSION_REJECTED = "conversion_rejected", _("Conversion rejected")
    CONVERSION_EXPIRED = "conversion_expired", _("Conversion expired")
    CONVERSION_CANCELLED = "conversion_cancelled", _("Conversion cancelled")


# Not chosen, only sent by hand.
TEST_EVENT = "test"
MESSAGES = [*WebhookEvent.choices, (TEST_EVENT, _("Test"))]
STATES = ["active", "failing", "off", "disabled"]


class WebhookQuerySet(TenantQuerySet["Webhook"]):
    """Webhooks of the company whose scope is open."""

    def listening_to(self, events: set[str]) -> list[Webhook]:
        """Those that are on and want one of these events; there are a few of them at most."""
        return [hook for hook in self.filter(is_active=True) if events.intersection(hook.events)]


class Webhook(TenantModel):
    """An address that is told what happens. Off since `disabled_at` if we did that and not a person."""

    SECRET_FIELD = "webhook.secret"  # noqa: S105  what the secret is bound to, not a secret

    url = models.CharField(max_length=500)
    description = models.CharField(max_length=120, blank=True)
    events = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    secret_sealed = models.TextField(editable=False)
    earlier_sealed = models.TextField(
        blank=True, editable=False, help_text="Still signs until earlier_until."
    )
    earlier_until = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    # How the line is doing: nothing is sent before `waits_until`.
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Failures in a row.")
    waits_until = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_reason = models.CharField(max_length=300, blank=True, editable=False)

    objects: ClassVar[WebhookQuerySet] = scoped(WebhookQuerySet)

    class Meta:
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return self.description or self.url.removeprefix("https://").partition("/")[0]

    @property
    def state(self) -> str:
        """`active`, `failing` since the last try, `disabled` by us, or `off`."""
        if not self.is_active:
            return "disabled" if self.disabled_at else "off"
        return "failing" if self.failures else "active"

    def seal(self, secret: str) -> None:
        self.secret_sealed = vault.encrypt(secret, self.company_id, self.SECRET_FIELD)

    def secrets(self, now: datetime) -> list[str]:
        """In clear, the newest first; the one before as long as it is valid. Raises VaultError."""
        sealed = [self.secret_sealed]
        if self.earlier_sealed and self.earlier_until and self.earlier_until > now:
            sealed.append(self.earlier_sealed)
        return [vault.decrypt(each, self.company_id, self.SECRET_FIELD) for each in sealed]


class WebhookStatus(models.TextChoices):
    """The life of a message."""

    PENDING = "pending", _("Waiting")
    SENDING = "sending", _("On its way")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class WebhookDeliveryQuerySet(TenantQuerySet["WebhookDelivery"]):
    """Messages of the company whose scope is open."""

    def due(self, now: datetime) -> WebhookDeliveryQuerySet:
        """To be sent now, oldest first; not to an address that must be left alone for a while."""
        free = Q(hook__waits_until=None) | Q(hook__waits_until__lte=now)
        return self.filter(
            free, status=WebhookStatus.PENDING, next_attempt_at__lte=now, hook__is_active=True
        ).order_by("next_attempt_at", "id")


class WebhookDelivery(TenantModel):
    """One message to one address. The body is made at the first try and kept, so that a retry says the same."""

    hook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=24)
    lead = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, null=True, related_name="+")
    subject_id = models.UUIDField(null=True, help_text="The lead, deal or conversion that it is about.")
    happened_at = models.DateTimeField()
    body = models.TextField(blank=True)

    status = models.CharField(max_length=10, choices=WebhookStatus.choices, default=WebhookStatus.PENDING)
    message = models.CharField(max_length=300, blank=True)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="Since it was recorded, or last replayed.")
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[WebhookDeliveryQuerySet] = scoped(WebhookDeliveryQuerySet)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ("-created_at", "-id")
        constraints = [
            models.CheckConstraint(
                condition=Q(status="sending", lease__isnull=False, lease_until__isnull=False)
                | (~Q(status="sending") & Q(lease=None, lease_until=None)),
                name="only_sending_webhook_is_leased",
            ),
        ]
        indexes = [
            models.Index(
                "company", "next_attempt_at", "id", condition=Q(status="pending"), name="webhook_due"
            ),
            models.Index("company", "lease_until", condition=Q(status="sending"), name="webhook_leased"),
            models.Index(fields=("hook", "-created_at", "-id"), name="webhook_log"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.hook}"

    @property
    def message_id(self) -> str:
        """`webhook-id`: the same at each try and replay, so that the receiver can tell."""
        return f"msg_{self.pk.hex}"

    @property
    def label(self) -> str:
        return str(WebhookEvent(self.event).label) if self.event in WebhookEvent.values else str(_("Test"))


class WebhookAttempt(TenantModel):
    """One request and what came of it. Written before it leaves: without an outcome, we died meanwhile."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts_log")
    at = models.DateTimeField(default=timezone.now)
    status_code = models.PositiveSmallIntegerField(null=True)
    message = models.CharField(max_length=300, blank=True)
    answer = models.CharField(max_length=500, blank=True, help_text="How the answer began.")
    duration_ms = models.PositiveIntegerField(null=True)

    objects: ClassVar[TenantQuerySet[WebhookAttempt]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.status_code or self.message}"
