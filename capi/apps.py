"""Registers the LinkedIn side: it listens to the CRM's facts and adds its panels and routes."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class CapiConfig(AppConfig):
    """Conversions to LinkedIn."""

    name = "capi"
    verbose_name = "LinkedIn conversions"

    def ready(self) -> None:
        from capi import checks, datamap, lead_filter, panels, receivers  # noqa: F401  connect and register
        from crm.panels import api_routes

        api_routes.append(_api_routes)


def _api_routes() -> list[Any]:
    # Only the web server needs the REST framework.
    from capi.api import routes

    return routes()
