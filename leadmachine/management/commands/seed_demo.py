"""`manage.py seed_demo`: adds sample companies with a past, at any scale."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leadmachine import demo


class Command(BaseCommand):
    """Every run adds companies of its own; `clear_demo` takes all of them out again."""

    help = "Adds sample companies. The figures are totals over all of them."

    def add_arguments(self, parser: CommandParser) -> None:
        usual = demo.Plan()
        for name in ("companies", "leads", "deals", "activities"):
            default = getattr(usual, name)
            parser.add_argument(
                f"--{name}", type=int, default=default, metavar="N", help=f"default {default}"
            )

    def handle(self, *, companies: int, leads: int, deals: int, activities: int, **options: Any) -> None:
        if companies < 1 or min(leads, deals, activities) < 0:
            raise CommandError("Ask for at least one company, and for no negative numbers.")
        if deals and not leads:
            raise CommandError("Deals need leads. Ask for --leads too, or for --deals 0.")
        started = time.monotonic()
        made = demo.seed(demo.Plan(companies, leads, deals, activities))
        took = time.monotonic() - started
        names = ", ".join(company.name for company in made)
        self.stdout.write(f"Added {names}: {leads} leads, {deals} deals in {took:.1f} s.")
        if login := demo.login():
            self.stdout.write(f"Sign in as {login.email} with the password {login.password}")
