"""Filters by the value of a custom field find their rows by an index, on PostgreSQL.

SQLite has no such index; it looks at the rows of the company.
"""

from django.db import migrations

TABLES = ("crm_lead", "crm_deal", "crm_organization")


def add_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"CREATE INDEX {table}_custom ON {table} USING gin (custom jsonb_path_ops)")


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"DROP INDEX IF EXISTS {table}_custom")


class Migration(migrations.Migration):
    replaces = [("crm", "0011_custom_fields")]
    dependencies = [("crm", "0001_initial")]

    operations = [migrations.RunPython(add_indexes, drop_indexes)]
