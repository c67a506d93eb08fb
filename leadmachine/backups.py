"""A backup is one file with everything but the keys: database, uploads, and a page about them.

    manifest.json   when, from which kind of database, and which keys its secrets need
    database        SQLite: a consistent copy of the file; PostgreSQL: a dump in pg_dump's custom format
    uploads/…       the files people uploaded

The keys stay out, so that whoever finds the file cannot read the LinkedIn tokens in it; keep them elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from capi import rotation
from crm import vault
from crm.models import Company, User
from crm.tenancy import every_company

FORMAT = 1
_MANIFEST, _DATABASE, _UPLOADS = "manifest.json", "database", "uploads"
# What the probe is bound to; no company has this id.
_NOBODY, _PROBE_FIELD, _PROBE = UUID(int=0), "backup.probe", "LeadMachine"


class BackupError(Exception):
    """A backup or restore cannot be done. The message says why and what to do; nothing was changed."""


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `probe` is sealed under the newest key, `key_ids` are all that are needed."""

    format: int
    created_at: str
    vendor: str
    key_ids: list[str]
    probe: str

    @classmethod
    def read(cls, archive: tarfile.TarFile) -> Manifest:
        try:
            file = archive.extractfile(_MANIFEST)
            found: dict[str, Any] = json.loads(file.read()) if file else {}
            manifest = cls(**found)
        except (KeyError, TypeError, ValueError) as error:
            raise BackupError("This file is not a backup of LeadMachine.") from error
        if manifest.format != FORMAT:
            raise BackupError(
                "This backup was made by another version of LeadMachine. Restore it with that one."
            )
        return manifest


def backup(target: Path) -> Manifest:
    """Write everything but the keys to `target`, which appears complete or not at all, readable by us alone."""
    if target.exists():
        raise BackupError(f"{target} is there already. Choose another name.")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=_folder_of(target)) as scratch:
        dump = Path(scratch) / _DATABASE
        _dump_database(dump)
        manifest = Manifest(
            FORMAT, timezone.now().isoformat(), connection.vendor, _key_ids(), _sealed_probe()
        )
        unfinished = Path(scratch) / "backup.tar.gz"
        _pack(unfinished, dump, manifest)
        unfinished.chmod(0o600)
        unfinished.replace(target)
    return manifest


def restore(source: Path, *, force: bool = False, without_secrets: bool = False) -> Manifest:
    """Put a backup in the place of the database and uploads that are there.

    Refuses a database with companies or users unless `force`, and keys that cannot read the backup's secrets
    unless `without_secrets`: the tokens must then be entered anew.
    """
    try:
        archive = tarfile.open(source)  # noqa: SIM115  closed below
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{source} cannot be read as a backup: {error}.") from error
    with archive:
        manifest = Manifest.read(archive)
        _check_fit(manifest, without_secrets)
        if not force and not _is_empty():
            raise BackupError("The database is not empty. Restore with --force to replace everything in it.")
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.DATA_DIR) as scratch:
            archive.extractall(scratch, filter="data")
            _load_database(Path(scratch) / _DATABASE)
            _replace_uploads(Path(scratch) / _UPLOADS)
    return manifest


def _folder_of(target: Path) -> Path:
    folder = target.absolute().parent
    if not folder.is_dir():
        raise BackupError(f"The folder {folder} does not exist. Make it first.")
    return folder


def _pack(unfinished: Path, dump: Path, manifest: Manifest) -> None:
    page = dump.with_name(_MANIFEST)
    page.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    with tarfile.open(unfinished, "w:gz") as archive:
        archive.add(page, _MANIFEST)
        archive.add(dump, _DATABASE)
        _pack_uploads(archive)


def _pack_uploads(archive: tarfile.TarFile) -> None:
    """After the dump, so that no row of it lacks its file unless somebody has deleted both since."""
    for path in sorted(settings.MEDIA_ROOT.rglob("*")):
        with suppress(FileNotFoundError):  # deleted meanwhile
            archive.add(path, f"{_UPLOADS}/{path.relative_to(settings.MEDIA_ROOT)}", recursive=False)


