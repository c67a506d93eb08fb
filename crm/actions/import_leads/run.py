"""What all chunks of an import share, and what becomes of one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from crm import customvalues
from crm.actor import Actor
from crm.importing import Fault, Person
from crm.models import (
    Company,
    Import,
    ImportOutcome,
    Lead,
    LeadQuerySet,
    LeadStatus,
    User,
)


@dataclass
class Decision:
    """What becomes of a row. `changes` are columns of the lead, before and after; `adds` what it gets besides.

    A value of the company's own fields is a column called `cf_<key>`; None is no value.
    """

    person: Person
    outcome: ImportOutcome
    lead: Lead | None = None
    reason: str = ""
    fault: Fault | None = None
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    adds: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """How many fields of a known lead it writes."""
        return len(self.changes) + len(self.adds)


@dataclass(frozen=True)
class Run:
    """What all chunks of an import share."""

    batch: Import
    company: Company
    actor: Actor
    now: datetime
    statuses: Mapping[UUID, LeadStatus]
    users: Mapping[UUID, User]
    default_status: LeadStatus
    own: Mapping[str, customvalues.Field] = field(default_factory=dict)
    """The company's own fields, by their names in a mapping."""

    @property
    def visible(self) -> LeadQuerySet:
        """The leads that rows may match: those that whoever began the import sees."""
        leads = Lead.objects.current()
        if self.batch.own_only and self.actor.user is not None:
            return leads.owned_by(self.actor.user)
        return leads
