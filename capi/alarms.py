"""Tells those who manage LinkedIn what is wrong before they look: in the product and by e-mail, once while it lasts.

`watch` looks every minute at what stops delivery, `look_back` each night at what only days can show. What is found is
a row (`Alarm`); it is closed when it is found no more, and found again within a day it is opened again in silence.
Everything here runs in the company's scope.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from smtplib import SMTPException
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Count, Min, Q
from django.db.models.functions import TruncDate
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from capi import accounting, holds, versions
from capi.models import (
    Alarm,
    AlarmKind,
    Connection,
    ConversionEvent,
    Endpoint,
    Lane,
    LeadForms,
    Rule,
    Status,
)
from capi.told import told
from crm.access import Ability, roles_with
from crm.actions.notifications import notify
from crm.display import number
from crm.languages import speaking_to
from crm.models import Company, Membership
from crm.models.notification import NotificationKind
from crm.texts import as_stored

SILENT: Final = timedelta(hours=6)
FUSES: Final = (1, 7, 14)
VERSION_DAYS: Final = (1, 14, versions.WARN_DAYS)
WEEKS: Final = 4
TIMES: Final = 10
# Below these a day says nothing: ten times three is no alarm, and neither is a Sunday.
LEAST_MANY: Final = 50
LEAST_USUAL: Final = 5
QUIET: Final = timedelta(hours=24)
# By then they have failed for more than half an hour; see capi.lead_forms.
FORMS_FAILED: Final = 5
KEPT: Final = timedelta(days=180)

_PERMISSIONS: Final = ("permission_missing", "not_found")
_WATCHED: Final = (
    AlarmKind.TOKEN,
    AlarmKind.PERMISSION,
    AlarmKind.RULE,
    AlarmKind.VERSION,
    AlarmKind.SILENCE,
    AlarmKind.FUSE,
)
_LOOKED_BACK_AT: Final = (AlarmKind.VOLUME, AlarmKind.ACCOUNTS)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """One thing that is wrong now. `key` is the same for as long as it is the same thing."""

    kind: AlarmKind
    key: str
    say: Callable[[], str]
    """What is wrong, in the language of the moment: of whoever is told, and English for what is kept."""

    @property
    def text(self) -> str:
        with as_stored():
            return self.say()


def watch(company: Company, now: datetime) -> list[Alarm]:
    """Look at what stops delivery; returns the alarms that are new."""
    return _sound(company, _WATCHED, list(_wrong_now(now)), now)


def look_back(company: Company, now: datetime) -> list[Alarm]:
    """Look at what only days can show: the accounts, and yesterday beside the four weeks before it."""
    Alarm.objects.filter(ended_at__lt=now - KEPT).delete()
    return _sound(company, _LOOKED_BACK_AT, [*_accounts(company), *_volume(company, now)], now)


# ── What is wrong ──────────────────────────────────────────────────────────────────────────────────────


def _wrong_now(now: datetime) -> Iterator[Found]:
    connection = Connection.objects.first()
    if connection is not None:
        yield from _connection(connection)
        yield from _version(connection, now)
        yield from _silence(connection, now)
    for rule in Rule.objects.current().exclude(held_reason=""):
        yield Found(AlarmKind.RULE, f"rule:{rule.pk}", partial(_rule_held, rule))
    yield from _fuses(connection, now)
    yield from _forms()


def _forms() -> Iterator[Found]:
    """Leads that do not come in, for half an hour now: the portal's tokens end after 60 days."""
    forms = LeadForms.objects.filter(failures__gte=FORMS_FAILED).first()
    if forms is not None:
        yield Found(
            AlarmKind.TOKEN, "forms", lambda: f"{_('Forms cannot be fetched.')} {told(forms.message)}"
        )


def _connection(connection: Connection) -> Iterator[Found]:
    """A pause by a person is no news to anybody."""
    reason = connection.held_reason
    if reason and reason != holds.PAUSED_BY_PERSON:
        kind = AlarmKind.PERMISSION if reason in _PERMISSIONS else AlarmKind.TOKEN
        yield Found(kind, f"connection:{reason}", partial(told, connection.held_message))


