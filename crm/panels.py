"""Named places in the CRM's pages where other apps show something. crm knows the places, never who fills them.

An app registers its functions when it starts:

    @panels.lead_panels.append
    def linkedin_card(principal, lead): ...

Functions that take many records are called once a page and must answer in a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from crm.access import Principal
    from crm.frame import NavItem
    from crm.models import Company, Deal, Lead, LeadQuerySet, Pipeline


@dataclass(frozen=True)
class Panel:
    """A template and what it needs, rendered inside the page."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TimelineEntry:
    """A line of a timeline that is not an Activity. `tone` is "", good, warn, bad or info; `icon` a heroicon."""

    at: datetime
    text: str
    icon: str
    tone: str = ""
    url: str = ""
    link_text: str = ""


@dataclass(frozen=True)
class Badge:
    """A short state beside a record. `tone` as above; `icon` a heroicon; `level` 0–4 ticks where it is a readiness."""

    text: str
    tone: str = ""
    icon: str = ""
    level: int | None = None


@dataclass(frozen=True)
class Note:
    """What a toast adds after a move, e.g. that LinkedIn will be told, and an action that hastens it (POST)."""

    text: str
    action_url: str = ""
    action_text: str = ""


@dataclass(frozen=True)
class FirstStep:
    """A step of the first run that another app adds. `url` is where it is done."""

    title: str
    text: str
    url: str
    verb: str
    is_done: bool


@dataclass(frozen=True)
class LeadFilter:
    """A filter of the leads that another app knows how to answer. `choices` are value and words."""

    name: str
    label: str
    choices: Mapping[str, str]
    narrow: Callable[[LeadQuerySet, Company, str], LeadQuerySet]


lead_filters: list[LeadFilter] = []
lead_panels: list[Callable[[Principal, Lead], Panel | None]] = []
deal_panels: list[Callable[[Principal, Deal], Panel | None]] = []
home_panels: list[Callable[[Principal], Panel | None]] = []
first_steps: list[Callable[[Principal], Sequence[FirstStep]]] = []
lead_timelines: list[Callable[[Principal, Lead], Sequence[TimelineEntry]]] = []
deal_timelines: list[Callable[[Deal], Sequence[TimelineEntry]]] = []
lead_badges: list[Callable[[Sequence[Lead]], Mapping[UUID, Badge]]] = []
deal_badges: list[Callable[[Sequence[Deal]], Mapping[UUID, Badge]]] = []
told_stages: list[Callable[[Pipeline], frozenset[UUID]]] = []
told_categories: list[
    Callable[[], frozenset[str]]
] = []  # the categories of statuses that are told on entering
move_notes: list[Callable[[Deal], Note | None]] = []
event_listeners: list[Callable[[str], int]] = []  # how many conversions an event of that name becomes now
nav_items: list[Callable[[Principal, str], NavItem | None]] = []  # the string is the current path
api_routes: list[Callable[[], list[Any]]] = []  # URL patterns below /api/v1/
