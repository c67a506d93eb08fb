"""Somebody who works with the product in one of three ways: by mouse, by keyboard alone, or without JavaScript.

A walk through the product is written once and taken by each of them: `hand.press(button)` is a click for the first and
the last, and a focus with a key for the second, who can only press what the Tab key can reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Download, Locator, Page, expect

from tests.browser.watch import watched

MOUSE, KEYBOARD, SCRIPTLESS = "mouse", "keyboard", "no-script"
WAYS = (MOUSE, KEYBOARD, SCRIPTLESS)


@dataclass(frozen=True)
class Hand:
    """One way to work, in a browser of its own."""

    way: str
    page: Page
    url: str

    @property
    def has_script(self) -> bool:
        return self.way != SCRIPTLESS

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, email: str, password: str) -> None:
        """On the page that asks for it."""
        self.write(self.page.get_by_label("E-mail"), email)
        self.write(self.page.get_by_label("Password", exact=True), password)
        self.press(self.page.get_by_role("button", name="Sign in", exact=True))
        self.page.wait_for_url(f"{self.url}/")

    # --- What a hand does

    def press(self, target: Locator) -> None:
        """A link, a button, or the head of a menu."""
        if self.way == KEYBOARD:
            self._reach(target)
            self.page.keyboard.press("Enter")
        else:
            target.click()

    def open(self, words: str, within: str = "main") -> None:
        """A menu, by the words on its button."""
        self.press(self.page.locator(f"{within} summary", has_text=words).first)

    def tick(self, target: Locator) -> None:
        """A box or one of several choices."""
        if self.way == KEYBOARD:
            self._reach(target)
            self.page.keyboard.press("Space")
        else:
            target.check()
        expect(target).to_be_checked()

    def write(self, target: Locator, text: str) -> None:
        """Into a field, in place of what is there."""
        if self.way == KEYBOARD:
            self._reach(target)
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.type(text)
        else:
            target.fill(text)

    def choose(self, target: Locator, label: str) -> None:
        """One of a list."""
        if self.way == KEYBOARD:
            options = [text.strip() for text in target.locator("option").all_text_contents()]
            self._reach(target)
            self.page.keyboard.press("Home")
            for _ in range(options.index(label)):
                self.page.keyboard.press("ArrowDown")
        else:
            target.select_option(label=label)
        expect(target.locator("option:checked")).to_have_text(label)

    def download(self, target: Locator) -> Download:
        """The file that a button or link gives."""
        with self.page.expect_download() as download:
            self.press(target)
        return download.value

    # --- What a hand sees

    def see(self, what: str | Locator) -> None:
        """Words or a part of the page that are there now; the page they came with has loaded, its scripts too."""
        target = self.page.get_by_text(what).first if isinstance(what, str) else what
        expect(target).to_be_visible()
        self.page.wait_for_load_state()

    def see_title(self, words: str) -> None:
        """The page of that name."""
        self.see(self.page.get_by_role("heading", name=words, exact=True, level=1))

    def _reach(self, target: Locator) -> None:
        expect(target).to_be_visible()
        assert target.evaluate("element => element.tabIndex") >= 0, f"Tab does not reach {target}."
        target.focus()
        expect(target).to_be_focused()


@contextmanager
def hand_of(browser: Browser, way: str, url: str) -> Iterator[Hand]:
    """A browser for this way to work; whatever its page may not do fails at the end."""
    context = browser.new_context(java_script_enabled=way != SCRIPTLESS, service_workers="block")
    with watched(context) as page:
        yield Hand(way, page, url)
    context.close()
