"""Custom fields: what a company wants to know of its leads, deals and organizations beside what everybody does."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from crm import customvalues
from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy


class CustomEntity(models.TextChoices):
    """What has custom fields."""

    LEAD = "lead", gettext_lazy("Leads")
    DEAL = "deal", gettext_lazy("Deals")
    ORGANIZATION = "organization", gettext_lazy("Organizations")


class CustomKind(models.TextChoices):
    """What the values of a field are."""

    TEXT = customvalues.TEXT, gettext_lazy("Text")
    LONG_TEXT = customvalues.LONG_TEXT, gettext_lazy("Long text")
    NUMBER = customvalues.NUMBER, gettext_lazy("Number")
    DATE = customvalues.DATE, gettext_lazy("Date")
    YES_NO = customvalues.YES_NO, gettext_lazy("Yes or no")
    CHOICE = customvalues.CHOICE, gettext_lazy("One of a list")
    CHOICES = customvalues.CHOICES, gettext_lazy("Several of a list")
    URL = customvalues.URL, gettext_lazy("Web address")


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
