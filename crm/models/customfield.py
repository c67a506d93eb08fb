"""Custom fields: what a company wants to know of its leads, deals and organizations beside what everybody does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import connection, models
from django.db.models import Q
from django.db.models.fields.json import KeyTransform

from crm import customvalues
from crm.tenancy import TenantModel, TenantQuerySet, scoped

if TYPE_CHECKING:
    from django.db.models import QuerySet


class CustomEntity(models.TextChoices):
    """What has custom fields."""

    LEAD = "lead", "Leads"
    DEAL = "deal", "Deals"
    ORGANIZATION = "organization", "Organizations"


# Those whose forms, pages and API ask for them. An organization has no form yet.
ASKED = (CustomEntity.LEAD, CustomEntity.DEAL)


class CustomKind(models.TextChoices):
    """What the values of a field are."""

    TEXT = customvalues.TEXT, "Text"
    LONG_TEXT = customvalues.LONG_TEXT, "Long text"
    NUMBER = customvalues.NUMBER, "Number"
    DATE = customvalues.DATE, "Date"
    YES_NO = customvalues.YES_NO, "Yes or no"
    CHOICE = customvalues.CHOICE, "One of a list"
    CHOICES = customvalues.CHOICES, "Several of a list"
    URL = customvalues.URL, "Web address"


class CustomField(TenantModel):
    """A field that a company made. Its key and kind never change; a record keeps the values in `custom`, by key."""

    entity = models.CharField(max_length=12, choices=CustomEntity.choices)
    name = models.CharField(max_length=40)
    key = models.CharField(max_length=40, editable=False)
    kind = models.CharField(max_length=10, choices=CustomKind.choices, default=CustomKind.TEXT)
    options = models.JSONField(default=list, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[CustomField]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        constraints = [
            models.UniqueConstraint(fields=("company", "entity", "key"), name="custom_field_key"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def values(self) -> customvalues.Field:
        """The field for the checks of its values."""
        return customvalues.Field(self.key, self.name, self.kind, tuple(self.options))


def custom_fields_of(entity: str) -> tuple[CustomField, ...]:
    """The custom fields of `lead`, `deal` or `organization` in their order, of the company whose scope is open."""
    return tuple(CustomField.objects.filter(entity=entity))


def having_custom(rows: QuerySet[Any], field: CustomField, value: customvalues.Value) -> QuerySet[Any]:
    """Those of `rows` whose field has exactly this value; of several choices, this one among them."""
    wanted = [value] if field.kind == CustomKind.CHOICES and not isinstance(value, list) else value
    if connection.vendor == "postgresql":  # by the GIN index
        return rows.filter(custom__contains={field.key: wanted})
    # Not custom__<key>: a key such as `contains` would be read as a question. SQLite has no containment.
    rows = rows.alias(custom_value=KeyTransform(field.key, "custom"))
    if field.kind == CustomKind.CHOICES:
        words = wanted if isinstance(wanted, list) else []
        return rows.filter(*(Q(custom_value__icontains=json.dumps(word)) for word in words))
    return rows.filter(custom_value=wanted)
