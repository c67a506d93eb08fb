"""What no page may do while a test looks: speak to other machines, or complain to the console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Route

# What Playwright writes where it keeps a page from having one.
WORKER_IS_BLOCKED = "Service Worker registration blocked by Playwright"
# What htmx writes of a request that the page itself gave up, as the palette does when somebody types on.
GIVEN_UP = ("htmx:afterRequest", "htmx:sendAbort")
# What Chromium writes of a form that was refused: an answer like another, which says what is wrong with it.
REFUSED = "Failed to load resource: the server responded with a status of 422"


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A page that may only speak to this machine, and whose console must stay clean."""
    left: list[str] = []
    complaints: list[str] = []

    def guard(route: Route) -> None:
        if urlsplit(route.request.url).hostname not in ("127.0.0.1", "localhost"):
            left.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    def listen(message: ConsoleMessage) -> None:
        is_known = message.text == WORKER_IS_BLOCKED or message.text.startswith((*GIVEN_UP, REFUSED))
        if message.type in ("error", "warning") and not is_known:
            complaints.append(f"{page.url}: {message.text}")

    context.route("**/*", guard)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    yield page
    assert left == [], "A page asked for something outside this machine."
    assert complaints == [], f"The console is not clean: {complaints}"
