"""Which elements of a batch a refusal of LinkedIn's blames, and for what.

LinkedIn says not to parse its texts, but the position of the bad element stands nowhere else. So everything
here may fail to recognise a text; it must never blame an element that was not named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from capi.wording import FieldProblem, field_problem


@dataclass(frozen=True)
class Fault:
    """One thing LinkedIn refuses: the rule, the event's time, or something else of the event's own.

    `text` is LinkedIn's own and may hold personal data: redact it before it is kept.
    """

    kind: Literal["rule", "time", "own"]
    reason: str
    problem: FieldProblem | None = None
    text: str = ""


def located(text: str, elements: int) -> dict[int, list[Fault]] | None:
    """Return the faults by position in a batch of so many elements; empty if the text names no position.

    None if it names a position outside the batch: then the text is not about what was sent.
    """
    faults: dict[int, list[Fault]] = defaultdict(list)
    for index, fault in _all(text):
        if index is None:
            return {}
        if index >= elements:
            return None
        faults[index].append(fault)
    return dict(faults)


def unlocated(text: str) -> list[Fault]:
    """Return what the text complains of, whomever it is about; at least one fault."""
    return [fault for _, fault in _all(text)] or [_in_words(text)]


def _all(text: str) -> Iterator[tuple[int | None, Fault]]:
    yield from _structural(text)
    yield from _semantic(text)


_MARK = re.compile(r"(Index:\s*[0-9]+|ERROR\s*::)")


def _structural(text: str) -> Iterator[tuple[int | None, Fault]]:
    """Read "Index: 1, ERROR :: /path :: text"; what follows without an index belongs to the last one."""
    index = None
    pieces = _MARK.split(text)
    for mark, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        if mark.startswith("Index"):
            index = _number(mark)
        else:
            yield index, _in_field(rest)


_ITEM = re.compile("[^{}]+")
_BATCH_INDEX = re.compile(r"batchIndex\s*=\s*([0-9]+)")
_INDICES = re.compile(r"(?i)\bindices\s*\[([0-9,\s]*)\]")


def _semantic(text: str) -> Iterator[tuple[int, Fault]]:
    """Read "[{field=…, batchIndex=0, type=…, message=…}]" and "…, indices [0, 2] (0-indexed)"."""
    for item in _ITEM.findall(text):
        if positions := _BATCH_INDEX.findall(item):
            fault = _in_words(item)
            yield from ((_number(digits), fault) for digits in positions)
    start = 0
    for named in _INDICES.finditer(text):
        fault = _in_words(text[start : named.start()])
        start = named.end()
        for digits in re.findall("[0-9]+", named[1]):
            yield _number(digits), fault


def _number(text: str) -> int:
    digits = re.sub("[^0-9]", "", text)
    return int(digits) if len(digits) < 10 else 10**9


def _in_field(line: str) -> Fault:
    path, separator, words = line.partition("::")
    if not separator:
        return _in_words(line)
    path, words = path.strip(), words.strip()
    if path.rsplit("/", 1)[-1] == "conversion" and "invalid urn" in words.lower():
        return Fault("rule", "rule_urn_malformed")
    problem = field_problem(path, words)
    return Fault("own", problem.code, problem, words)


_KNOWN: tuple[tuple[re.Pattern[str], Literal["rule", "time", "own"], str], ...] = (
    (re.compile(r"(?i)method should be CONVERSIONS_API"), "rule", "rule_wrong_method"),
    (
        re.compile(
            r"(?i)marked as deleted|enabled should be true|conversion (rule )?(is |was )?(deleted|disabled)"
        ),
        "rule",
        "rule_disabled",
    ),
    (re.compile(r"(?i)conversion time should be|INVALID_CONVERSION_TIME"), "time", "too_old"),
    (
        re.compile(r"(?i)INVALID_USER_IDENTIFICATION|must contain one of these fields"),
        "own",
        "identifier_refused",
    ),
)


def _in_words(text: str) -> Fault:
    for pattern, kind, reason in _KNOWN:
        if pattern.search(text):
            return Fault(kind, reason)
    return Fault("own", "refused", text=text.strip())
