"""Turns the CRM's facts into conversion events: the only module that knows both vocabularies."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q
from django.dispatch import receiver
from django.utils import timezone

from capi import erasing, holds, merging, nudge, words
from capi.models import ConversionEvent, CrmEvent
from capi.recording import Occasion, cancel_waiting, record_all
from crm import signals
from crm.models import Company, Consent, Erasure, Lead, Tag
from crm.signals import DealFact, LeadFact, MergeFact


@receiver(signals.lead_created, dispatch_uid="capi.lead_created")
def on_lead_created(sender: type, fact: LeadFact, **kwargs: Any) -> None:
    _record_of_lead(CrmEvent.LEAD_CREATED, fact)


@receiver(signals.lead_qualified, dispatch_uid="capi.lead_qualified")
def on_lead_qualified(sender: type, fact: LeadFact, **kwargs: Any) -> None:
    _record_of_lead(CrmEvent.LEAD_QUALIFIED, fact)


@receiver(signals.deal_created, dispatch_uid="capi.deal_created")
def on_deal_created(sender: type, fact: DealFact, **kwargs: Any) -> None:
    _record_of_deal(CrmEvent.DEAL_CREATED, fact)


@receiver(signals.deal_won, dispatch_uid="capi.deal_won")
def on_deal_won(sender: type, fact: DealFact, **kwargs: Any) -> None:
    _record_of_deal(CrmEvent.DEAL_WON, fact)


@receiver(signals.deal_lost, dispatch_uid="capi.deal_lost")
def on_deal_lost(sender: type, fact: DealFact, **kwargs: Any) -> None:
    _record_of_deal(CrmEvent.DEAL_LOST, fact)


@receiver(signals.deal_reopened, dispatch_uid="capi.deal_reopened")
def on_deal_reopened(sender: type, fact: DealFact, **kwargs: Any) -> None:
    """What was not sent yet is no longer true; what LinkedIn has cannot be taken back."""
    outcomes = ConversionEvent.objects.filter(
        deal=fact.deal, event__in=(CrmEvent.DEAL_WON, CrmEvent.DEAL_LOST), is_test=False
    )
    cancel_waiting(outcomes, "undone", timezone.now())


@receiver(signals.consent_changed, dispatch_uid="capi.consent_changed")
def on_consent_changed(sender: type, fact: LeadFact, **kwargs: Any) -> None:
    """Denied: nothing that waits for this person is sent. Granted: what waited for it is due now."""
    lead, now = fact.lead, timezone.now()
    if lead.consent == Consent.DENIED:
        theirs = Q(told_lead=lead) | Q(lead=lead, told_lead=None)
        cancel_waiting(ConversionEvent.objects.filter(theirs), "consent_denied", now)
        return
    holds.let_go_of_consented(lead.company, now)
    nudge.on_commit(lead.company_id)


@receiver(signals.company_changed, dispatch_uid="capi.company_changed")
def on_company_changed(sender: type, company: Company, **kwargs: Any) -> None:
    """The consent policy may let go of what it held."""
    holds.let_go_of_consented(company, timezone.now())
    nudge.on_commit(company.pk)


@receiver(signals.lead_merged, dispatch_uid="capi.lead_merged")
def on_lead_merged(sender: type, fact: MergeFact, **kwargs: Any) -> None:
    """One person now: what waits about the loser is cancelled, the rest is the survivor's."""
    merging.merge(fact, timezone.now())


@receiver(signals.merge_undone, dispatch_uid="capi.merge_undone")
def on_merge_undone(sender: type, fact: MergeFact, **kwargs: Any) -> None:
    """Two again: what waited about them waits again."""
    merging.undo(fact, timezone.now())


@receiver(signals.tag_renamed, dispatch_uid="capi.tag_renamed")
def on_tag_renamed(sender: type, tag: Tag, old: str, **kwargs: Any) -> None:
    """Conditions name tags by name."""
    words.rename_tag(tag, old)


@receiver(signals.word_leaving, dispatch_uid="capi.word_leaving")
def on_word_leaving(sender: type, word: Model, to: Model | None, **kwargs: Any) -> None:
    """Conditions name types, tags and pipelines."""
    words.let_go(word, to)


@receiver(signals.lead_removed, dispatch_uid="capi.lead_removed")
def on_lead_removed(sender: type, fact: LeadFact, **kwargs: Any) -> None:
    """What was not sent yet is about nobody any more; what LinkedIn has cannot be taken back."""
    signals.gather(_cancel_all_of, fact.lead.pk)


def _cancel_all_of(leads: list[UUID]) -> None:
    theirs = ConversionEvent.objects.filter(lead__in=leads, is_test=False)
    cancel_waiting(theirs, "undone", timezone.now())


@receiver(signals.lead_erased, dispatch_uid="capi.lead_erased")
def on_lead_erased(sender: type, lead: Lead, erasure: Erasure, **kwargs: Any) -> None:
    """What waits is cancelled, and what was sent is forgotten."""
    erasing.forget(lead, erasure, timezone.now())


@receiver(signals.erasure_checked, dispatch_uid="capi.erasure_checked")
def on_erasure_checked(sender: type, erasure: Erasure, **kwargs: Any) -> bool:
    """True while a request about the person is on its way to LinkedIn."""
    return erasing.is_on_its_way(erasure, timezone.now())


@receiver(signals.conversions_outlived, dispatch_uid="capi.conversions_outlived")
def on_conversions_outlived(
    sender: type, company: Company, before: datetime, dry_run: bool, **kwargs: Any
) -> int:
    """What LinkedIn forgets after 180 days at the latest, nobody needs to know here for longer."""
    if not dry_run:
        erasing.prune_attempts(before)
    return erasing.strip_settled(before, dry_run=dry_run)


def _record_of_lead(event: CrmEvent, fact: LeadFact) -> None:
    if fact.reported:
        occasion = Occasion(event, fact.lead.company, fact.at, fact.occurrence, fact.lead)
        signals.gather(record_all, occasion)


def _record_of_deal(event: CrmEvent, fact: DealFact) -> None:
    # A deal without a lead is about nobody that LinkedIn could know.
    if fact.reported and fact.deal.lead is not None:
        occasion = Occasion(event, fact.deal.company, fact.at, fact.occurrence, fact.deal.lead, fact.deal)
        signals.gather(record_all, occasion)
