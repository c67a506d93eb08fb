"""Tenancy that fails closed: every row has a company, every query needs a scope, every write is checked.

Reads are guarded by django-scopes: a query on a tenant model outside `company_scope()` raises ScopeError.
Writes are guarded here: a row of another company cannot be saved while a scope is open, and nothing can be
saved without a scope at all.

On PostgreSQL the database holds a wall of its own behind both (crm.sight): what these two open, it shows, and nothing
else. `scopes_disabled()` alone opens nothing there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models
from django_scopes import ScopedManager, get_scope, scope, scopes_disabled
from uuid_utils.compat import uuid7

from crm import sight

if TYPE_CHECKING:
    from crm.models.company import Company

Row = TypeVar("Row", bound="TenantModel")


class WrongTenant(Exception):
    """A row was about to be written outside the scope of its company. Always a bug in the caller."""


@contextmanager
def company_scope(company: Company) -> Iterator[None]:
    """Open the scope of one company; everything read or written inside belongs to it."""
    with scope(company=company), sight.seeing(sight.Sight(company=company.pk)):
        yield


@contextmanager
def every_company() -> Iterator[None]:
    """See the rows of every company: to find out whose something is, and for the operator.

    tests/house/rules.yml names the files that may; each has a reason.
    """
    with scopes_disabled(), sight.seeing(sight.Sight(everything=True)):
        yield


def check_write(company_id: UUID | None) -> None:
    """Raise WrongTenant unless `company_id` is the company whose scope is open (or scopes are disabled)."""
    current = get_scope()
    if not current.get("_enabled", True):
        return
    company = current.get("company")
    if company is None:
        raise WrongTenant("A tenant row was written outside any company's scope.")
    if company.pk != company_id:
        raise WrongTenant("A tenant row was written inside another company's scope.")


class TenantQuerySet(models.QuerySet[Row]):
    """Queryset of a tenant model; bulk inserts pass the same guard as `save`."""

    def bulk_create(self, objs: Iterable[Row], *args: Any, **kwargs: Any) -> list[Row]:
        rows = list(objs)
        for company_id in {row.company_id for row in rows}:
            check_write(company_id)
        return super().bulk_create(rows, *args, **kwargs)


def scoped(queryset: type[models.QuerySet[Any]]) -> Any:
    """The default manager of a tenant model: `queryset`'s methods, refused outside a company's scope."""
    return ScopedManager(_manager_class=models.Manager.from_queryset(queryset), company="company")


class UUIDModel(models.Model):
    """Time-ordered public id (UUIDv7): reveals no counts, and `ORDER BY id` is order of creation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class TenantModel(UUIDModel):
    """A row that belongs to one company."""

    company = models.ForeignKey("crm.Company", on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        check_write(self.company_id)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        check_write(self.company_id)
        return super().delete(*args, **kwargs)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """As Django's, and text must be storable: no NUL, no lone surrogate. Errors name the field."""
        skipped = set(exclude or ())
        errors = {
            field.name: "Remove the characters that cannot be stored (NUL or broken Unicode)."
            for field in self._meta.concrete_fields
            if field.name not in skipped and not _is_storable(getattr(self, field.attname))
        }
        if errors:
            raise ValidationError(errors)
        super().clean_fields(exclude=exclude)


def _is_storable(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if "\x00" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
