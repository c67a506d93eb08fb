"""Writes the timeline: what people note and what the product records about every change."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from crm.actor import Actor
from crm.models import Activity, Deal, Lead
from crm.models.activity import ActivityKind

WRITTEN_BY_PEOPLE = (ActivityKind.NOTE, ActivityKind.CALL, ActivityKind.MEETING, ActivityKind.EMAIL)
_SHOWN = 300


def record(
    subject: Lead | Deal,
    kind: ActivityKind,
    actor: Actor,
    at: datetime,
    *,
    field: str = "",
    old: str = "",
    new: str = "",
    text: str = "",
) -> Activity:
    """Add one line about a lead or deal. `old` and `new` are shortened to what a line can show."""
    activity = line(subject, kind, actor, at, field=field, old=old, new=new, text=text)
    activity.save()
    return activity


def line(
    subject: Lead | Deal,
    kind: ActivityKind,
    actor: Actor,
    at: datetime,
    *,
    field: str = "",
    old: str = "",
    new: str = "",
    text: str = "",
) -> Activity:
    """The line that `record` adds, unsaved: for those who add many at once."""
    return Activity(
        company_id=subject.company_id,
        lead=subject if isinstance(subject, Lead) else subject.lead,
        deal=subject if isinstance(subject, Deal) else None,
        kind=kind,
        actor=actor.user,
        actor_label=actor.label,
        field=field,
        old=old[:_SHOWN],
        new=new[:_SHOWN],
        text=text,
        at=at,
    )


@transaction.atomic
def add_note(subject: Lead | Deal, text: str, actor: Actor, kind: str = ActivityKind.NOTE) -> Activity:
    """A note, call, meeting or e-mail that a person writes down. Touches the lead."""
    if kind not in WRITTEN_BY_PEOPLE:
        raise ValidationError({"kind": "Choose note, call, meeting or email."})
    if not text.strip():
        raise ValidationError({"text": "Write something first."})
    activity = record(subject, ActivityKind(kind), actor, timezone.now(), text=text.strip())
    activity.clean_fields(exclude=["company", "lead", "deal", "actor"])
    touch(subject if isinstance(subject, Lead) else subject.lead, activity.at)
    return activity


def touch(lead: Lead | None, at: datetime) -> None:
    """Move the lead's last touch forward, never back."""
    if lead is None or lead.last_touch_at >= at:
        return
    lead.last_touch_at = at
    lead.save(update_fields=["last_touch_at"])
