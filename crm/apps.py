"""Registers the CRM."""

from __future__ import annotations

from django.apps import AppConfig


class CrmConfig(AppConfig):
    """Leads, deals and the people who work them."""

    name = "crm"
    verbose_name = "CRM"
