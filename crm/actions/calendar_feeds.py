"""The secret address by which a calendar program reads somebody's tasks: made, exchanged, taken away, looked up."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import audit, ics
from crm.access import Principal
from crm.actor import Actor
from crm.languages import speaking_to
from crm.models import CalendarFeed, Company, Membership, Priority, Task, User
from crm.tenancy import company_scope

MOST: Final = 1000
_ID_LENGTH: Final = 32
_RFC_PRIORITIES: Final = {Priority.HIGH: 1, Priority.NORMAL: 5, Priority.LOW: 9}


@transaction.atomic
def make_feed(company: Company, user: User, actor: Actor) -> str:
    """A new secret; the one before it stops working. It is shown this once."""
    token = f"{company.pk.hex}{secrets.token_urlsafe(32)}"
    CalendarFeed.objects.filter(user=user).delete()
    CalendarFeed.objects.create(company=company, user=user, digest=_digest(token))
    audit.record(actor, "feed_made", user, company=company)
    return token


@transaction.atomic
def end_feed(company: Company, user: User, actor: Actor) -> None:
    """The address stops working. There is none: nothing happens."""
    deleted, _ = CalendarFeed.objects.filter(user=user).delete()
    if deleted:
        audit.record(actor, "feed_ended", user, company=company)


def find(token: str) -> Principal | None:
    """Whose feed it is, in which company; None for a wrong token, and for who is no active member any more.

    A token begins with the id of its company, so that no other company's rows need be looked at.
    """
    company = _company(token[:_ID_LENGTH])
    if company is None:
        return None
    with company_scope(company):
        feed = CalendarFeed.objects.filter(digest=_digest(token)).first()
        members = Membership.objects.active().select_related("user")
        membership = members.filter(user=feed.user_id).first() if feed else None
    return Principal(company, membership.user, membership.role) if membership else None


def _company(text: str) -> Company | None:
    try:
        return Company.objects.filter(pk=UUID(text)).first()
    except ValueError:
        return None


def calendar_of(principal: Principal) -> str:
    """Somebody's open tasks as a calendar. Runs in the scope of the company."""
    tasks = principal.tasks().assigned_to(principal.user).open().exclude(due_on=None).soonest()[:MOST]
    zone = ZoneInfo(principal.company.time_zone)
    with speaking_to(principal.user, principal.company):
        name = _("Tasks, {company}").format(company=principal.company)
    return ics.calendar(name, [_event(task, zone) for task in tasks])


def _event(task: Task, zone: ZoneInfo) -> ics.Event:
    assert task.due_on is not None
    start = dt.datetime.combine(task.due_on, task.due_time, zone) if task.due_time else task.due_on
    return ics.Event(
        uid=f"{task.pk}@leadmachine",
        summary=task.title,
        start=start,
        changed_at=task.updated_at,
        url=f"{settings.PUBLIC_URL}{reverse('task', args=[task.pk])}",
        priority=_RFC_PRIORITIES[Priority(task.priority)],
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
