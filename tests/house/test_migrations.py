"""Installations follow main: `git pull` and `make run` take a database from any commit that was ever there."""

from __future__ import annotations

import pytest
from django.db.migrations.loader import MigrationLoader

# What a database of 22 November 2026 has applied. Whoever squashes these has to keep them beside, as Django says.
APPLIED = {
    "capi": (
        "0001_initial 0002_delivery_company 0003_delivery_has_company 0004_erasure 0005_companies_with_work"
    ),
    "crm": (
        "0001_initial 0002_audit 0003_invitations 0004_erasures 0005_tasks 0006_merges 0007_bulk_runs "
        "0008_mentions 0009_notifications 0010_automations 0011_custom_fields 0012_search 0013_saved_views "
        "0014_imports"
    ),
}


@pytest.mark.parametrize("app", APPLIED)
def test_what_a_database_has_applied_is_still_there(app: str) -> None:
    there = {name for label, name in MigrationLoader(None).disk_migrations if label == app}
    assert set(APPLIED[app].split()) <= there
