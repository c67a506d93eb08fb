"""What the frame of every page shows: side bar, top bar, toasts. Values only; a context processor fills them.

Templates find a `Frame` as `frame`. Without one (signed out, error pages) the frame is left away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True)
class NavItem:
    """A link of the side bar, the New menu or the pinned views."""

    label: str
    url: str
    icon: str
    """A name that the `icon` tag knows: `users` (heroicons outline) or `tell` (our sprite)."""
    count: int | None = None
    current: bool = False
    badge: str = ""
    """Words in place of a count, such as "12 held"."""
    state: State = ""
    """The dot: good, warn or bad; none when empty. `badge` or `state_label` must say the same in words."""
    state_label: str = ""
    """What the dot means, for those who do not see it: "12 events are held"."""
    keys: str = ""
    """Keyboard sequence, keys apart by blanks: "g l"."""


@dataclass(frozen=True)
class CompanyChoice:
    """A company that the signed-in person may switch to."""

    id: str
    name: str
    current: bool = False


@dataclass(frozen=True)
class Account:
    """The signed-in person."""

    full_name: str
    initials: str
    email: str


@dataclass(frozen=True)
class Search:
    """The box on top: a plain GET form to the page that searches."""

    url: str
    placeholder: str
    name: str = "search"
    value: str = ""


@dataclass(frozen=True)
class Frame:
    """Everything around the page."""

    company: str
    user: Account
    nav: tuple[NavItem, ...]
    """In order; the first five make the bottom bar of narrow screens."""
    companies: tuple[CompanyChoice, ...] = ()
    """All that the person belongs to. With fewer than two there is nothing to switch."""
    switch_url: str = ""
    """Takes a POST of `company` (an id) and `next`."""
    new: tuple[NavItem, ...] = ()
    """The New menu, permitted ones only; no menu when empty."""
    pinned: tuple[NavItem, ...] = ()
    settings: NavItem | None = None
    search: Search | None = None
    unread: int = 0
    """How many notifications the person has not read."""
    notifications_url: str = ""
    admin_url: str = ""
    """The admin panel, for those who may enter it."""


@dataclass(frozen=True)
class ToastAction:
    """A button in a toast: a POST to `url`."""

    label: str
    url: str
    keys: str = ""


@dataclass(frozen=True)
class Toast:
    """What just happened, with what can still be done about it."""

    text: str
    lead: str = ""
    """The first words, set apart: "Won."."""
    state: Literal["good", "warn", "bad", "info"] = "good"
    actions: tuple[ToastAction, ...] = ()
    seconds: int = 8
    """How long it stays. Failures stay until they are closed."""
    url: str = ""
    """Where more about it is, behind the words `url_text`."""
    url_text: str = ""