def _version(connection: Connection, now: datetime) -> Iterator[Found]:
    version = settings.LINKEDIN_VERSION
    if held := holds.app_hold(connection.endpoint):
        yield Found(AlarmKind.VERSION, f"version:{version}:refused", partial(told, held.held_message))
        return
    left = versions.days_left(version, now.date())
    if connection.endpoint != Endpoint.LINKEDIN or left is None or left > versions.WARN_DAYS:
        return
    days = next(days for days in VERSION_DAYS if left <= days)
    yield Found(AlarmKind.VERSION, f"version:{version}:{days}", partial(_version_ends, version, max(left, 0)))


def _silence(connection: Connection, now: datetime) -> Iterator[Found]:
    """Something is due, and LinkedIn has taken nothing for hours: either nobody takes it, or the line fails."""
    before = now - SILENT
    if connection.is_held or (connection.last_accepted_at or before) > before:
        return
    due = ConversionEvent.objects.real().filter(status=Status.PENDING, next_attempt_at__lte=now, failures=0)
    untouched = Q(changed_at__lte=before)
    if connection.failures or connection.throttles:
        untouched |= Q(created_at__lte=before)
    if count := due.filter(untouched).count():
        yield Found(AlarmKind.SILENCE, "silence", partial(_silent, count, connection.wait_message))


def _fuses(connection: Connection | None, now: datetime) -> Iterator[Found]:
    """What waits for a person, or for a line that has failed for long, and has little time left."""
    waiting = Q(status=Status.HELD)
    if connection is not None and connection.breaker_open:
        waiting |= Q(status=Status.PENDING)
    groups = (
        ConversionEvent.objects.real()
        .filter(waiting, expires_at__gt=now, expires_at__lte=now + timedelta(days=max(FUSES)))
        .order_by()
        .values("held_by", "reason")
        .annotate(first=Min("expires_at"), count=Count("pk"))
    )
    for group in groups:
        left = group["first"] - now
        days = next(days for days in FUSES if left <= timedelta(days=days))
        key = f"fuse:{days}:{group['held_by']}:{group['reason']}"
        yield Found(AlarmKind.FUSE, key, partial(_burning, group["count"], days))


def _accounts(company: Company) -> Iterator[Found]:
    found = accounting.account(company)
    if found.adds_up:
        return
    logger.error("The conversion events of company %s do not add up: %s", company.pk, found)
    yield Found(AlarmKind.ACCOUNTS, "accounts", partial(_missing, found.created, found.rows))


def _volume(company: Company, now: datetime) -> Iterator[Found]:
    """Yesterday beside the four weeks before: ten times as much, or nothing on a weekday that never is empty."""
    zone = ZoneInfo(company.time_zone)
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    first = yesterday - timedelta(weeks=WEEKS)
    counts = dict(
        ConversionEvent.objects.real()
        .filter(
            lane=Lane.LIVE,
            created_at__gte=datetime.combine(first, time(), zone),
            created_at__lt=datetime.combine(yesterday + timedelta(days=1), time(), zone),
        )
        .order_by()
        .values_list(TruncDate("created_at", tzinfo=zone))
        .annotate(count=Count("pk"))
    )
    seen = counts.pop(yesterday, 0)
    usual = sum(counts.values()) / (WEEKS * 7)
    same_days = [counts.get(yesterday - timedelta(weeks=week), 0) for week in range(1, WEEKS + 1)]
    if seen >= LEAST_MANY and counts and seen >= TIMES * usual:
        yield Found(AlarmKind.VOLUME, f"volume:{yesterday}", partial(_many, seen, usual))
    if not seen and min(same_days) >= LEAST_USUAL:
        yield Found(AlarmKind.VOLUME, f"volume:{yesterday}", partial(_none, min(same_days)))


# ── In words ───────────────────────────────────────────────────────────────────────────────────────────


def _rule_held(rule: Rule) -> str:
    return f"{rule.name}: {told(rule.held_message)}"


def _version_ends(version: str, left: int) -> str:
    text = ngettext(
        "LinkedIn serves API version %(version)s for %(left)d more day. Then every event is held until whoever "
        "runs LeadMachine sets LINKEDIN_VERSION to a newer one.",
        "LinkedIn serves API version %(version)s for %(left)d more days. Then every event is held until whoever "
        "runs LeadMachine sets LINKEDIN_VERSION to a newer one.",
        left,
    )
    return text % {"version": version, "left": left}


