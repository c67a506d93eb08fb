"""Lists that people save under a name."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crm', "0012_search"),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('noun', models.CharField(choices=[('lead', 'Leads'), ('deal', 'Deals')], max_length=4)),
                ('name', models.CharField(max_length=60)),
                ('params', models.CharField(blank=True, help_text="The filters, as in the list's URL.", max_length=2000)),
                ('columns', models.JSONField(blank=True, default=list, help_text='Keys; none for the usual ones.')),
                ('sort', models.CharField(blank=True, max_length=30)),
                ('is_shared', models.BooleanField(default=False)),
                ('is_locked', models.BooleanField(default=False)),
                ('is_pinned', models.BooleanField(default=False)),
                ('is_default', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('company', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.company')),
                ('owner', models.ForeignKey(blank=True, help_text='Nobody where an API key made it; such a view is shared.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-is_pinned', 'name', 'id'),
                'indexes': [models.Index(fields=['company', 'noun'], name='saved_views_of_list')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('company', 'owner', 'noun'), name='one_default_view_each')],
            },
        ),
    ]
