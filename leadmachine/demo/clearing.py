"""Takes sample data out again, and nothing else: what people added to a sample company stays, and it with that."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q

from capi import accounting
from capi.models import Attempt, ConversionEvent, Delivery
from crm import audit
from crm.models import Activity, AuditEntry, Company, Deal, Lead, Membership, Organization, Task, User
from crm.models.attachment import folder_of
from crm.tenancy import TenantModel, company_scope, every_company
from leadmachine.demo import cast
from leadmachine.demo.loading import remember_loading
from leadmachine.management.auditing import COMMAND


@dataclass
class Cleared:
    """What was done: names of companies that are gone, and of those that stay with how many records of people's."""

    removed: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)


def clear() -> Cleared:
    """Remove the sample data of every sample company, each in one transaction."""
    cleared = Cleared()
    for company in Company.objects.filter(is_sample=True):
        with transaction.atomic(), company_scope(company):
            added = _added_by_people()
            if added:
                _remove_samples(company)
                audit.record(COMMAND, "sample_data_cleared", company=company)
                cleared.kept[company.name] = added
            else:
                _remove_company(company)
                cleared.removed.append(company.name)
    _remove_colleagues()
    remember_loading()
    return cleared


def _added_by_people() -> int:
    """Leads, deals and organizations in the open scope that are not sample data."""
    return sum(model.objects.filter(is_sample=False).count() for model in (Lead, Deal, Organization))


def _remove_samples(company: Company) -> None:
    """Only the flagged records and what belongs to them. A real deal keeps its history, without the sample lead."""
    leads, deals = Lead.objects.filter(is_sample=True), Deal.objects.filter(is_sample=True)
    about_samples = Q(deal__in=deals) | Q(deal=None, lead__in=leads)
    events = ConversionEvent.objects.filter(about_samples, is_test=False)
    attempts = list(
        Attempt.objects.filter(deliveries__event__in=events).values_list("pk", flat=True).distinct()
    )
    accounting.take_out(company, events.count())
    events.delete()
    Attempt.objects.filter(pk__in=attempts, deliveries=None).delete()
    Activity.objects.filter(about_samples).delete()
    Task.objects.filter(is_sample=True).delete()
    deals.delete()
    leads.delete()
    Organization.objects.filter(is_sample=True, leads=None, deals=None).delete()


def _remove_company(company: Company) -> None:
    """Table by table, without reading the rows: a sample company may have millions. The audit log goes by itself.

    Foreign keys are checked when the transaction ends, so the order does not matter to the database.
    """
    Company.objects.filter(pk=company.pk).update(default_status=None, fallback_owner=None)
    _delete_rows(Delivery.objects.filter(company=company))
    for model in _tenant_models():
        _delete_rows(model._default_manager.filter(company=company))
    _delete_rows(Company.objects.filter(pk=company.pk))
    folder = folder_of(company.pk)
    transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


def _tenant_models() -> Iterator[type[TenantModel]]:
    return (
        model for model in apps.get_models() if issubclass(model, TenantModel) and model is not AuditEntry
    )


def _delete_rows(rows: models.QuerySet[models.Model]) -> None:
    rows._raw_delete(rows.db)  # Django's own, without signals and cascades


def _remove_colleagues() -> None:
    """The invented people, unless somebody made them members of a real company or operators."""
    with every_company():
        still_members = Membership.objects.values("user")
        invented = User.objects.filter(email__in=[colleague.email for colleague in cast.COLLEAGUES])
        invented.filter(is_superuser=False).exclude(pk__in=still_members).delete()
