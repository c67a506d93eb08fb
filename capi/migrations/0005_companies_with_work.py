"""The one question that spans companies on PostgreSQL, as a function that answers with ids only.

Row-level security would show the worker no row before it knows whose. The function looks at every company's rows for
as long as it runs, and only then; asking it is all that the worker does outside of a company.
"""

from django.db import migrations

MAKE = """
CREATE OR REPLACE FUNCTION leadmachine_companies_with_work(moment timestamptz, version text)
RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $function$
DECLARE
    before text := coalesce(current_setting('leadmachine.every_company', true), '');
BEGIN
    PERFORM set_config('leadmachine.every_company', 'on', true);
    RETURN QUERY
        SELECT event.company_id FROM capi_conversionevent AS event
        WHERE event.status = 'pending' AND event.next_attempt_at <= moment
            AND (event.is_test OR NOT EXISTS (
                SELECT FROM capi_connection AS line
                WHERE line.company_id = event.company_id AND line.waits_until > moment))
        UNION
        SELECT event.company_id FROM capi_conversionevent AS event
        WHERE event.status = 'sending' AND event.lease_until <= moment
        UNION
        SELECT event.company_id FROM capi_conversionevent AS event
        WHERE event.status IN ('pending', 'held') AND event.expires_at <= moment
            AND (event.status = 'held' OR event.is_test OR NOT EXISTS (
                SELECT FROM capi_connection AS line
                WHERE line.company_id = event.company_id AND line.waits_until > moment))
        UNION
        SELECT line.company_id FROM capi_connection AS line WHERE line.probe_at <= moment
        UNION
        SELECT rule.company_id FROM capi_rule AS rule WHERE rule.probe_at <= moment
        UNION
        SELECT event.company_id FROM capi_conversionevent AS event
        WHERE event.status = 'held' AND event.held_by = 'app' AND EXISTS (
            SELECT FROM capi_apphold AS app
            WHERE app.held_reason <> '' AND (app.probe_at <= moment OR app.linkedin_version <> version));
    PERFORM set_config('leadmachine.every_company', before, true);
END
$function$
"""
DROP = "DROP FUNCTION IF EXISTS leadmachine_companies_with_work(timestamptz, text)"
OURS_ALONE = "REVOKE ALL ON FUNCTION leadmachine_companies_with_work(timestamptz, text) FROM PUBLIC"


def make(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        (schema,) = cursor.fetchone()
        cursor.execute(MAKE.format(schema=schema))
        cursor.execute(OURS_ALONE)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("capi", "0004_erasure")]

    operations = [migrations.RunPython(make, drop)]
