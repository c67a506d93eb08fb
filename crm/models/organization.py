"""The customers' firms."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef

from crm.tenancy import TenantModel, TenantQuerySet, scoped

if TYPE_CHECKING:
    from crm.models.deal import DealQuerySet
    from crm.models.lead import LeadQuerySet


class OrganizationQuerySet(TenantQuerySet["Organization"]):
    """Organizations of the company whose scope is open."""

    def having(self, leads: LeadQuerySet, deals: DealQuerySet) -> OrganizationQuerySet:
        """Those that any of these leads or deals belongs to."""
        return self.filter(
            Exists(leads.filter(organization=OuterRef("pk")).order_by())
            | Exists(deals.filter(organization=OuterRef("pk")).order_by())
        )


class Organization(TenantModel):
    """A customer's firm, matched by domain or by name."""

    name = models.CharField(max_length=160)
    name_key = models.CharField(max_length=160, editable=False, help_text="Name in lower case, for matching.")
    domain = models.CharField(max_length=253, blank=True)
    custom = models.JSONField(default=dict, blank=True, help_text="Values of custom fields, by key.")
    is_sample = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[OrganizationQuerySet] = scoped(OrganizationQuerySet)

    class Meta:
        ordering = ("name", "id")
        indexes = [
            models.Index(fields=("company", "name_key"), name="organization_by_name"),
            models.Index(fields=("company", "domain"), name="organization_by_domain"),
        ]

    def __str__(self) -> str:
        return self.name
