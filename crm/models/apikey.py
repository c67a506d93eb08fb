"""API keys, and the answers kept for repeated requests."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from crm.tenancy import TenantModel, TenantQuerySet, scoped


class ApiKey(TenantModel):
    """A key of a company. Only a SHA-256 of it is stored; `prefix` is what people see."""

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_on = models.DateField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TenantQuerySet[ApiKey]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotencyRecord(TenantModel):
    """The first answer to a POST with an Idempotency-Key, given again to its repeats."""

    caller = models.CharField(max_length=60, help_text="Which key or user sent it.")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Null while the first is running.")
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[TenantQuerySet[IdempotencyRecord]] = scoped(TenantQuerySet)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("company", "caller", "key"), name="idempotency_key_once")
        ]
        indexes = [models.Index(fields=("created_at",), name="idempotency_age")]

    def __str__(self) -> str:
        return self.key
