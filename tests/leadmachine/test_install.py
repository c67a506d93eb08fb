"""The environment's maker, and the lock files it reads."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadmachine.env import REPOSITORY

INSTALL = REPOSITORY / "requirements" / "install.py"
LOCKS = ["runtime", "dev"]


def lock(name: str) -> str:
    return (REPOSITORY / "requirements" / f"{name}.lock").read_text()


def pinned(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==(\S+)", lock(name), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host(name: str) -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host| @ ", lock(name))


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash(name: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock(name).strip())
    assert len(entries) == len(pinned(name))
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_wish_is_in_its_lock(name: str) -> None:
    lines = (REPOSITORY / "requirements" / f"{name}.in").read_text().splitlines()
    wishes = {re.split(r"[\[<>=~!; ]", line)[0] for line in lines if line and not line.startswith(("-", "#"))}
    assert wishes - set(pinned(name)) == set()


def test_the_program_runs_on_the_versions_that_were_tested() -> None:
    assert pinned("runtime").items() <= pinned("dev").items()


def test_a_warm_run_is_over_at_once_and_asks_nobody(tmp_path: Path) -> None:
    environment = made(tmp_path, "runtime")
    began = time.monotonic()
    done = run("runtime", "--into", str(environment), PIP_INDEX_URL="http://127.0.0.1:9/", PIP_NO_INDEX="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert time.monotonic() - began < 1


def test_an_environment_for_development_also_runs_the_program(tmp_path: Path) -> None:
    assert run("runtime", "--into", str(made(tmp_path, "dev"))).stdout == ""


def test_an_environment_without_the_tools_is_not_one_for_development(tmp_path: Path) -> None:
    done = run(
        "dev", "--into", str(made(tmp_path, "runtime")), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)
    )
    assert done.returncode != 0
    assert "The environment could not be made" in done.stderr


def test_a_moved_environment_is_made_again(tmp_path: Path) -> None:
    elsewhere = made(tmp_path, "runtime").rename(tmp_path / "elsewhere")
    done = run("runtime", "--into", str(elsewhere), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert "Making the Python environment" in done.stdout


def test_an_old_python_is_told_what_is_needed() -> None:
    pretend = (
        "import runpy, sys, shutil; sys.version_info = (3, 9, 2); shutil.which = lambda name: None;"
        f"sys.argv = ['install.py', 'runtime']; runpy.run_path({str(INSTALL)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True)
    assert done.returncode == 1
    assert "LeadMachine needs Python 3.11 or newer" in done.stderr


def test_the_maker_can_be_read_by_old_pythons() -> None:
    import ast

    ast.parse(INSTALL.read_text(), feature_version=(3, 6))


def made(folder: Path, name: str) -> Path:
    """An environment that looks as if `name` had been installed there, without the packages."""
    environment = folder / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    code = (
        f"import sys; sys.path.insert(0, {str(INSTALL.parent)!r}); import install, json;"
        f"print(json.dumps([install.STAMP, install.stamp({str(environment)!r}, {name!r})]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    file_name, text = json.loads(told)
    (environment / file_name).write_text(text)
    return environment


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(INSTALL), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
