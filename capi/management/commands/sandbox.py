"""manage.py sandbox: the LinkedIn sandbox alone, for trying an integration without an ad account."""

import os
import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from capi.sandbox import DEFAULT_PORT, SANDBOX_ACCOUNT, SANDBOX_TOKEN
from capi.sandbox.server import SandboxServer, serve
from capi.sandbox.world import seeded_world


class Command(BaseCommand):
    help = "Run the LinkedIn sandbox alone on 127.0.0.1. It keeps everything in memory."
    # It must start when nothing else would: no checks, no migrations, no database.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}")

    def handle(self, *args: Any, **options: Any) -> None:
        port: int = options["port"]
        # Both, because a program started in the background of a shell ignores SIGINT.
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGINT, _interrupt)
        try:
            serve(port, os.environ.get("SANDBOX_CONTROL_KEY", ""), self._announce)
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used: {error.strerror}. Choose another with --port."
            ) from error
        except KeyboardInterrupt:
            self.stdout.write("Sandbox stopped.")

    def _announce(self, server: SandboxServer) -> None:
        self.stdout.write(_introduction(server.origin))
        self.stdout.flush()


def _introduction(origin: str) -> str:
    rules = "\n".join(
        f"  {rule.id}  {rule.type:<22} {rule.name}{_peculiarity(rule.method, rule.enabled)}"
        for rule in seeded_world().rules_of(SANDBOX_ACCOUNT)
    )
    return (
        f"LINKEDIN_API_URL={origin}/rest\n"
        f"Access token: {SANDBOX_TOKEN}\n"
        f"Ad account {SANDBOX_ACCOUNT}, conversion rules:\n{rules}\n"
        f"Received so far: {origin}/_control/received"
    )


def _peculiarity(method: str, enabled: bool) -> str:
    if not enabled:
        return " (disabled: refused with 400)"
    return "" if method == "CONVERSIONS_API" else " (Insight Tag rule: refused with 400)"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
