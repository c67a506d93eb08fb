"""Writes what the operator does at the command line into the audit logs of the companies it concerns."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from crm import audit
from crm.actor import Actor
from crm.models import Company
from crm.tenancy import company_scope

COMMAND = Actor("shell", label="Command line")


def tell_every_company(action: str, changes: Mapping[str, tuple[object, object]] | None = None) -> None:
    """One line in each company's log, or none in any."""
    with transaction.atomic():
        for company in Company.objects.all():
            with company_scope(company):
                audit.record(COMMAND, action, company=company, changes=changes)
