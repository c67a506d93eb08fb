from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('capi', '0009_event_storage'),
    ]

    operations = [
        migrations.AddField(
            model_name='rule',
            name='backfill_after_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='rule',
            name='backfill_after_id',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='rule',
            name='backfill_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
