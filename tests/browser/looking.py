"""What is looked at on every page: axe's rules in light, in dark and at the width of a telephone, and what sticks out.

With LOOKS=folder in the environment each page leaves its pictures there, 1440 and 390 px wide, for people to look at.
"""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

LOOKS = (("light", 1440), ("dark", 1440), ("light", 390))
# A change of colours that is still going on would be taken for bad contrast.
AT_REST = "() => document.getAnimations().every((each) => each.effect.getTiming().iterations === Infinity)"


def faults_of(page: Page, name: str) -> list[str]:
    """What is wrong with the page that is open; it is not loaded again for another look."""
    faults = []
    for scheme, width in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.wait_for_function(AT_REST)
        found = Axe().run(page)
        if found.violations_count:
            faults.append(f"{name}, {scheme}, {width} px: {found.generate_report()}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"{name} is wider than {width} px.")
        if folder := os.environ.get("LOOKS"):
            page.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)
    return faults
