"""The only door for telling people something in the product."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from crm import signals
from crm.actions.owners import is_member
from crm.actor import Actor
from crm.languages import speaking_to
from crm.models import Company, Deal, Lead, Membership, Notification, Task, User
from crm.models.notification import NotificationKind
from crm.signals import MentionFact

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

_SHOWN = 300
# Doors through which many records come at once: who brings them is told by their own report.
_IN_BULK = ("import", "demo")


def notify(
    user: User | None,
    company: Company,
    kind: NotificationKind,
    text: StrOrPromise,
    *,
    about: Lead | Deal | Task | None = None,
    url: str = "",
    actor: Actor | None = None,
    key: str = "",
    is_checked: bool = False,
) -> Notification | None:
    """Tell somebody something. Nobody is told of what they did themselves, nor who is no member; None then.

    `about` makes the link, unless there is a `url`; with a `key` they are told once. `is_checked` says that they are
    known to be a member. A lazy text becomes words in their language. Runs in the company's scope.
    """
    by = actor.user if actor else None
    if user is None or user == by or not (is_checked or is_member(user)):
        return None
    with speaking_to(user, company):
        words = str(text)
    row = Notification(
        company=company,
        user=user,
        kind=kind,
        text=words[:_SHOWN],
        url=url or (_url(about) if about else ""),
        lead=about if isinstance(about, Lead) else None,
        deal=about if isinstance(about, Deal) else None,
        task=about if isinstance(about, Task) else None,
        actor=by,
        key=key,
    )
    if key:
        Notification.objects.bulk_create([row], ignore_conflicts=True)
    else:
        row.save()
    return row


def task_assigned(task: Task, users: Iterable[User], actor: Actor) -> None:
    """Tell people that a task is theirs now."""
    for user in users:
        text = format_lazy(_("{who} gave you the task “{task}”."), who=_name(actor), task=task.title)
        notify(user, task.company, NotificationKind.ASSIGNED, text, about=task, actor=actor)


def lead_assigned(lead: Lead, actor: Actor) -> None:
    """Tell the owner, a member as was checked, that a lead is theirs now; not where leads come by the thousand."""
    if actor.channel not in _IN_BULK and not lead.is_sample:
        text = format_lazy(_("{lead} is your lead now."), lead=str(lead))
        kind = NotificationKind.LEAD
        notify(lead.owner, lead.company, kind, text, about=lead, actor=actor, is_checked=True)


@receiver(signals.member_mentioned)
def on_member_mentioned(fact: MentionFact, **kwargs: object) -> None:
    """Tell whoever is named in a note, if they may see the record."""
    subject = fact.activity.lead or fact.activity.deal
    if subject is None or not _may_see(fact.user, subject):
        return
    who = str(fact.author or "LeadMachine")
    words = format_lazy(_("{who} mentioned you on {record}."), who=who, record=str(subject))
    notify(fact.user, fact.activity.company, NotificationKind.MENTIONED, words, about=subject)


@transaction.atomic
def read(notification: Notification) -> None:
    """Somebody has seen it. Seen already: nothing happens."""
    Notification.objects.unread().filter(pk=notification.pk).update(read_at=timezone.now())


def read_all(user: User) -> int:
    """Somebody has seen them all; returns how many were new."""
    return Notification.objects.of(user).unread().update(read_at=timezone.now())


def _may_see(user: User, subject: Lead | Deal) -> bool:
    from crm.access import Principal

    membership = Membership.objects.active().filter(user=user).select_related("company").get()
    principal = Principal(membership.company, user, membership.role)
    records = principal.deals() if isinstance(subject, Deal) else principal.leads()
    return records.filter(pk=subject.pk).exists()


def _name(actor: Actor) -> str:
    return str(actor.user or actor.label or "LeadMachine")


def _url(about: Lead | Deal | Task) -> str:
    noun = {Lead: "lead", Deal: "deal", Task: "task"}[type(about)]
    return reverse(noun, args=[about.pk])
