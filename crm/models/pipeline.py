"""Pipelines and their stages."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy


class StageKind(models.TextChoices):
    """What entering a stage makes of a deal."""

    OPEN = "open", gettext_lazy("Open")
    WON = "won", gettext_lazy("Won")
    LOST = "lost", gettext_lazy("Lost")


class Pipeline(TenantModel):
    """A road that deals travel. Only pipelines that count as sales report won and lost to LinkedIn."""

    name = models.CharField(max_length=60)
    key = models.SlugField(max_length=60)
    counts_as_sales = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[Pipeline]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        constraints = [models.UniqueConstraint(fields=("company", "key"), name="pipeline_key")]

    def __str__(self) -> str:
        return self.name


class Stage(TenantModel):
    """A step of a pipeline. `key` never changes; the API uses it."""

    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(max_length=60)
    key = models.SlugField(max_length=60)
    kind = models.CharField(max_length=5, choices=StageKind.choices, default=StageKind.OPEN)
    probability = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(100)])
    position = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar[TenantQuerySet[Stage]] = scoped(TenantQuerySet)

    class Meta:
        ordering = ("position", "id")
        constraints = [models.UniqueConstraint(fields=("pipeline", "key"), name="stage_key")]

    def __str__(self) -> str:
        return self.name
