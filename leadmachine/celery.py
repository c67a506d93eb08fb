"""The Celery application: a nudge after each commit, and a sweep by beat for what becomes due by time."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadmachine.settings")

app = Celery("leadmachine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["capi", "crm"])


@setup_logging.connect
def leave_logging_alone(**kwargs: object) -> None:
    """Celery sets up none while somebody listens here: Django's settings decide how a line is written."""


@app.on_after_finalize.connect
def schedule_sweeps(sender: Celery, **kwargs: object) -> None:
    """Beat's only jobs; each may run twice or be missed without harm."""
    from django.conf import settings

    from capi import tasks

    every = settings.DELIVERY_POLL_SECONDS
    sender.add_periodic_task(every, tasks.deliver_due.s(), name="deliver what is due", expires=every)
