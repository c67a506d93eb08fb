"""Changes to many records at once, and the recycle bin."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crm', '0006_merges'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkRow',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('outcome', models.CharField(choices=[('waiting', 'Waiting'), ('changed', 'Changed'), ('unchanged', 'Already so'), ('refused', 'Refused')], default='waiting', max_length=9)),
                ('why', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='BulkRun',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('noun', models.CharField(choices=[('lead', 'leads'), ('deal', 'deals')], max_length=4)),
                ('verb', models.CharField(choices=[('assign', 'Assign'), ('status', 'Set the status of'), ('stage', 'Move'), ('tag', 'Tag'), ('untag', 'Take a tag off'), ('archive', 'Archive'), ('restore', 'Restore')], max_length=8)),
                ('target', models.CharField(blank=True, help_text='Key or id of the status, stage or owner; the name of the tag.', max_length=60)),
                ('reason', models.CharField(blank=True, help_text='Why deals were lost.', max_length=300)),
                ('said', models.CharField(help_text='What is done, as a sentence.', max_length=200)),
                ('state', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('stopped', 'Stopped')], default='running', max_length=8)),
                ('total', models.PositiveIntegerField(default=0)),
                ('not_found', models.PositiveIntegerField(default=0, help_text='Rows that were asked for and that this person cannot see.')),
                ('leased_until', models.DateTimeField(blank=True, help_text='Until when a worker has it.', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.AlterField(
            model_name='activity',
            name='kind',
            field=models.CharField(choices=[('note', 'Note'), ('call', 'Call'), ('meeting', 'Meeting'), ('email', 'E-mail'), ('created', 'Created'), ('status', 'Status changed'), ('stage', 'Stage changed'), ('field', 'Field changed'), ('consent', 'Consent changed'), ('archived', 'Archived'), ('task', 'Task'), ('merged', 'Merged'), ('unmerged', 'Merge undone'), ('restored', 'Restored')], max_length=10),
        ),
        migrations.AddIndex(
            model_name='deal',
            index=models.Index(condition=models.Q(('archived_at__isnull', False)), fields=['company', '-archived_at', '-id'], name='deal_by_archiving'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(condition=models.Q(('archived_at__isnull', False)), fields=['company', '-archived_at', '-id'], name='lead_by_archiving'),
        ),
        migrations.AddField(
            model_name='bulkrow',
            name='company',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.company'),
        ),
        migrations.AddField(
            model_name='bulkrow',
            name='deal',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.deal'),
        ),
        migrations.AddField(
            model_name='bulkrow',
            name='lead',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.lead'),
        ),
        migrations.AddField(
            model_name='bulkrun',
            name='company',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='crm.company'),
        ),
        migrations.AddField(
            model_name='bulkrun',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='bulkrow',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='crm.bulkrun'),
        ),
        migrations.AddIndex(
            model_name='bulkrun',
            index=models.Index(fields=['company', 'user', '-id'], name='bulk_runs_of_user'),
        ),
        migrations.AddIndex(
            model_name='bulkrun',
            index=models.Index(condition=models.Q(('state', 'running')), fields=['company'], name='bulk_runs_running'),
        ),
        migrations.AddIndex(
            model_name='bulkrow',
            index=models.Index(fields=['run', 'outcome', 'id'], name='bulk_rows_by_outcome'),
        ),
        migrations.AddConstraint(
            model_name='bulkrow',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('deal', None), ('lead__isnull', False)), models.Q(('deal__isnull', False), ('lead', None)), _connector='OR'), name='bulk_row_has_a_record'),
        ),
    ]
