"""Touches as browsers tell them: what is kept of each, and which one is the first, the last, and the click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.attribution import journey_of, touch_from

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(days: int, **said: str) -> Any:
    return touch_from({"at": (NOW - timedelta(days=days)).isoformat(), **said}, NOW)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"li_fat_id": " Ab-1 "}, {"li_fat_id": "Ab-1"}),  # opaque, and its case counts
        ({"li_fat_id": "x" * 301}, None),
        ({"utm_source": "x" * 300}, {"utm_source": "x" * 200}),
        ({"utm_source": "a\x00b\u202ec"}, {"utm_source": "abc"}),
        ({"landing_page": "https://u:p@a.test/x?email=j@b.test#y"}, {"landing_page": "https://a.test/x"}),
        ({"referrer": "https://["}, None),
        ({"utm_source": 7}, None),
        ({"none": "x"}, None),
        ([], None),
        ("x", None),
    ],
)
def test_what_is_kept_of_a_touch(said: object, kept: dict[str, str] | None) -> None:
    touch = touch_from(said, NOW)
    assert (touch.said if touch else None) == kept


@pytest.mark.parametrize(
    "told", ["", "yesterday", "9999-99-99T00:00:00Z", "2026-11-20T12:00:00", "1970-01-01T00:00:00Z", 7]
)
def test_a_time_that_cannot_be_is_now(told: object) -> None:
    touch = touch_from({"at": told, "utm_source": "a"}, NOW)
    assert touch is not None
    assert touch.at == NOW


def test_nobody_comes_tomorrow() -> None:
    assert at(-1, utm_source="a").at == NOW


def test_first_last_and_click_may_be_three() -> None:
    journey = journey_of(
        [at(1, utm_source="mail"), at(9, referrer="https://s.test/"), None, at(5, li_fat_id="x")]
    )
    assert journey is not None
    assert journey.first.said == {"referrer": "https://s.test/"}
    assert journey.last.said == {"utm_source": "mail"}
    assert journey.click is not None
    assert journey.click.said == {"li_fat_id": "x"}


def test_a_visit_that_nothing_led_to_can_be_the_first_but_not_the_last() -> None:
    journey = journey_of(
        [at(9, landing_page="https://a.test/"), at(5, utm_source="a"), at(1, landing_page="https://a.test/")]
    )
    assert journey is not None
    assert journey.first.said == {"landing_page": "https://a.test/"}
    assert journey.last.said == {"utm_source": "a"}


def test_without_a_touch_there_is_no_journey() -> None:
    assert journey_of([None]) is None
