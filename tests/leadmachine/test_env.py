"""The environment reader: typed values, files that hold secrets, and keys made once."""

import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leadmachine import env


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DATA_DIR of this test's own; variables set by the run itself are put aside."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "kept"))
    for name in ("SECRET_KEY", "FIELD_KEYS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "kept"


def test_an_unset_or_empty_variable_gives_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.text("COLOUR") is None
    monkeypatch.setenv("COLOUR", "")
    assert env.text("COLOUR", "blue") == "blue"
    assert env.number("COLOUR", 7) == 7
    assert env.flag("COLOUR", True) is True
    assert env.words("COLOUR", ["a"]) == ["a"]


def test_a_secret_is_read_from_the_file_that_the_file_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("s3cret \n")
    monkeypatch.setenv("COLOUR_FILE", str(tmp_path / "secret"))
    assert env.text("COLOUR") == "s3cret "


def test_a_variable_and_its_file_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR", "blue")
    monkeypatch.setenv("COLOUR_FILE", "/somewhere")
    with pytest.raises(env.Misconfigured, match="Both COLOUR and COLOUR_FILE"):
        env.text("COLOUR")


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR_FILE", "/nowhere/at/all")
    with pytest.raises(env.Misconfigured, match="COLOUR_FILE: /nowhere/at/all cannot be read"):
        env.text("COLOUR")


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("1", True), ("Yes", True), (" on ", True), ("TRUE", True), ("0", False), ("no", False), ("off", False)],
)
def test_a_flag_reads_the_usual_words(word: str, meaning: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCH", word)
    assert env.flag("SWITCH", not meaning) is meaning


def test_a_value_of_the_wrong_kind_names_the_variable_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUNT", "hunter2")
    with pytest.raises(env.Misconfigured, match="COUNT must be a whole number") as refused:
        env.number("COUNT", 1)
    with pytest.raises(env.Misconfigured, match="COUNT must be one of"):
        env.flag("COUNT", True)
    assert "hunter2" not in str(refused.value)


def test_words_are_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS", " a.example, ,b.example,")
    assert env.words("HOSTS", []) == ["a.example", "b.example"]


def test_a_required_variable_says_how_to_set_it() -> None:
    with pytest.raises(env.Misconfigured, match=r"COLOUR is not set\. Set COLOUR, or COLOUR_FILE"):
        env.required("COLOUR")


def test_the_data_folder_is_made_for_its_owner_only(folder: Path) -> None:
    assert env.data_dir() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_key_is_made_once_and_kept_for_its_owner_only(folder: Path) -> None:
    first = env.made_on_first_run("SECRET_KEY", env.new_secret_key)
    assert env.made_on_first_run("SECRET_KEY", env.new_secret_key) == first
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


def test_a_given_key_wins_and_nothing_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "given")
    assert env.made_on_first_run("SECRET_KEY", env.new_secret_key) == "given"
    assert not folder.exists()


def test_an_empty_kept_key_is_not_replaced_in_silence(folder: Path) -> None:
    env.data_dir()
    (folder / "field_keys").touch()
    with pytest.raises(env.Misconfigured, match=r"is empty\. Restore it"):
        env.made_on_first_run("FIELD_KEYS", env.new_field_key)


def test_processes_that_start_at_once_agree_on_one_key(folder: Path) -> None:
    code = "from leadmachine import env; print(env.made_on_first_run('FIELD_KEYS', env.new_field_key))"

    def start(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=env.REPOSITORY, check=True, capture_output=True, text=True
        ).stdout

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(start, range(8)))
    assert len(keys) == 1
    assert sorted(path.name for path in folder.iterdir()) == [".first-run.lock", "field_keys"]


def test_a_field_key_is_a_name_and_32_bytes() -> None:
    kid, key = env.new_field_key().split(":")
    assert kid
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert env.new_field_key() != env.new_field_key()
