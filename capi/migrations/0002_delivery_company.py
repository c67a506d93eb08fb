"""Each delivery says whose it is, so that the database can hold it, its event and its attempt together."""

import django.db.models.deletion
from django.db import migrations, models

# Every delivery has an event, and that has a company.
FILL = (
    "UPDATE capi_delivery SET company_id = "
    "(SELECT company_id FROM capi_conversionevent WHERE capi_conversionevent.id = capi_delivery.event_id)"
)


class Migration(migrations.Migration):
    dependencies = [("capi", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="company",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="crm.company",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
