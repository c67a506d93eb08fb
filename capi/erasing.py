"""The LinkedIn side of an erasure: what waits is cancelled, what was sent is forgotten, what is on its way is awaited.

Every event about the person is marked with the erasure, and a marked event is never taken again. `close` tidies one
whose request has ended since: its answer counts, its words go.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from capi import payload
from capi.models import WAITING, Attempt, ConversionEvent, ConversionEventQuerySet, Delivery, Status
from capi.wording import sentence
from crm.actions import erase
from crm.models import Company, Erasure, Lead

_PRUNED_AT_ONCE = 1000
_STRIPPED_AT_ONCE = 5000


def forget(lead: Lead, erasure: Erasure, now: datetime) -> None:
    """Mark, cancel and scrub all events about a lead, in the transaction of the erasure."""
    about = ConversionEvent.objects.filter(Q(lead=lead) | Q(told_lead=lead))
    about.update(erasure=erasure, changed_at=now)
    marked = ConversionEvent.objects.filter(erasure=erasure)
    _rename(marked, lead)
    _scrub(marked, now)


def close(events: ConversionEventQuerySet, company: Company, now: datetime) -> None:
    """Those of these events that are about an erased person, and that are on their way no more."""
    ended = events.exclude(erasure=None).exclude(status=Status.SENDING)
    if _scrub(ended, now):
        transaction.on_commit(lambda: erase.finish(company))


def is_on_its_way(erasure: Erasure, now: datetime) -> bool:
    """Whether a request with one of its events may still be under way. Ended leases are no more: nobody writes back."""
    sending = ConversionEvent.objects.filter(erasure=erasure, status=Status.SENDING)
    ended = sending.filter(lease_until__lte=now)
    with transaction.atomic():
        ended.update(
            status=Status.CANCELLED,
            reason="erased",
            message=sentence("erased"),
            lease=None,
            lease_until=None,
            changed_at=now,
        )
    return sending.exists()


def strip_settled(before: datetime, *, dry_run: bool) -> int:
    """Take what identifies the person off events that were settled before then; their counts stay."""
    old = ConversionEvent.objects.filter(changed_at__lt=before).exclude(status__in=(*WAITING, Status.SENDING))
    kept = old.exclude(element="", identifiers=[])
    if dry_run:
        return kept.count()
    # In parts: all of a long log in one statement would be broken off, each night again.
    count, last = 0, UUID(int=0)
    while ids := list(
        kept.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_STRIPPED_AT_ONCE]
    ):
        # Asked for once more: what somebody resends in this moment waits again.
        count += kept.filter(pk__in=ids).update(element="", identifiers=[])
        last = ids[-1]
    return count


def prune_attempts(before: datetime) -> int:
    """Delete the requests of before then, with their answers; how often each event was tried stays with the event."""
    old, count = Attempt.objects.filter(at__lt=before).order_by("at"), 0
    while ids := list(old.values_list("pk", flat=True)[:_PRUNED_AT_ONCE]):
        with transaction.atomic():
            Delivery.objects.filter(attempt__in=ids).delete()
            Attempt.objects.filter(pk__in=ids).delete()
        count += len(ids)
    return count


def _scrub(events: ConversionEventQuerySet, now: datetime) -> int:
    """Take away what identifies the person; what waits is cancelled. An element on its way is in memory only."""
    count = events.update(element="", identifiers=[], told_lead=None)
    if not count:
        return 0
    events.filter(status__in=WAITING).update(
        status=Status.CANCELLED, held_by="", reason="erased", message=sentence("erased"), changed_at=now
    )
    # LinkedIn's own words are redacted when they are stored; here even what is left of them goes.
    own_words = events.exclude(message="").exclude(reason="erased").exclude(reason="")
    own_words.filter(status__in=(Status.REJECTED, Status.EXPIRED, Status.SKIPPED)).update(
        message=sentence("erased")
    )
    parts = Delivery.objects.filter(event__in=events.values("pk")).exclude(message="")
    parts.update(message=sentence("erased"))
    alone = Attempt.objects.filter(deliveries__event__in=events.values("pk"), size=1).exclude(message="")
    Attempt.objects.filter(pk__in=list(alone.values_list("pk", flat=True))).update(message=sentence("erased"))
    return count


def _rename(events: ConversionEventQuerySet, lead: Lead) -> None:
    """The id that the person's browser gave the event becomes the one derived from our own ids."""
    if not lead.browser_event_id:
        return
    for event in events.filter(event_id=lead.browser_event_id):
        derived = payload.event_id(
            event.company_id, event.conversion_id, event.event, lead.pk, event.occurrence
        )
        ConversionEvent.objects.filter(pk=event.pk).update(event_id=derived)
