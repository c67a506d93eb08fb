"""The promise of a place in a company, kept by whoever has the link."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.utils import timezone

from crm.models.person import Role
from crm.tenancy import TenantModel, TenantQuerySet, scoped

LIFETIME: Final = timedelta(days=7)


class InvitationQuerySet(TenantQuerySet["Invitation"]):
    """Invitations of the company whose scope is open."""

    def waiting(self) -> InvitationQuerySet:
        """Neither used nor withdrawn; they may have run out, and can then be sent again."""
        return self.filter(accepted_at=None, revoked_at=None)


class Invitation(TenantModel):
    """An address that may join, once and for seven days. Only a SHA-256 of the link's secret is stored."""

    email = models.EmailField(max_length=254)
    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField(max_length=80, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[InvitationQuerySet] = scoped(InvitationQuerySet)

    class Meta:
        ordering = ("created_at", "id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_waiting_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email

    @property
    def is_open(self) -> bool:
        """Whether the link still lets somebody in."""
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def days_left(self) -> int:
        """Whole days until the link runs out, begun ones included; 0 when it has."""
        left = self.expires_at - timezone.now()
        return max(0, -(-left // timedelta(days=1)))
