"""The order of the test files: those that mostly wait take turns with those that mostly compute.

By name alone the installations that start, stop and wait come last and together, and leave the processor idle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

import pytest

FIRST = "browser"
WAITING = ("chaos", "leadmachine")
TESTS = Path(__file__).parents[1]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    items[:] = chain.from_iterable(files[path] for path in in_turn(list(files)))


def in_turn(paths: Sequence[Path]) -> list[Path]:
    """The browser's files, and then one that waits after one that computes, while there are both.

    Those that look at every route are long, so they come early: one that began last would run alone.
    """
    first = [path for path in paths if _folder(path) == FIRST]
    waiting = [path for path in paths if _folder(path) in WAITING]
    others = [path for path in paths if path not in {*first, *waiting}]
    others.sort(key=lambda path: path.parent != TESTS)
    return [*first, *filter(None, chain.from_iterable(zip_longest(waiting, others)))]


def _folder(path: Path) -> str:
    return path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
