"""Docs and code agree: variables, commands, codes, links and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from capi import checks, outcome, versions, wording
from capi.models import AttemptOutcome, Holder, Status

ROOT = Path(__file__).resolve().parents[1]
CODE = [
    ROOT / "manage.py",
    *(path for app in ("leadmachine", "crm", "capi") for path in (ROOT / app).rglob("*.py")),
]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_VARIABLE = re.compile(
    r"""(?:env\.(?:text|flag|number|words|required|made_on_first_run)|os\.environ\.get)\(\s*"([A-Z][A-Z_]+)\""""
)
# Set for itself by Django's own start-up, or kept beside the keys and never meant to be set.
_OURS_ALONE = {"DJANGO_SETTINGS_MODULE", "DEMO_PASSWORD"}
# Sentences that nothing gives as a reason yet.
_UNUSED = {"duplicate", "merged", "rule_inactive", "settling", "accepted"}


@cache
def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(text: str) -> set[str]:
    """The words in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def section(name: str, heading: str) -> str:
    """A page from a heading of level two to the next."""
    return page(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def variables_read() -> set[str]:
    found = {name for path in CODE for name in _VARIABLE.findall(path.read_text(encoding="utf-8"))}
    return (found | {"DATA_DIR"}) - _OURS_ALONE


def test_every_variable_is_explained_and_none_is_invented() -> None:
    rows = re.findall(
        r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", section("docs/operating.md", "Environment"), re.MULTILINE
    )
    explained = {name for row in rows for name in code_of(row)}
    assert explained == variables_read()


def test_every_command_of_ours_is_explained() -> None:
    folders = ROOT.glob("*/management/commands/*.py")
    commands = {path.stem for path in folders if path.stem != "__init__"}
    text = page("README.md") + page("docs/operating.md")
    assert {command for command in commands if f"manage.py {command}" not in text} == set()


def test_every_command_that_is_explained_exists() -> None:
    ours = {path.stem for path in ROOT.glob("*/management/commands/*.py")}
    djangos = {"check", "collectstatic", "createsuperuser", "migrate", "shell"}
    named = {
        name
        for one in PAGES
        for name in re.findall(r"manage\.py ([a-z_]+)", page(str(one.relative_to(ROOT))))
    }
    assert named - ours - djangos == set()


def test_every_make_target_that_is_explained_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    named = {
        name for one in PAGES for name in re.findall(r"`make ([a-z-]+)", page(str(one.relative_to(ROOT))))
    }
    assert named - targets == set()


@pytest.mark.parametrize("words", [Status.values, Holder.values], ids=["statuses", "holders"])
def test_every_status_and_holder_is_explained(words: list[str]) -> None:
    assert set(words) - code_of(page("docs/delivery.md")) == set()


def test_every_outcome_of_an_attempt_is_explained() -> None:
    assert set(AttemptOutcome.values) - code_of(page("docs/api.md")) == set()


def test_every_reason_is_explained() -> None:
    fields = {name for name, *_ in (*wording._FIELDS.values(), wording._OTHER_FIELD)}
    problems = {problem for _, problem, _ in wording._PROBLEMS}
    of_fields = {f"{field}_{problem}" for field in fields for problem in problems} - {"identifier_refused"}
    reasons = {*wording.SENTENCES, "token_unreadable"} - of_fields - _UNUSED
    assert reasons - code_of(page("docs/delivery.md")) == set()


def test_the_timing_chain_is_the_one_in_the_settings() -> None:
    rows = re.findall(
        r"^\| .+? \| (\d+) \|$", section("docs/delivery.md", "Times that depend on each other"), re.MULTILINE
    )
    assert [float(seconds) for seconds in rows] == [seconds for _, seconds in checks.timing_chain()]


def test_the_retries_of_an_event_are_the_ones_in_the_code() -> None:
    assert outcome.EVENT_RETRIES == (10, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200)
    words = " ".join(section("docs/delivery.md", "Waits").split())
    assert "10 seconds, 30 seconds, 2, 10, 30 minutes, 1, 2, 4, 8, 12 hours" in words


def test_the_sunset_table_is_the_one_in_the_code() -> None:
    rows = re.findall(r"^\| `(\d{6})` \| (\d{4}-\d\d-\d\d) \|$", page("docs/operating.md"), re.MULTILINE)
    assert dict(rows) == {version: str(day) for version, day in versions.ENDS.items()}


def links() -> Iterator[tuple[str, str]]:
    for one in PAGES:
        name = str(one.relative_to(ROOT))
        text = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:", target):
                yield name, target


@pytest.mark.parametrize(("name", "target"), list(links()))
def test_every_link_leads_somewhere(name: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (ROOT / name).parent / path if path else ROOT / name
    assert found.exists(), f"{name} links to {target}, which is not there"
    if anchor:
        headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {_anchor(heading) for heading in headings}


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, no punctuation, blanks as hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
