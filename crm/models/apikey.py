"""API keys, and the answers kept for repeated requests."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.tenancy import TenantModel, TenantQuerySet, scoped


class ApiKeyQuerySet(TenantQuerySet["ApiKey"]):
    """Keys of the company whose scope is open."""

    def live(self, now: datetime) -> ApiKeyQuerySet:
        """Neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApiKey(TenantModel):
    """A key of a company. Only a SHA-256 of it is stored; `prefix` is what people see."""

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    previous_digest = models.CharField(max_length=64, blank=True, help_text="Of the key before the rotation.")
    previous_until = models.DateTimeField(null=True, blank=True, help_text="Until when that one works.")
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_on = models.DateField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[ApiKeyQuerySet] = scoped(ApiKeyQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name = "API key"
        indexes = [
            models.Index(fields=("previous_digest",), condition=~Q(previous_digest=""), name="api_key_before")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_live(self) -> bool:
        """Whether it opens the door."""
        return self.revoked_at is None and not self.is_expired

    @property
    def previous_works(self) -> bool:
        """Whether the key from before the rotation still opens the door."""
        return self.is_live and self.previous_until is not None and self.previous_until > timezone.now()


class IdempotencyRecord(TenantModel):
    """The first answer to a POST with an Idempotency-Key, given again to its repeats."""

    caller = models.CharField(max_length=60, help_text="Which key or user sent it.")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Null while the first is running.")
    body = models.TextField(blank=True)
    etag = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantQuerySet[IdempotencyRecord]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("company", "caller", "key"), name="idempotency_key_once")
        ]
        indexes = [models.Index(fields=("created_at",), name="idempotency_age")]

    def __str__(self) -> str:
        return self.key