def _silent(count: int, wait_message: str) -> str:
    text = ngettext(
        "%(count)d event is due, and LinkedIn has accepted nothing for %(hours)d hours.",
        "%(count)d events are due, and LinkedIn has accepted nothing for %(hours)d hours.",
        count,
    ) % {"count": count, "hours": SILENT.total_seconds() // 3600}
    return f"{text} {told(wait_message)}".strip()


def _burning(count: int, days: int) -> str:
    text = ngettext(
        "%(count)d event waits and can be sent for less than %(days)d more days: LinkedIn takes nothing older "
        "than 90 days.",
        "%(count)d events wait, and the first can be sent for less than %(days)d more days: LinkedIn takes "
        "nothing older than 90 days.",
        count,
    )
    return text % {"count": count, "days": days}


def _missing(created: int, rows: int) -> str:
    text = _(
        "The conversion events do not add up: %(created)d were recorded and %(rows)d are there. "
        "Tell whoever runs LeadMachine."
    )
    return text % {"created": created, "rows": rows}


def _many(seen: int, usual: float) -> str:
    text = _("Yesterday %(seen)d events were recorded. The four weeks before had %(usual)s a day.")
    return text % {"seen": seen, "usual": number(usual, 1)}


def _none(usual: int) -> str:
    text = _(
        "Yesterday no event was recorded. The same day of the four weeks before had %(usual)d at least. "
        "Look whether leads and deals still come in."
    )
    return text % {"usual": usual}


# ── Telling ────────────────────────────────────────────────────────────────────────────────────────────


def _sound(
    company: Company, kinds: Sequence[AlarmKind], found: Sequence[Found], now: datetime
) -> list[Alarm]:
    """Open what is new, close what is over. The row is committed before anything is told: a crash costs a mail."""
    is_open = Alarm.objects.filter(ended_at=None, kind__in=kinds)
    known = set(is_open.values_list("key", flat=True))
    wanted = {one.key: one for one in found}
    if over := known - wanted.keys():
        is_open.filter(key__in=over).update(ended_at=now)
    new = [_open(company, one, now) for key, one in wanted.items() if key not in known]
    raised = [alarm for alarm in new if alarm]
    for alarm in raised:
        _mail(company, alarm, wanted[alarm.key])
    return raised


@transaction.atomic
def _open(company: Company, found: Found, now: datetime) -> Alarm | None:
    """The new alarm; None if it was told of within the last day, or another process tells of it."""
    lately = Alarm.objects.select_for_update().filter(key=found.key, raised_at__gt=now - QUIET).first()
    if lately:
        Alarm.objects.filter(pk=lately.pk).update(ended_at=None, text=found.text[:500])
        return None
    alarm = Alarm(company=company, kind=found.kind, key=found.key, text=found.text[:500], raised_at=now)
    Alarm.objects.bulk_create([alarm], ignore_conflicts=True)
    if not Alarm.objects.filter(pk=alarm.pk).exists():
        return None
    for membership in _managers():
        url = reverse("linkedin_setup")
        key = f"alarm:{alarm.pk}"
        notify(membership.user, company, NotificationKind.ALARM, lazy(found.say, str)(), url=url, key=key)
    return alarm


def _mail(company: Company, alarm: Alarm, found: Found) -> None:
    if not settings.MAILS:
        return
    url = settings.PUBLIC_URL + reverse("linkedin_setup")
    name = " ".join(company.name.split())
    for membership in _managers():
        with speaking_to(membership.user, company):
            context = {"text": found.say(), "company": company, "url": url}
            text = render_to_string("capi/mails/alarm.txt", context)
            subject = f"LinkedIn, {name}: {alarm.get_kind_display()}"
        try:
            send_mail(subject, text, None, [membership.user.email])
        except (SMTPException, OSError) as error:
            logger.warning("The mail about an alarm did not leave (%s).", type(error).__name__)


def _managers() -> list[Membership]:
    managers = Membership.objects.active().filter(role__in=roles_with(Ability.MANAGE), user__is_active=True)
    return list(managers.select_related("user"))
