"""Events know that the person they are about was erased."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("capi", "0003_delivery_has_company"),
        ("crm", "0004_erasures"),
    ]

    operations = [
        migrations.AddField(
            model_name="conversionevent",
            name="erasure",
            field=models.ForeignKey(
                db_index=False,
                help_text="The person was erased: never sent again, and without anything that says who it was.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="crm.erasure",
            ),
        ),
        migrations.AddIndex(
            model_name="conversionevent",
            index=models.Index(
                models.F("erasure"), condition=models.Q(("erasure__isnull", False)), name="event_of_erased"
            ),
        ),
    ]
