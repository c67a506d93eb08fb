"""An erased person is in no file of the installation, and a restored backup does not bring them back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leadmachine.test_backup import Manage, _installation, _ok, _sqlite, postgres_path

pytestmark = pytest.mark.own_installation

CANARY = "Quetzalcanary"

_ADD = f"""
from crm.actions import leads, timeline
from crm.actor import SYSTEM
from crm.models import Company
from crm.tenancy import company_scope
company = Company.objects.get(name="Mine")
with company_scope(company):
    lead = leads.create_lead(company, {{
        "first_name": "Zoe", "last_name": "{CANARY}", "email": "{CANARY}@customer.test", "title": "{CANARY}",
    }}, SYSTEM)
    for line in range(30):
        timeline.add_note(lead, "{CANARY} " * 500, SYSTEM)
    leads.create_lead(company, {{"last_name": "Other", "email": "other@customer.test"}}, SYSTEM)
"""
_ERASE = """
from crm.actions import erase
from crm.actor import SYSTEM
from crm.models import Company, Lead
from crm.tenancy import company_scope
with company_scope(Company.objects.get(name="Mine")):
    print(erase.erase_lead(Lead.objects.get(title__startswith="Q"), SYSTEM).pk)
"""
_SHOW = """
import json
from crm.tenancy import every_company
from crm.models import Erasure, Lead, Tombstone
with every_company():
    print(json.dumps({
        "leads": list(Lead.objects.values_list("last_name", flat=True)),
        "erasures": [erasure.state for erasure in Erasure.objects.all()],
        "tombstones": Tombstone.objects.count(),
    }))
"""


def _shell(manage: Manage, code: str) -> str:
    return _ok(manage("shell", "--no-imports", "-v0", "-c", code))


def _found(folder: Path, needle: str) -> list[str]:
    """The files in which a string is found, in any case and in any of the ways that text is kept."""
    forms = [needle.encode(), needle.lower().encode(), needle.encode("utf-16-le")]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.fixture
def erased(tmp_path: Path) -> tuple[Manage, Path]:
    """An installation with a backup of the time before somebody was erased."""
    manage = _sqlite(tmp_path / "first")
    _ok(manage("migrate", "-v0"))
    _ok(manage("createcompany", "Mine", "--email", "a@mine.test", "--password", "a-long-enough-password"))
    _shell(manage, _ADD)
    backup = tmp_path / "backup.tar.gz"
    _ok(manage("backup", str(backup)))
    assert _found(tmp_path / "first", CANARY)
    _shell(manage, _ERASE)
    return manage, backup


def test_nothing_is_left_in_any_file(erased: tuple[Manage, Path], tmp_path: Path) -> None:
    manage, _ = erased
    assert _found(tmp_path / "first", CANARY) == []
    shown = json.loads(_shell(manage, _SHOW))
    assert shown == {"leads": ["Other"], "erasures": ["completed"], "tombstones": 1}


def test_restoring_erases_again(erased: tuple[Manage, Path], tmp_path: Path) -> None:
    manage, backup = erased
    said = _ok(manage("restore", str(backup), "--force"))
    assert "1 people were erased again" in said
    assert json.loads(_shell(manage, _SHOW))["leads"] == ["Other"]
    assert json.loads(_shell(manage, _SHOW))["tombstones"] == 1
    assert _found(tmp_path / "first", CANARY) == []


def test_a_new_machine_is_told_where_the_list_is(erased: tuple[Manage, Path], tmp_path: Path) -> None:
    _, backup = erased
    second = _sqlite(tmp_path / "second")
    done = second("restore", str(backup))
    assert done.returncode == 0
    assert "There is no list of erasures" in done.stderr
    assert CANARY in json.loads(_shell(second, _SHOW))["leads"]
    said = _ok(second("erase_again", str(tmp_path / "first" / "erasures")))
    assert "1 erasures are known; 1 people were erased again" in said
    assert json.loads(_shell(second, _SHOW))["leads"] == ["Other"]
    kept = (tmp_path / "second" / "erasures").read_text()
    assert kept == (tmp_path / "first" / "erasures").read_text()
    assert "0 people were erased again" in _ok(second("erase_again"))
    assert (tmp_path / "second" / "erasures").read_text() == kept


def test_a_list_can_be_named_at_once_and_is_read_before_anything_happens(
    erased: tuple[Manage, Path], tmp_path: Path
) -> None:
    _, backup = erased
    second = _sqlite(tmp_path / "second")
    (tmp_path / "broken").write_text("no list\n")
    for wrong in ("broken", "missing"):
        done = second("restore", str(backup), "--erasures", str(tmp_path / wrong))
        assert done.returncode == 1
        assert "cannot be read as a list of erasures" in done.stderr
    assert not (tmp_path / "second" / "db.sqlite3").exists()
    _ok(second("restore", str(backup), "--erasures", str(tmp_path / "first" / "erasures")))
    assert json.loads(_shell(second, _SHOW))["leads"] == ["Other"]


def test_a_backup_holds_neither_the_list_nor_its_key(erased: tuple[Manage, Path], tmp_path: Path) -> None:
    import tarfile

    manage, _ = erased
    file = tmp_path / "later.tar.gz"
    _ok(manage("backup", str(file)))
    key = (tmp_path / "first" / "erasure_key").read_text().strip().encode()
    with tarfile.open(file) as archive:
        assert "erasures" not in archive.getnames()
        parts = [archive.extractfile(name) for name in archive.getnames()]
        assert not any(key in part.read() for part in parts if part)


@pytest.mark.postgresql
def test_postgresql_is_restored_and_erased_again(server: Callable[[str], str], tmp_path: Path) -> None:
    path = postgres_path()
    first = _installation(tmp_path / "first", server("erasures_first"))
    _ok(first("migrate", "-v0"))
    _ok(first("createcompany", "Mine", "--email", "a@mine.test", "--password", "a-long-enough-password"))
    _shell(first, _ADD)
    backup = tmp_path / "backup.tar.gz"
    _ok(first("backup", str(backup), PATH=path))
    _shell(first, _ERASE)
    assert json.loads(_shell(first, _SHOW)) == {
        "leads": ["Other"],
        "erasures": ["completed"],
        "tombstones": 1,
    }
    said = _ok(first("restore", str(backup), "--force", PATH=path))
    assert "1 people were erased again" in said
    assert json.loads(_shell(first, _SHOW))["leads"] == ["Other"]
    assert json.loads(_shell(first, _SHOW))["tombstones"] == 1
    second = _installation(tmp_path / "second", server("erasures_second"))
    done = second("restore", str(backup), PATH=path)
    assert "There is no list of erasures" in done.stderr
    assert CANARY in json.loads(_shell(second, _SHOW))["leads"]
    _ok(second("erase_again", str(tmp_path / "first" / "erasures")))
    assert json.loads(_shell(second, _SHOW))["leads"] == ["Other"]
