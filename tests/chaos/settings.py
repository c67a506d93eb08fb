"""The product's settings, and the app that shortens the lease."""

from __future__ import annotations

from leadmachine.settings import *  # noqa: F403
from leadmachine.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.hurry.Hurry"]
