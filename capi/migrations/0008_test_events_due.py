"""Every claim asks first whether a test event is due; without this it read all that is due to find that none is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("capi", "0007_lead_forms")]

    operations = [
        migrations.AddIndex(
            model_name="conversionevent",
            index=models.Index(
                models.F("company"),
                models.F("lane"),
                models.F("next_attempt_at"),
                models.F("id"),
                condition=models.Q(("is_test", True), ("status", "pending")),
                name="event_test_due",
            ),
        ),
    ]
