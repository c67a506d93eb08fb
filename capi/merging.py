"""The LinkedIn side of a merge: the person is told of once, by the survivor's events.

What waits about the loser is cancelled; what LinkedIn has of either counts for the survivor. Events about deals are
not touched but for whose they are: a deal is told of once anyway, and now the survivor is its person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from capi import holds, nudge
from capi.models import Connection, ConversionEvent, ConversionEventQuerySet, CrmEvent, Status
from capi.recording import Occasion, cancel_waiting, record
from capi.wording import sentence
from crm.models import Consent, Lead
from crm.signals import MergeFact

KEPT: Final = "conversions"


def merge(fact: MergeFact, now: datetime) -> None:
    """Cancel, move and tell apart, in the transaction of the merge; what was done is kept for the undo."""
    about = ConversionEvent.objects.filter(lead=fact.loser)
    own = about.filter(deal=None, is_test=False)
    waiting = own.waiting()
    cancelled = _ids(waiting)
    gained = fact.gained_qualified_at and waiting.filter(event=CrmEvent.LEAD_QUALIFIED).exists()
    cancel_waiting(own, "merged", now)
    kept: dict[str, Any] = {
        "lead": _ids(about),
        "told": _ids(ConversionEvent.objects.filter(told_lead=fact.loser)),
        "cancelled": cancelled,
        "skipped": _skip_twins(fact, own, now),
    }
    _hand_over(fact.loser, fact.survivor, kept)
    kept["silenced"] = _silenced(fact)
    kept["recorded"] = _report_qualified(fact) if gained else []
    fact.kept[KEPT] = kept


def undo(fact: MergeFact, now: datetime) -> None:
    """Everybody's events are theirs again; what waited waits, unless LinkedIn has been told meanwhile."""
    kept: dict[str, Any] = fact.kept.get(KEPT, {})
    if not kept:
        return
    recorded = ConversionEvent.objects.filter(pk__in=kept["recorded"])
    cancel_waiting(recorded, "undone", now)
    told = set(recorded.exclude(status=Status.CANCELLED).values_list("rule_id", flat=True))
    _hand_over(fact.survivor, fact.loser, kept)
    cancelled = ConversionEvent.objects.filter(
        pk__in=kept["cancelled"], status=Status.CANCELLED, reason="merged"
    )
    _wait_again(cancelled.exclude(rule__in=told, event=CrmEvent.LEAD_QUALIFIED), now)
    skipped = ConversionEvent.objects.filter(
        pk__in=kept["skipped"], status=Status.SKIPPED, reason="duplicate"
    )
    _wait_again(skipped, now)
    silenced = ConversionEvent.objects.filter(
        pk__in=kept["silenced"], status=Status.CANCELLED, reason="consent_denied"
    )
    _wait_again(silenced, now)
    holds.apply(Connection.objects.first(), now)
    nudge.on_commit(fact.survivor.company_id)


def _ids(events: ConversionEventQuerySet) -> list[str]:
    return [str(pk) for pk in events.values_list("pk", flat=True)]


def _hand_over(giver: Lead, taker: Lead, kept: dict[str, Any]) -> None:
    ConversionEvent.objects.filter(pk__in=kept["lead"], lead=giver).update(lead=taker)
    ConversionEvent.objects.filter(pk__in=kept["told"], told_lead=giver).update(told_lead=taker)


def _skip_twins(fact: MergeFact, theirs: ConversionEventQuerySet, now: datetime) -> list[str]:
    """What waits about the survivor and has been said of the loser, or is being said right now."""
    said = theirs.filter(status__in=(Status.ACCEPTED, Status.SENDING))
    twins: list[str] = []
    for conversion_id, event in said.values_list("conversion_id", "event").distinct():
        waiting = ConversionEvent.objects.filter(
            lead=fact.survivor, deal=None, is_test=False, conversion_id=conversion_id, event=event
        ).waiting()
        twins += _ids(waiting)
        waiting.update(
            status=Status.SKIPPED,
            held_by="",
            reason="duplicate",
            message=sentence("duplicate"),
            changed_at=now,
        )
    return twins


def _silenced(fact: MergeFact) -> list[str]:
    """What waits and is about to be cancelled, because one of the two has said no and they are one."""
    if fact.survivor.consent != Consent.DENIED:
        return []
    theirs = Q(lead=fact.survivor) | Q(told_lead=fact.survivor)
    return _ids(ConversionEvent.objects.filter(theirs).waiting())


def _report_qualified(fact: MergeFact) -> list[str]:
    """The event was cancelled, and it is by the loser that the survivor is qualified: so it is told as such."""
    if fact.gained_qualified_at is None:
        return []
    lead = fact.survivor
    occasion = Occasion(CrmEvent.LEAD_QUALIFIED, lead.company, fact.gained_qualified_at, 1, lead)
    return [str(row.pk) for row in record(occasion)]


def _wait_again(events: ConversionEventQuerySet, now: datetime) -> None:
    events.update(
        status=Status.PENDING,
        reason="",
        message="",
        next_attempt_at=Greatest(Coalesce(F("settles_at"), Value(now)), Value(now)),
        changed_at=now,
    )
