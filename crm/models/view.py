"""Saved views: the filters, columns and order of a list, under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from crm.tenancy import TenantModel, TenantQuerySet, scoped
from crm.texts import gettext_lazy

if TYPE_CHECKING:
    from crm.models.person import User


class ViewNoun(models.TextChoices):
    """What a view is a list of."""

    LEAD = "lead", gettext_lazy("Leads")
    DEAL = "deal", gettext_lazy("Deals")


class SavedViewQuerySet(TenantQuerySet["SavedView"]):
    """Views of the company whose scope is open."""

    def seen_by(self, user: User) -> SavedViewQuerySet:
        """One's own, and what others share."""
        return self.filter(Q(owner=user) | Q(is_shared=True))


class SavedView(TenantModel):
    """A list as somebody wants to find it again. Private unless shared; locked, it stays as it is."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Nobody where an API key made it; such a view is shared.",
    )
    noun = models.CharField(max_length=4, choices=ViewNoun.choices)
    name = models.CharField(max_length=60)
    params = models.CharField(max_length=2000, blank=True, help_text="The filters, as in the list's URL.")
    columns = models.JSONField(default=list, blank=True, help_text="Keys; none for the usual ones.")
    sort = models.CharField(max_length=30, blank=True)
    is_shared = models.BooleanField(default=False)
    is_locked = models.BooleanField(default=False)
    is_pinned = models.BooleanField(default=False)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[SavedViewQuerySet] = scoped(SavedViewQuerySet)

    class Meta:
        ordering = ("-is_pinned", "name", "id")
        constraints = [
            models.UniqueConstraint(
                fields=("company", "owner", "noun"),
                condition=Q(is_default=True),
                name="one_default_view_each",
            )
        ]
        indexes = [models.Index(fields=("company", "noun"), name="saved_views_of_list")]

    def __str__(self) -> str:
        return self.name

    @property
    def query(self) -> str:
        """Everything that the list's URL says: filters, columns and sort."""
        pairs = parse_qsl(self.params, keep_blank_values=True)
        pairs += [("col", str(column)) for column in self.columns]
        if self.sort:
            pairs.append(("sort", self.sort))
        return urlencode(pairs)

    @property
    def url(self) -> str:
        """Where the list is seen like that."""
        query = self.query
        return f"{reverse(f'{self.noun}s')}?{query}{'&' if query else ''}saved={self.pk}"
