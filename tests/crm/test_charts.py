"""Charts: numbers in, SVG out."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from crm import charts
from crm.charts import Bar, Chart, Part

SVG = "{http://www.w3.org/2000/svg}"
TWO = (
    Bar("Proposal", (Part(4, "rest", "under 7 days"), Part(2, "one", "7 to 13 days")), "€120"),
    Bar("Negotiation", (Part(0, "rest", "under 7 days"), Part(3, "one", "7 to 13 days"))),
)
DRAWN = [charts.columns, charts.bars]


def chart(*bars: Bar) -> Chart:
    return Chart("ages", "Open deals", "Proposal 6; Negotiation 3", bars)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


@pytest.mark.parametrize("draw", DRAWN)
def test_a_chart_is_an_image_with_name_and_description(draw: object) -> None:
    root = parsed(draw(chart(*TWO)))  # type: ignore[operator]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "ages-title ages-desc"
    texts = {each.get("id"): each.text for each in root if each.get("id")}
    assert texts == {"ages-title": "Open deals", "ages-desc": "Proposal 6; Negotiation 3"}


@pytest.mark.parametrize("draw", DRAWN)
def test_parts_are_as_long_as_their_numbers(draw: object) -> None:
    side = "height" if draw is charts.columns else "width"
    root = parsed(draw(chart(*TWO)))  # type: ignore[operator]
    rects = [each for each in root.iter(f"{SVG}rect") if each.get("class") != "quiet"]
    # A hair is left between parts, so that they are told apart without their colours.
    lengths = [float(str(each.get(side))) + 1 for each in rects]
    assert [each.get("class") for each in rects] == ["rest", "one", "one"]
    assert lengths == pytest.approx([lengths[0], lengths[0] / 2, lengths[0] * 3 / 4], abs=0.2)


@pytest.mark.parametrize("draw", DRAWN)
def test_nothing_is_drawn_over_the_edge(draw: object) -> None:
    root = parsed(draw(chart(*TWO, *[Bar(f"Stage {n}", (Part(n, "one", "deals"),)) for n in range(12)])))  # type: ignore[operator]
    width, height = (float(each) for each in str(root.get("viewBox")).split()[2:])
    for each in root.iter(f"{SVG}rect"):
        assert float(str(each.get("x"))) + float(str(each.get("width"))) <= width + 0.1
        assert 0 <= float(str(each.get("y"))) <= height


@pytest.mark.parametrize("draw", DRAWN)
def test_names_are_text_and_never_markup(draw: object) -> None:
    svg = draw(Chart("k", "<b>", '"&', (Bar("<script>", (Part(1, "one", "<i>"),), "<u>"),)))  # type: ignore[operator]
    assert not re.search("<(script|b|i|u)>", svg)
    assert parsed(svg) is not None


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("bars", [(), (Bar("Nothing", ()),), (Bar("Zero", (Part(0, "one", "deals"),)),)])
def test_nothing_to_draw_is_no_fault(draw: object, bars: tuple[Bar, ...]) -> None:
    assert parsed(draw(chart(*bars))) is not None  # type: ignore[operator]


@pytest.mark.parametrize("draw", DRAWN)
def test_there_is_no_inline_style(draw: object) -> None:
    assert "style" not in draw(chart(*TWO))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("largest", "marks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (5, [0, 1, 2, 3, 4, 5]),
        (6, [0, 2, 4, 6]),
        (9, [0, 2, 4, 6, 8, 10]),
        (11, [0, 5, 10, 15]),
        (26, [0, 10, 20, 30]),
        (30_000, [0, 10_000, 20_000, 30_000]),
    ],
)
def test_a_scale_has_round_marks(largest: int, marks: list[int]) -> None:
    assert charts.scale(largest) == marks


def test_a_bar_in_words() -> None:
    assert TWO[0].words == "Proposal: under 7 days 4, 7 to 13 days 2"
    assert Bar("Proposal", (Part(9.5, "one", "days"),)).words == "Proposal: 9.5 days"


def test_long_names_are_cut() -> None:
    assert charts.clipped("Negotiation", 11) == "Negotiation"
    assert charts.clipped("Negotiation", 8) == "Negotia…"
    assert charts.clipped("Negotiation", 0) == "N…"
