"""Who does something, and by which door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from crm.models import User

Channel = Literal["web", "api", "admin", "import", "capture", "linkedin", "shell", "demo"]


@dataclass(frozen=True)
class Actor:
    """The author of a change. `label` names it where no user did it, e.g. the API key; `address` is their IP."""

    channel: Channel
    user: User | None = None
    label: str = ""
    address: str = ""


SYSTEM = Actor(channel="shell", label="LeadMachine")
