"""`rotatekeys` is killed ten times in the middle of its work. Every secret can be read at any moment, before and after.

ROTATION_ROWS sets how many there are: 1,000 unless said otherwise, 10,000 for the figures in docs/security/results.md.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from capi.models import Connection
from crm import vault
from leadmachine import env

pytestmark = pytest.mark.chaos

ROWS = int(os.environ.get("ROTATION_ROWS", "1000"))
KILLS = 10
FILL = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.db import transaction
from crm.tenancy import every_company
from crm import vault
from capi.models import Connection
from crm.models import Company
companies = [Company(name=f"Company {n}") for n in range(int(sys.argv[1]))]
with every_company(), transaction.atomic():
    Company.objects.bulk_create(companies, batch_size=500)
    Connection.objects.bulk_create(
        [Connection(company=each, token_sealed=vault.encrypt(f"token-{each.pk}", each.pk, Connection.TOKEN_FIELD))
         for each in companies],
        batch_size=500,
    )
"""


class Rows:
    """The installation's database, looked at from outside while the command works on it."""

    def __init__(self, folder: Path) -> None:
        self._file = f"file:{folder / 'leadmachine.sqlite3'}?mode=ro"

    def stored(self) -> Iterator[tuple[UUID, str]]:
        """Company and stored secret of each row."""
        connection = sqlite3.connect(self._file, uri=True)
        try:
            for company, sealed in connection.execute("SELECT company_id, token_sealed FROM capi_connection"):
                yield UUID(company), sealed
        finally:
            connection.close()

    def under(self, key: str) -> int:
        """How many are under the key of that name."""
        return sum(vault.key_id(sealed) == key for _, sealed in self.stored())

    def unreadable(self) -> int:
        """How many do not open, or open to what was not put in."""
        return sum(not _opens(company, sealed) for company, sealed in self.stored())


def _opens(company: UUID, sealed: str) -> bool:
    try:
        return vault.decrypt(sealed, company, Connection.TOKEN_FIELD) == f"token-{company}"
    except vault.VaultError:
        return False


def _environment(folder: Path, *keys: str) -> dict[str, str]:
    foreign = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    own = {"DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "leadmachine.settings"}
    return {**kept, **own, "FIELD_KEYS": ",".join(keys)}


def _rotate(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "rotatekeys"],
        cwd=env.REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ten_kills_lose_no_secret_and_the_old_key_can_go(tmp_path: Path, settings: Settings) -> None:
    old, new = (f"{name}:{env.new_field_key().partition(':')[2]}" for name in ("old", "new"))
    subprocess.run(
        [sys.executable, "-c", FILL, str(ROWS)],
        cwd=env.REPOSITORY,
        env=_environment(tmp_path, old),
        check=True,
        capture_output=True,
    )
    rows = Rows(tmp_path)
    settings.FIELD_KEYS = [old]
    assert (rows.under("old"), rows.unreadable()) == (ROWS, 0)

    settings.FIELD_KEYS = [new, old]
    renewed, progress = 0, []
    for kill in range(1, KILLS + 1):
        running = _rotate(_environment(tmp_path, new, old))
        # Soon, for it goes on while its rows are counted, and all kills must find some left.
        while rows.under("new") < renewed + ROWS // (5 * KILLS):
            assert running.poll() is None, f"It ended before kill {kill}: {running.communicate()}"
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        running.communicate()
        renewed = rows.under("new")
        progress.append(renewed)
        assert renewed < ROWS, "It was not killed in the middle."
        assert rows.unreadable() == 0

    last = _rotate(_environment(tmp_path, new, old))
    said, complaint = last.communicate(timeout=300)
    assert last.returncode == 0, complaint
    assert said.startswith(f"{ROWS - renewed} secrets were re-encrypted, {renewed} were under the first key")
    settings.FIELD_KEYS = [new]
    assert (rows.under("new"), rows.unreadable()) == (ROWS, 0)
    print(f"{ROWS} secrets, killed after {progress}; 0 unreadable, none under the old key.")
