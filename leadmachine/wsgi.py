"""The WSGI entry point that gunicorn serves."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadmachine.settings")

application = get_wsgi_application()

# What is loaded by now stays, the views included: a collection that walked through all of it would hold up a request
# for a fifth of a second.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
