"""Removes what a company has kept long enough. Doing it twice, or only counting, changes nothing more."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, signals
from crm.actions import attachments, capture, erase, imports, merge, webhooks
from crm.actor import SYSTEM, Actor
from crm.models import Company, IdempotencyRecord, Lead, Merge, Retention
from crm.tenancy import company_scope

ANSWERS_KEPT_FOR = timedelta(hours=24)
SHORTEST_CONVERSION_DAYS = 90
LONGEST_DAYS = 3650
_LEADS_AT_ONCE = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outlived:
    """How much is, or was, past its time."""

    leads: int = 0
    conversions: int = 0
    answers: int = 0
    merges: int = 0
    files: int = 0
    submissions: int = 0

    def __add__(self, other: Outlived) -> Outlived:
        return Outlived(
            self.leads + other.leads,
            self.conversions + other.conversions,
            self.answers + other.answers,
            self.merges + other.merges,
            self.files + other.files,
            self.submissions + other.submissions,
        )

    @property
    def is_something(self) -> bool:
        return bool(
            self.leads or self.conversions or self.answers or self.merges or self.files or self.submissions
        )


def retention_of(company: Company) -> Retention:
    """The company's choice, or the defaults, unsaved."""
    return Retention.objects.first() or Retention(company=company)


@transaction.atomic
def update_retention(
    company: Company, *, archived_lead_days: int | None, conversion_days: int, actor: Actor
) -> Retention:
    """Change how long is kept. Raises ValidationError per field."""
    errors = {}
    if archived_lead_days is not None and not 1 <= archived_lead_days <= LONGEST_DAYS:
        errors["archived_lead_days"] = _("Enter 1 to {longest_days} days, or nothing to keep them.").format(
            longest_days=LONGEST_DAYS
        )
    if not SHORTEST_CONVERSION_DAYS <= conversion_days <= LONGEST_DAYS:
        errors["conversion_days"] = _(
            "Enter {shortest_conversion_days} to {longest_days} days: LinkedIn takes events for 90 days."
        ).format(shortest_conversion_days=SHORTEST_CONVERSION_DAYS, longest_days=LONGEST_DAYS)
    if errors:
        raise ValidationError(errors)
    before = retention_of(company)
    after, _is_new = Retention.objects.update_or_create(
        company=company,
        defaults={"archived_lead_days": archived_lead_days, "conversion_days": conversion_days},
    )
    changes: dict[str, tuple[object, object]] = {
        field: (getattr(before, field), getattr(after, field))
        for field in ("archived_lead_days", "conversion_days")
    }
    audit.record(actor, "retention_changed", company=company, changes=changes)
    return after


def apply_retention(company: Company, *, dry_run: bool = False, now: datetime | None = None) -> Outlived:
    """Remove, or only count, what is past its time in one company. `now` is for tests and rehearsals."""
    now = now or timezone.now()
    with company_scope(company):
        if not dry_run:
            webhooks.forget_old(now)
        rules = retention_of(company)
        found = Outlived(
            _leads(rules, now, dry_run=dry_run),
            _conversions(company, now - timedelta(days=rules.conversion_days), dry_run=dry_run),
            _answers(now, dry_run=dry_run),
            _merges(company, now, dry_run=dry_run),
            imports.forget_files(company, now, dry_run=dry_run)
            + attachments.sweep(company, now, dry_run=dry_run),
            capture.forget_old(now, dry_run=dry_run),
        )
        if found.is_something and not dry_run:
            changes: dict[str, tuple[object, object]] = {
                "leads": (0, found.leads),
                "conversions": (0, found.conversions),
                "answers": (0, found.answers),
                "merges": (0, found.merges),
                "files": (0, found.files),
                "submissions": (0, found.submissions),
            }
            with transaction.atomic():
                audit.record(SYSTEM, "retention_run", company=company, changes=changes)
    return found


def apply_everywhere(*, dry_run: bool = False) -> Outlived:
    """Every company, one after the other; what fails in one of them is logged, and the others have their turn."""
    found = Outlived()
    for company in Company.objects.all():
        try:
            found += apply_retention(company, dry_run=dry_run)
        except DatabaseError:
            logger.exception("What company %s has kept long enough could not be removed.", company.pk)
    return found


def _leads(rules: Retention, now: datetime, *, dry_run: bool) -> int:
    """Archived leads are erased, as if they had asked for it; each in a transaction of its own."""
    if rules.archived_lead_days is None:
        return 0
    # What a merge has put aside is not a person that was let go: they live on in the survivor.
    past = Lead.objects.filter(
        archived_at__lte=now - timedelta(days=rules.archived_lead_days), merged_into=None
    )
    if dry_run:
        return past.count()
    count = 0
    while chosen := list(past.order_by("archived_at")[:_LEADS_AT_ONCE]):
        for lead in chosen:
            erase.erase_lead(lead, SYSTEM)
        count += len(chosen)
    return count


def _conversions(company: Company, before: datetime, *, dry_run: bool) -> int:
    answers = signals.conversions_outlived.send(
        sender=Company, company=company, before=before, dry_run=dry_run
    )
    return sum(cast("int", count) for _, count in answers)


def _answers(now: datetime, *, dry_run: bool) -> int:
    past = IdempotencyRecord.objects.filter(created_at__lte=now - ANSWERS_KEPT_FOR)
    return past.count() if dry_run else past.delete()[0]


def _merges(company: Company, now: datetime, *, dry_run: bool) -> int:
    """What was kept so that a merge could be undone."""
    return Merge.objects.outlived(now).count() if dry_run else merge.finish_merges(company, now)
