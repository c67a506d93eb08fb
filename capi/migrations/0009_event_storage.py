"""Events change a few times and then never again: PostgreSQL tidies up after them earlier than it would by itself."""

from django.db import migrations

KEEP_TIDY = """
ALTER TABLE capi_conversionevent SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, fillfactor = 85
)
"""
AS_USUAL = """
ALTER TABLE capi_conversionevent RESET (
    autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor, fillfactor
)
"""


def keep_tidy(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(KEEP_TIDY)


def as_usual(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(AS_USUAL)


class Migration(migrations.Migration):
    dependencies = [("capi", "0008_test_events_due")]

    operations = [migrations.RunPython(keep_tidy, as_usual)]
