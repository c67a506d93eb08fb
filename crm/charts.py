"""Charts as SVG, drawn on the server: numbers in, markup out. Pure.

A chart is an image with a name and a description. Colours are classes of chart.css, lengths are attributes: the pages
allow no inline style. What a chart shows stands in a table beneath it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from crm.display import number

WIDTH: Final = 550
MARKS: Final = 6
_LEFT: Final = 34
_TOP: Final = 18
_FLOOR: Final = 190
_COLUMN_HEIGHT: Final = 222
_GAP: Final = 1
_WIDEST_COLUMN: Final = 56
_ROW: Final = 42
# Signs that fit, by the width of one: at 11 units on wide screens, at 18 on narrow ones.
_SIGN: Final = 6.4
_NARROW_SIGN: Final = 10.5
_NOTE_SIGNS: Final = 20


@dataclass(frozen=True)
class Part:
    """A piece of a bar. `tone` is a class of chart.css, `words` say what it is: "7 to 13 days"."""

    size: float
    tone: str
    words: str


@dataclass(frozen=True)
class Bar:
    """A bar of one or several parts. `note` stands beside it, already in words."""

    label: str
    parts: tuple[Part, ...]
    note: str = ""

    @property
    def size(self) -> float:
        return sum(part.size for part in self.parts)

    @property
    def words(self) -> str:
        """`Proposal: under 7 days 2, 7 to 13 days 1`, or `Proposal: 9.5 days`; what one reads on hover."""
        if len(self.parts) == 1:
            return f"{self.label}: {_number(self.parts[0].size)} {self.parts[0].words}"
        return f"{self.label}: {', '.join(f'{part.words} {_number(part.size)}' for part in self.parts)}"


@dataclass(frozen=True)
class Chart:
    """What is drawn. `key` keeps the ids of several charts of a page apart."""

    key: str
    title: str
    description: str
    bars: tuple[Bar, ...]


def columns(chart: Chart) -> SafeString:
    """Upright bars on a scale, their parts stacked; the label and the note beneath each."""
    steps = scale(max((bar.size for bar in chart.bars), default=0))
    unit = (_FLOOR - _TOP) / (steps[-1] or 1)
    lines = format_html_join(
        "",
        '<line x1="{}" x2="{}" y1="{}" y2="{}"{}></line><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (
                _LEFT,
                WIDTH,
                *[_place(_FLOOR - step * unit)] * 2,
                "" if step else SafeString(' class="zero"'),
                _LEFT - 8,
                _place(_FLOOR - step * unit + 4),
                _number(step),
            )
            for step in steps
        ),
    )
    slot = (WIDTH - _LEFT) / max(len(chart.bars), 1)
    drawn = [_column(bar, _LEFT + slot * place, slot, unit) for place, bar in enumerate(chart.bars)]
    return _image(chart, _COLUMN_HEIGHT, [lines, *drawn])


def bars(chart: Chart) -> SafeString:
    """Lying bars, their parts side by side; label and note above each, so that names have the whole width."""
    longest = max((bar.size for bar in chart.bars), default=0) or 1
    drawn = [_row(bar, place * _ROW, WIDTH / longest) for place, bar in enumerate(chart.bars)]
    return _image(chart, max(len(chart.bars), 1) * _ROW, drawn)


def scale(largest: float) -> list[float]:
    """The marks of an axis from 0 to at least `largest`: at most six, in steps of 1, 2 or 5 times a power of ten."""
    steps = (base * 10**power for power in count() for base in (1, 2, 5))
    step = next(step for step in steps if largest <= step * (MARKS - 1))
    return [float(step * mark) for mark in range(max(ceil(largest / step), 1) + 1)]


def clipped(text: str, room: int) -> str:
    """The text, cut so that it has at most `room` signs."""
    return text if len(text) <= room else f"{text[: max(room - 1, 1)].rstrip()}…"


def _image(chart: Chart, height: int, drawn: Sequence[SafeString]) -> SafeString:
    return format_html(
        '<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{key}-title {key}-desc">'
        '<title id="{key}-title">{title}</title><desc id="{key}-desc">{description}</desc>{drawn}</svg>',
        width=WIDTH,
        height=height,
        key=chart.key,
        title=chart.title,
        description=chart.description,
        drawn=SafeString("".join(drawn)),
    )


def _column(bar: Bar, left: float, slot: float, unit: float) -> SafeString:
    width = min(_WIDEST_COLUMN, slot * 0.6)
    middle = left + slot / 2
    rects, foot = [], float(_FLOOR)
    for part in (part for part in bar.parts if part.size > 0):
        height = part.size * unit
        rects.append(_rect(part.tone, middle - width / 2, foot - height, width, max(height - _GAP, 0.5)))
        foot -= height
    return format_html(
        '<g><title>{words}</title>{rects}</g><text class="strong wide" x="{x}" y="{y}" text-anchor="middle">{label}'
        '</text><text class="strong narrow" x="{x}" y="{y_narrow}" text-anchor="middle">{short}</text>{note}',
        words=bar.words,
        rects=SafeString("".join(rects)),
        x=_place(middle),
        y=_FLOOR + 15,
        y_narrow=_FLOOR + 21,
        label=clipped(bar.label, int(slot / _SIGN)),
        short=clipped(bar.label, int(slot / _NARROW_SIGN)),
        note=_foot_note(bar.note, middle, slot),
    )


def _foot_note(note: str, middle: float, slot: float) -> SafeString:
    if not note or len(note) > slot / (_SIGN - 0.6):
        return SafeString("")
    markup = '<text class="wide" x="{}" y="{}" text-anchor="middle">{}</text>'
    return format_html(markup, _place(middle), _FLOOR + 31, note)


def _row(bar: Bar, top: float, unit: float) -> SafeString:
    rects, left = [], 0.0
    for part in (part for part in bar.parts if part.size > 0):
        width = part.size * unit
        rects.append(_rect(part.tone, left, top + 22, max(width - _GAP, 0.5), 10))
        left += width
    return format_html(
        '<g><title>{words}</title><rect class="quiet" x="0" y="{track}" width="{full}" height="10" rx="2"></rect>'
        '{rects}</g><text class="strong" x="0" y="{y}"><tspan class="wide">{label}</tspan>'
        '<tspan class="narrow">{short}</tspan></text><text x="{full}" y="{y}" text-anchor="end">{note}</text>',
        words=bar.words,
        track=_place(top + 22),
        full=WIDTH,
        rects=SafeString("".join(rects)),
        y=_place(top + 15),
        label=clipped(bar.label, int(WIDTH / _SIGN) - max(len(bar.note), _NOTE_SIGNS)),
        short=clipped(bar.label, int(WIDTH / _NARROW_SIGN) - max(len(bar.note), _NOTE_SIGNS)),
        note=bar.note,
    )


def _rect(tone: str, x: float, y: float, width: float, height: float) -> SafeString:
    markup = '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"></rect>'
    return format_html(markup, tone, _place(x), _place(y), _place(width), _place(height))


def _place(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _number(value: float) -> str:
    return number(value, 0 if float(value).is_integer() else 1)
