"""Tells people of what is due: a notification for each task, one mail in the morning. Doing it twice is harmless."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from smtplib import SMTPException
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from crm import mails
from crm.access import Principal
from crm.actions.notifications import notify
from crm.models import Company, DigestMailed, Membership, Notification, Task
from crm.models.notification import NotificationKind
from crm.models.task import is_overdue
from crm.tenancy import company_scope

# A task with an hour is announced so long before; one without at eight, when the digest leaves, too.
AHEAD: Final = dt.timedelta(minutes=15)
MORNING: Final = dt.time(8)
# Who was down at eight still mails it in the morning, and not in the evening.
NOON: Final = dt.time(12)
MOST: Final = 20
_BATCH: Final = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Digest:
    """What somebody has before them in the morning."""

    membership: Membership
    overdue: tuple[Task, ...]
    today: tuple[Task, ...]
    unread: int

    @property
    def is_empty(self) -> bool:
        return not (self.overdue or self.today or self.unread)


def remind_everywhere() -> int:
    """`remind` for every company."""
    return sum(remind(company) for company in Company.objects.all())


def remind(company: Company, now: dt.datetime | None = None) -> int:
    """Tell people of their tasks that are due now, each once for each day and hour it is put to; returns how many."""
    now = now or company.local_now()
    soon = now + AHEAD
    # An hour just after midnight is announced the evening before.
    due = Q(due_on=soon.date(), due_time__lte=soon.time())
    if now.time() >= MORNING:
        due |= Q(due_on=now.date(), due_time=None)
    told = 0
    with company_scope(company):
        waiting = Task.objects.current().open().filter(due)
        for task in waiting.prefetch_related("assignees__user").iterator(chunk_size=_BATCH):
            hour = f", {task.due_time:%H:%M}" if task.due_time else ""
            key = f"due:{task.pk}:{task.due_on}:{task.due_time or ''}"
            for user in task.people:
                if not Notification.objects.filter(user=user, key=key).exists():
                    text = format_lazy(_("“{task}” is due today{hour}."), task=task.title, hour=hour)
                    told += bool(notify(user, company, NotificationKind.DUE, text, about=task, key=key))
    return told


def mail_digests_everywhere() -> int:
    """`mail_digests` for every company; without a mail server nothing happens."""
    return sum(mail_digests(company) for company in Company.objects.all()) if settings.MAILS else 0


def mail_digests(company: Company, now: dt.datetime | None = None) -> int:
    """Between eight and noon of the company, mail each member what the day holds; once a day. Returns how many left.

    The row that says so is written before the mail leaves: a crash between them costs a mail and never makes two.
    """
    now = now or company.local_now()
    if not settings.MAILS or not MORNING <= now.time() < NOON:
        return 0
    with company_scope(company):
        dealt_with = DigestMailed.objects.filter(day=now.date()).values("user")
        members = Membership.objects.active().filter(wants_digest=True).exclude(user__in=dealt_with)
        return sum(_mail(membership, now) for membership in members.select_related("user", "company"))


def digest_of(membership: Membership, now: dt.datetime) -> Digest:
    """What is before somebody: their tasks that are late, those of today, and how much they have not read."""
    principal = Principal(membership.company, membership.user, membership.role)
    tasks = principal.tasks().assigned_to(membership.user).open().soonest().for_list()
    late = is_overdue(now)
    return Digest(
        membership,
        tuple(tasks.filter(late)[:MOST]),
        tuple(tasks.filter(due_on=now.date()).exclude(late)[:MOST]),
        Notification.objects.of(membership.user).unread().count(),
    )


def _mail(membership: Membership, now: dt.datetime) -> bool:
    row, is_ours = DigestMailed.objects.get_or_create(
        company=membership.company, user=membership.user, day=now.date()
    )
    digest = digest_of(membership, now)
    if not is_ours or digest.is_empty:
        return False
    try:
        mails.send_digest(digest.membership, digest, now)
    except (SMTPException, OSError) as error:
        logger.warning("A digest did not leave (%s). It is tried again.", type(error).__name__)
        row.delete()
        return False
    return True
