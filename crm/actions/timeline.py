"""Writes the timeline: what people note and what the product records about every change."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import cleaning, mentions, signals
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import Activity, Deal, Lead, Mention, User
from crm.models.activity import WRITTEN_BY_PEOPLE, ActivityKind
from crm.signals import MentionFact

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
def add_note(
    subject: Lead | Deal,
    text: str,
    actor: Actor,
    kind: str = ActivityKind.NOTE,
    *,
    at: datetime | None = None,
) -> Activity:
    """A note, call, meeting or e-mail that a person writes down. Touches the lead, and tells whom it names.

    `at` is when it was (aware; default now). Raises ValidationError per field.
    """
    if kind not in WRITTEN_BY_PEOPLE:
        raise ValidationError({"kind": _("Choose note, call, meeting or email.")})
    moment = _moment(at)
    activity = record(subject, ActivityKind(kind), actor, moment, text=_words(text))
    activity.clean_fields(exclude=["company", "lead", "deal", "actor"])
    touch(subject if isinstance(subject, Lead) else subject.lead, activity.at)
    _mention(activity, actor)
    return activity


@transaction.atomic
def edit_note(activity: Activity, text: str, actor: Actor, *, at: datetime | None = None) -> Activity:
    """Write one's own note anew. Whoever is named in it for the first time is told. Raises ValidationError."""
    activity = _own(activity, actor)
    activity.text, activity.edited_at = _words(text), timezone.now()
    if at is not None:
        activity.at = _moment(at)
    activity.clean_fields(exclude=["company", "lead", "deal", "actor"])
    activity.save(update_fields=["text", "at", "edited_at"])
    _mention(activity, actor)
    return activity


@transaction.atomic
def delete_note(activity: Activity, actor: Actor) -> None:
    """Take back what one has written."""
    _own(activity, actor).delete()


def is_own(activity: Activity, user: User | None) -> bool:
    """Whether this person wrote it; what the product notes is nobody's."""
    return activity.kind in WRITTEN_BY_PEOPLE and user is not None and activity.actor_id == user.pk


def _own(activity: Activity, actor: Actor) -> Activity:
    if not (is_own(activity, actor.user) or _is_by_key(activity, actor)):
        raise Conflict(_("Only who wrote this can change it."), code="not_yours")
    return Activity.objects.select_for_update(of=("self",)).get(pk=activity.pk)


def _is_by_key(activity: Activity, actor: Actor) -> bool:
    """Whether the API key that asks wrote it. Keys are told apart by name, which only admins give."""
    if activity.kind not in WRITTEN_BY_PEOPLE or actor.channel != "api" or actor.user is not None:
        return False
    return activity.actor_id is None and activity.actor_label == actor.label


def _words(text: str) -> str:
    if not text.strip():
        raise ValidationError({"text": _("Write something first.")})
    return text.strip()


def _moment(at: datetime | None) -> datetime:
    try:
        return cleaning.moment(at, timezone.now())
    except ValidationError as error:
        raise ValidationError({"at": error.error_list}) from error


def _mention(activity: Activity, actor: Actor) -> None:
    """Keep who is named in it, and tell those who were not before."""
    named = {user.pk: user for user in mentions.members_in(activity.text)}
    known = set(activity.mentions.values_list("user_id", flat=True))
    activity.mentions.exclude(user__in=named).delete()
    for pk, user in named.items():
        if pk in known:
            continue
        Mention.objects.create(company_id=activity.company_id, activity=activity, user=user)
        if user != actor.user:
            fact = MentionFact(activity, user, actor.user)
            signals.member_mentioned.send(sender=Activity, fact=fact)


def touch(lead: Lead | None, at: datetime) -> None:
    """Move the lead's last touch forward, never back."""
    if lead is None or lead.last_touch_at >= at:
        return
    lead.last_touch_at = at
    lead.save(update_fields=["last_touch_at"])
