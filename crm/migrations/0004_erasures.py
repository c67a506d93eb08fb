"""What is kept of an erased person, and how long a company keeps the rest."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0003_invitations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("lead_id", models.UUIDField(help_text="The id their record had.")),
                (
                    "actor_label",
                    models.CharField(blank=True, help_text="Who, where no user did it.", max_length=80),
                ),
                ("requested_at", models.DateTimeField()),
                ("completed_at", models.DateTimeField(null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="crm.company"
                    ),
                ),
            ],
            options={
                "ordering": ("-requested_at", "-id"),
            },
        ),
        migrations.CreateModel(
            name="Retention",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "archived_lead_days",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Archived leads are erased after so many days; empty keeps them.",
                        null=True,
                    ),
                ),
                (
                    "conversion_days",
                    models.PositiveIntegerField(
                        default=180,
                        help_text="After so many days, what was sent to LinkedIn about a person is removed from the log.",
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="crm.company"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "retention",
            },
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="crm.company"
                    ),
                ),
                (
                    "erasure",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tombstones",
                        to="crm.erasure",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="erasure",
            constraint=models.UniqueConstraint(fields=("company", "lead_id"), name="erased_once"),
        ),
        migrations.AddConstraint(
            model_name="retention",
            constraint=models.UniqueConstraint(fields=("company",), name="one_retention_per_company"),
        ),
        migrations.AddConstraint(
            model_name="retention",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("archived_lead_days", None), ("archived_lead_days__gte", 1), _connector="OR"
                ),
                name="archived_leads_are_kept_a_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="retention",
            constraint=models.CheckConstraint(
                condition=models.Q(("conversion_days__gte", 90)), name="conversions_are_kept_90_days"
            ),
        ),
        migrations.AddIndex(
            model_name="tombstone",
            index=models.Index(fields=["company", "digest"], name="tombstone_lookup"),
        ),
        migrations.AddConstraint(
            model_name="tombstone",
            constraint=models.UniqueConstraint(fields=("erasure", "digest"), name="tombstone_once"),
        ),
    ]
