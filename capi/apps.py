"""Registers the LinkedIn side: it listens to the CRM's facts and adds its panels and routes."""

from __future__ import annotations

from django.apps import AppConfig


class CapiConfig(AppConfig):
    """Conversions to LinkedIn."""

    name = "capi"
    verbose_name = "LinkedIn conversions"

    def ready(self) -> None:
        from capi import checks, receivers  # noqa: F401  connect and register
