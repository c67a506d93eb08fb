"""The product with a shorter lease, for storms that must be over in a minute; see `tests.chaos.settings`."""

from __future__ import annotations

import os

from django.apps import AppConfig


class Hurry(AppConfig):
    """Takes CHAOS_LEASE seconds for the lease of an event. The long form leaves it at 90."""

    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        from capi import claiming

        claiming.LEASE_SECONDS = int(os.environ.get("CHAOS_LEASE", "90"))
