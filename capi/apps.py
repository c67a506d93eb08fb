"""Registers the LinkedIn side: it listens to the CRM's facts and adds its panels and routes."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class CapiConfig(AppConfig):
    """Conversions to LinkedIn."""

    name = "capi"
    verbose_name = "LinkedIn conversions"

    def ready(self) -> None:
        from capi import checks, datamap, lead_filter, lead_forms, panels, receivers  # noqa: F401  connect and register
        from crm.panels import api_routes

        api_routes.append(_api_routes)
        pre_migrate.connect(_before_migrations, sender=self)
        post_migrate.connect(_after_migrations, sender=self)


def _before_migrations(using: str, **kwargs: Any) -> None:
    from capi.counter import lower_counter

    lower_counter(connections[using])


def _after_migrations(using: str, **kwargs: Any) -> None:
    """After a flush, too."""
    from capi.counter import raise_counter

    raise_counter(connections[using])


def _api_routes() -> list[Any]:
    # Only the web server needs the REST framework.
    from capi.api import routes

    return routes()
