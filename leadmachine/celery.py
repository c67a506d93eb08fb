"""The Celery application: a nudge after each commit, and a sweep by beat for what becomes due by time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from billiard.process import current_process
from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, task_postrun, task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadmachine.settings")

app = Celery("leadmachine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["capi", "crm"])


@setup_logging.connect
def leave_logging_alone(**kwargs: object) -> None:
    """Celery sets up none while somebody listens here: Django's settings decide how a line is written."""


@task_prerun.connect
def say_busy(task: Any = None, **kwargs: object) -> None:
    """`up` restarts a worker that is not heard of. A long task is: it says until when it may go on."""
    limit = getattr(task, "time_limit", None) or app.conf.task_time_limit or 0
    _be_heard(time.time() + limit)


@task_postrun.connect
def say_done(**kwargs: object) -> None:
    """Heard of until now, and no longer than that."""
    _be_heard(time.time())


def _be_heard(until: float) -> None:
    """A file for each process of the worker; `up` names the folder, elsewhere there is none."""
    folder = os.environ.get("HEARTBEATS")
    if not folder:
        return
    file = Path(folder) / str(getattr(current_process(), "index", 0))
    file.touch()
    os.utime(file, (until, until))


@app.on_after_finalize.connect
def schedule_sweeps(sender: Celery, **kwargs: object) -> None:
    """Beat's only jobs; each may run twice or be missed without harm."""
    from django.conf import settings

    from capi import tasks
    from crm import tasks as crm_tasks

    every = settings.DELIVERY_POLL_SECONDS
    sender.add_periodic_task(every, tasks.deliver_due.s(), name="deliver what is due", expires=every)
    sender.add_periodic_task(60, tasks.watch.s(), name="watch delivery", expires=60)
    sender.add_periodic_task(crontab(hour=3, minute=40), tasks.look_back.s(), name="add up accounts")
    sender.add_periodic_task(every, crm_tasks.work_bulk_runs.s(), name="work bulk runs", expires=every)
    sender.add_periodic_task(every, crm_tasks.deliver_due_webhooks.s(), name="webhooks", expires=every)
    sender.add_periodic_task(every, tasks.fetch_due_forms.s(), name="fetch lead forms", expires=every)
    sender.add_periodic_task(10, tasks.go_on_with_backfills.s(), name="go on with backfills", expires=10)
    sender.add_periodic_task(10, crm_tasks.work_on_imports.s(), name="take up imports", expires=10)
    sender.add_periodic_task(60, crm_tasks.finish_erasures.s(), name="finish erasures", expires=60)
    sender.add_periodic_task(crontab(hour=3, minute=10), crm_tasks.apply_retention.s(), name="retention")
    sender.add_periodic_task(300, crm_tasks.remind.s(), name="remind of tasks", expires=300)
    sender.add_periodic_task(600, crm_tasks.mail_digests.s(), name="mail digests", expires=600)
    sender.add_periodic_task(
        crontab(minute=20), crm_tasks.run_automations.s(), name="automations", expires=3000
    )
