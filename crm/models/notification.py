"""What people are told: notifications, the digest that was mailed, and the feed of their calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy

if TYPE_CHECKING:
    from crm.models.person import User


class NotificationKind(models.TextChoices):
    """Why somebody is told."""

    ASSIGNED = "assigned", gettext_lazy("A task is yours")
    LEAD = "lead", gettext_lazy("A lead is yours")
    MENTIONED = "mentioned", gettext_lazy("You were mentioned")
    DUE = "due", gettext_lazy("A task is due")
    FOLLOW_UP = "follow_up", gettext_lazy("A lead waits")
    FINISHED = "finished", gettext_lazy("Something is finished")
    STOPPED = "stopped", gettext_lazy("Something has stopped")
    ALARM = "alarm", gettext_lazy("Something is wrong")


class NotificationQuerySet(TenantQuerySet["Notification"]):
    """Notifications of the company whose scope is open."""

    def of(self, user: User) -> NotificationQuerySet:
        """Theirs, without those about records that were taken out of the lists."""
        return self.filter(
            Q(lead=None) | Q(lead__archived_at=None), Q(deal=None) | Q(deal__archived_at=None), user=user
        )

    def unread(self) -> NotificationQuerySet:
        return self.filter(read_at=None)


class Notification(TenantModel):
    """One thing one person is told. `key` keeps what is noticed again and again from being told twice."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=NotificationKind.choices)
    text = models.CharField(max_length=300)
    url = models.CharField(max_length=300, blank=True)
    lead = models.ForeignKey("crm.Lead", on_delete=models.CASCADE, null=True, related_name="notifications")
    deal = models.ForeignKey("crm.Deal", on_delete=models.CASCADE, null=True, related_name="+")
    task = models.ForeignKey("crm.Task", on_delete=models.CASCADE, null=True, related_name="+")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    key = models.CharField(max_length=120, blank=True)
    read_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[NotificationQuerySet] = scoped(NotificationQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "user", "key"), condition=~Q(key=""), name="notification_once"
            ),
        ]
        indexes = [
            models.Index(fields=("company", "user", "-created_at"), name="notification_of_user"),
            models.Index(fields=("company", "user"), condition=Q(read_at=None), name="notification_unread"),
        ]

    def __str__(self) -> str:
        return self.text


class DigestMailed(TenantModel):
    """That somebody's digest of a day was dealt with, so that no sweep mails it again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()

    objects: ClassVar[TenantQuerySet[DigestMailed]] = scoped(TenantQuerySet)

    class Meta:
        verbose_name_plural = "digests mailed"
        constraints = [models.UniqueConstraint(fields=("company", "user", "day"), name="digest_once_a_day")]

    def __str__(self) -> str:
        return f"{self.user}, {self.day}"


class CalendarFeed(TenantModel):
    """The secret address of somebody's tasks as a calendar; only a hash of the secret is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantQuerySet[CalendarFeed]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("company", "user"), name="one_feed_a_person")]

    def __str__(self) -> str:
        return str(self.user)
