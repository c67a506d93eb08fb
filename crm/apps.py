"""Registers the CRM, and keeps the walls between companies up whenever tables have changed."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as registry
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class CrmConfig(AppConfig):
    """Leads, deals and the people who work them."""

    name = "crm"
    verbose_name = "CRM"

    def ready(self) -> None:
        from crm import medians, sessions, sign_in_with, sign_ins  # noqa: F401  they listen to sign-ins
        from crm.actions import webhooks  # noqa: F401  it listens to what happens

        sign_ins.listen()
        connection_created.connect(medians.teach_sqlite)
        pre_migrate.connect(_before_migrations, sender=self)
        post_migrate.connect(_after_migrations, sender=self)


def _before_migrations(using: str, **kwargs: Any) -> None:
    from crm.audit_walls import lower_audit_walls
    from crm.walls import lower_walls

    lower_walls(connections[using])
    if connections[using].vendor == "sqlite":
        lower_audit_walls(connections[using])


def _after_migrations(using: str, apps: Any = registry, **kwargs: Any) -> None:
    """After a flush, too, which does not say what models there are."""
    from crm.audit_walls import raise_audit_walls
    from crm.walls import raise_walls

    raise_walls(connections[using], apps)
    raise_audit_walls(connections[using])
