"""Registers the project as an app, for its commands and checks."""

from __future__ import annotations

from django.apps import AppConfig


class LeadMachineConfig(AppConfig):
    """Wiring: management commands and system checks."""

    name = "leadmachine"
    verbose_name = "LeadMachine"

    def ready(self) -> None:
        from leadmachine import checks  # noqa: F401  registers the checks
