"""From here on no delivery is without its company. Apart from the filling: PostgreSQL changes no table that is
about to check rows."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("capi", "0002_delivery_company")]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="company",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="crm.company"
            ),
        ),
    ]
