"""The project: wiring only, no rules."""

from leadmachine.celery import app as celery_app

__all__ = ["celery_app"]
