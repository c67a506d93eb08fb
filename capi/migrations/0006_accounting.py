"""What was recorded is counted apart from the rows from here on; what is there already is the first count."""

import django.db.models.deletion
import django.utils.timezone
import uuid_utils.compat
from django.db import migrations, models

from capi import counter


# The counter goes up with it: it locks the table, so that nothing is recorded between the two.
FIRST_COUNTS = """
INSERT INTO capi_recorded (id, company_id, count, at)
SELECT {id}, company_id, count(*), {now} FROM capi_conversionevent GROUP BY company_id
"""
DIALECTS = {
    "postgresql": {"id": "gen_random_uuid()", "now": "now()"},
    "sqlite": {"id": "lower(hex(randomblob(16)))", "now": "datetime('now')"},
}


def count(apps, schema_editor):
    counter.raise_counter(schema_editor.connection)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(FIRST_COUNTS.format(**DIALECTS[schema_editor.connection.vendor]))


def uncount(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER IF EXISTS recorded_counts ON capi_conversionevent")
            cursor.execute("DROP FUNCTION IF EXISTS capi_count_recorded()")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS recorded_counts")


class Migration(migrations.Migration):

    dependencies = [
        ('capi', '0005_companies_with_work'),
        ('crm', '0014_imports'),
    ]

    operations = [
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('name', models.CharField(help_text='Of the machine it runs on.', max_length=120, primary_key=True, serialize=False)),
                ('asked_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Recorded',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('count', models.BigIntegerField()),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('company', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.company')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Alarm',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('token', 'Token'), ('permission', 'Permission'), ('rule', 'Rule'), ('version', 'API version'), ('silence', 'Silence'), ('volume', 'Volume'), ('fuse', 'Running out of time'), ('accounts', 'Accounts')], max_length=10)),
                ('key', models.CharField(max_length=120)),
                ('text', models.CharField(max_length=500)),
                ('raised_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ended_at', models.DateTimeField(null=True)),
                ('company', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.company')),
            ],
            options={
                'ordering': ('-raised_at', '-id'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('company', 'key'), name='alarm_open_once')],
            },
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(models.F("company"), models.F("at"), name="attempt_by_time"),
        ),
        migrations.AddIndex(
            model_name="conversionevent",
            index=models.Index(
                models.F("company"),
                condition=models.Q(("unknown_outcomes__gt", 0)),
                name="event_maybe_twice",
            ),
        ),
        migrations.RunPython(count, uncount),
    ]
