"""Each test that the pages on security and on reliability name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leadmachine.env import REPOSITORY

PAGES = [
    REPOSITORY / "THREAT_MODEL.md",
    REPOSITORY / "docs" / "reliability-results.md",
    *sorted((REPOSITORY / "docs" / "security").glob("*.md")),
]
_NAMED = re.compile(r"`(tests/[\w/]+(?:\.py)?/?)?(?:::(test_\w+))?`")


def missing(text: str) -> list[str]:
    """What is named and is not there; `::name` alone belongs to the file before it."""
    found, file = [], ""
    for path, test in _NAMED.findall(text):
        file = path or file
        if path and not (REPOSITORY / path).exists():
            found.append(path)
        elif test and (REPOSITORY / file).exists() and f"def {test}(" not in (REPOSITORY / file).read_text():
            found.append(f"{file}::{test}")
    return found


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    assert missing(document.read_text()) == []


def test_one_that_does_not_is_found() -> None:
    assert missing("`tests/test_walls.py::test_nothing_like_it`") == [
        "tests/test_walls.py::test_nothing_like_it"
    ]
    assert missing("`tests/test_walls.py`, `::test_every_route_has_a_case`, `tests/nowhere.py`") == [
        "tests/nowhere.py"
    ]