def _check_fit(manifest: Manifest, without_secrets: bool) -> None:
    if manifest.vendor != connection.vendor:
        raise BackupError(
            f"This backup is of a {manifest.vendor} database, and DATABASE_URL names a {connection.vendor} one. "
            "Restore it into a database of the same kind."
        )
    if without_secrets:
        return
    present = {entry.partition(":")[0].strip() for entry in settings.FIELD_KEYS}
    if missing := [key_id for key_id in manifest.key_ids if key_id not in present]:
        raise BackupError(
            f"FIELD_KEYS lacks {', '.join(missing)}, which encrypted secrets in this backup. Put back the keys of "
            "that time, or restore with --without-secrets and enter the LinkedIn tokens anew."
        )
    try:
        vault.decrypt(manifest.probe, _NOBODY, _PROBE_FIELD)
    except vault.VaultError as error:
        raise BackupError(
            f"FIELD_KEYS cannot read this backup's secrets: {error} Put back the keys of that time, or restore "
            "with --without-secrets."
        ) from error


def _is_empty() -> bool:
    """Whether nothing would be lost; a database without tables is empty too."""
    tables = connection.introspection.table_names()
    if Company._meta.db_table not in tables:
        return True
    return not Company.objects.exists() and not User.objects.exists()


def _key_ids() -> list[str]:
    """The keys that the stored secrets and the probe are under."""
    ids = {vault.key_id(_sealed_probe())}
    with every_company():
        for sealed in rotation.SEALED:
            ids |= {vault.key_id(stored) for stored in sealed.rows().values_list(sealed.column, flat=True)}
    return sorted(ids)


def _sealed_probe() -> str:
    return vault.encrypt(_PROBE, _NOBODY, _PROBE_FIELD)


# --- databases


def _dump_database(dump: Path) -> None:
    if connection.vendor == "sqlite":
        _copy_sqlite(_sqlite_file(), dump)
    else:
        _run_postgres(
            "pg_dump",
            *("--format=custom", "--no-owner", "--no-privileges", "--enable-row-security"),
            *("--file", str(dump)),
        )


def _load_database(dump: Path) -> None:
    connections.close_all()
    if connection.vendor == "sqlite":
        _copy_sqlite(dump, _sqlite_file())
    else:
        _run_postgres(
            "pg_restore",
            *("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction"),
            *("--dbname", _postgres_name(), str(dump)),
        )


def _sqlite_file() -> Path:
    return Path(connection.settings_dict["NAME"])


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own online copy: consistent while others read and write, and all or nothing at the target."""
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target, timeout=30)) as copy:
        original.backup(copy)
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupError(f"SQLite finds {target} damaged after the copy. Check the disk.")


def _postgres_name() -> str:
    return str(connection.settings_dict["NAME"])


def _run_postgres(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise BackupError(
            f"{program} is not on the PATH. Install PostgreSQL's client programs, of the server's version or newer."
        )
    done = subprocess.run(  # noqa: S603  a program of our own choosing, without a shell
        [found, *arguments], env=_postgres_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")


def _postgres_environment() -> dict[str, str]:
    """How libpq reaches the database: by environment, so that the password is in no process list."""
    where = connection.settings_dict
    names = {
        "PGHOST": "HOST",
        "PGPORT": "PORT",
        "PGUSER": "USER",
        "PGPASSWORD": "PASSWORD",
        "PGDATABASE": "NAME",
    }
    given = {variable: str(where[key]) for variable, key in names.items() if where.get(key)}
    # Row-level security binds pg_dump, too, and without this it would find no rows.
    return {**os.environ, "PGOPTIONS": "-c leadmachine.every_company=on", **given}


def _replace_uploads(restored: Path) -> None:
    """Put the restored files in place; those that were there are kept beside, named by the time."""
    if settings.MEDIA_ROOT.is_dir() and any(settings.MEDIA_ROOT.iterdir()):
        aside = f"{settings.MEDIA_ROOT.name}-before-restore-{timezone.now():%Y%m%d%H%M%S}"
        settings.MEDIA_ROOT.rename(settings.MEDIA_ROOT.with_name(aside))
    if restored.is_dir():
        shutil.copytree(restored, settings.MEDIA_ROOT, dirs_exist_ok=True)
