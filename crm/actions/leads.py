"""The only door for changes to leads. Every change commits with its history, timeline and conversion events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, cleaning, signals
from crm.actions import automations, bulk, custom, notifications, organizations, timeline
from crm.actions.owners import check_owner, default_owner
from crm.actor import Actor
from crm.attribution import FIELDS
from crm.models import (
    Company,
    Consent,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    LeadType,
    LeadWebsite,
    StatusCategory,
    Tag,
    User,
)
from crm.models.activity import ActivityKind
from crm.signals import LeadFact
from crm.texts import as_stored


@dataclass(frozen=True)
class EmailEntry:
    """An address of a lead; the first of a list is the primary one."""

    address: str
    label: str = ""


@dataclass(frozen=True)
class PhoneEntry:
    """A phone number of a lead, as typed."""

    number: str
    label: str = ""


@dataclass(frozen=True)
class WebsiteEntry:
    """A web site of a lead; https is meant where nothing is said."""

    url: str
    label: str = ""


class Attribution(TypedDict, total=False):
    """Where a lead came from. `event_id` is the id the browser gave LinkedIn's Insight Tag."""

    li_fat_id: str
    li_fat_id_captured_at: datetime | None
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    referrer: str
    landing_page: str
    first_touch: Mapping[str, str]
    event_id: str
    lead_gen_response: str


class LeadChanges(TypedDict, total=False):
    """What may be said of a lead, at creation or later. A key that is absent is left as it is.

    `email` sets the primary address and keeps the others; `emails` replaces all of them.
    """

    first_name: str
    last_name: str
    title: str
    organization: str
    country_code: str
    status: LeadStatus
    lead_type: LeadType | None
    source: str
    owner: User | None
    email: str
    emails: Sequence[EmailEntry]
    phones: Sequence[PhoneEntry]
    websites: Sequence[WebsiteEntry]
    tags: Sequence[str]
    consent: str
    consent_source: str
    consent_text_version: str
    consent_at: datetime | None
    external_id: str
    is_test: bool
    attribution: Attribution
    custom: Mapping[str, object]


@dataclass(frozen=True)
class _Consent:
    """What was answered, and how; None where that was not said."""

    answer: str
    source: str | None
    text_version: str | None

    def is_known_of(self, lead: Lead) -> bool:
        """Whether the lead says so already."""
        return (
            self.answer == lead.consent
            and self.source in (None, lead.consent_source)
            and self.text_version in (None, lead.consent_text_version)
        )


_CONSENT_FIELDS = frozenset({"consent", "consent_source", "consent_text_version", "consent_at"})

# Plain columns, with the words the timeline uses for them.
PLAIN_FIELDS = {
    "first_name": "first name",
    "last_name": "last name",
    "title": "title",
    "source": "source",
    "external_id": "external id",
    "country_code": "country",
    "is_test": "test lead",
}
_ATTRIBUTION_FIELDS = (
    "li_fat_id",
    "li_fat_id_captured_at",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "referrer",
    "landing_page",
    "lead_gen_response",
)
_RELATIONS = ["company", "organization", "status", "lead_type", "owner"]


@transaction.atomic
def create_lead(
    company: Company,
    changes: LeadChanges,
    actor: Actor,
    *,
    occurred_at: datetime | None = None,
    reported: bool = True,
    is_sample: bool = False,
) -> Lead:
    """Add a lead and fire `lead_created`; straight into a qualified status also `lead_qualified`.

    `occurred_at` is when they became a lead (aware; default now). `reported=False` keeps LinkedIn out of it.
    Raises ValidationError with a sentence for each wrong field.
    """
    now = timezone.now()
    at = _named("occurred_at", lambda: cleaning.moment(occurred_at, now))
    lead = Lead(company=company, occurred_at=at, origin=actor.channel, is_sample=is_sample)
    lead.status = changes.get("status") or _default_status(company)
    lead.status_since = lead.last_touch_at = at
    lead.source = changes.get("source", company.default_source)
    lead.owner = changes["owner"] if "owner" in changes else default_owner(company, actor)
    lead.lead_type = changes.get("lead_type")
    emails = _wanted_emails(lead, changes)
    check_owner(lead.owner)
    _set_plain_fields(lead, changes)
    rule = None if "owner" in changes else automations.choose_owner(lead, actor)
    _set_attribution(lead, changes.get("attribution", {}))
    if "consent" in changes:
        source, version = changes.get("consent_source"), changes.get("consent_text_version")
        _set_consent_fields(
            lead, _Consent(changes["consent"], source, version), actor, _consent_at(changes) or at
        )
    elif _CONSENT_FIELDS & changes.keys():
        raise ValidationError({"consent": _("Say what was answered, beside its source, text or time.")})
    if changes.get("custom"):
        custom.set_values(lead, changes["custom"])
    lead.organization = organizations.find_or_create(
        company,
        changes.get("organization", ""),
        emails[0].address if emails else "",
        is_sample=is_sample,
    )
    if lead.status.category == StatusCategory.QUALIFIED:
        lead.qualified_at = at
    _save(lead)
    lead.written_emails = _add_emails(lead, emails) if emails else []
    if changes.get("phones"):
        _add_phones(lead, changes["phones"])
    if changes.get("websites"):
        _add_websites(lead, changes["websites"])
    if changes.get("tags"):
        _replace_tags(lead, changes["tags"])
    _record_status(lead, None, actor, at)
    timeline.record(lead, ActivityKind.CREATED, actor, at, new=lead.source)
    signals.lead_created.send(sender=Lead, fact=LeadFact(lead, at, reported=reported))
    if lead.qualified_at:
        signals.lead_qualified.send(sender=Lead, fact=LeadFact(lead, at, reported=reported))
    automations.log_assignment(lead, rule)
    notifications.lead_assigned(lead, actor)
    return lead


@transaction.atomic
def update_lead(lead: Lead, changes: LeadChanges, actor: Actor) -> Lead:
    """Change what `changes` names, and write down old and new. Raises ValidationError per field."""
    lead = _locked(lead)
    now = timezone.now()
    before, country, owner = _readable(lead), lead.country_code, lead.owner_id
    emails = _wanted_emails(lead, changes)
    if "owner" in changes:
        check_owner(changes["owner"])
        lead.owner = changes["owner"]
    if "lead_type" in changes:
        lead.lead_type = changes["lead_type"]
    _set_plain_fields(lead, changes)
    _set_attribution(lead, changes.get("attribution", {}))
    customised = custom.set_values(lead, changes["custom"]) if changes.get("custom") else []
    if "organization" in changes:
        lead.organization = organizations.find_or_create(lead.company, changes["organization"])
    lead.last_touch_at = max(lead.last_touch_at, now)
    _save(lead)
    _replace_rows(lead, changes, emails)
    lead = _fresh(lead)
    _record_differences(lead, before, _readable(lead), actor, now)
    _tell_new_owner(lead, owner, actor)
    custom.record_changes(lead, customised, actor, now)
    if lead.country_code != country:
        signals.consent_changed.send(sender=Lead, fact=LeadFact(lead, now))
    if _CONSENT_FIELDS & changes.keys():
        set_consent(
            lead,
            changes.get("consent", lead.consent),
            actor,
            source=changes.get("consent_source"),
            text_version=changes.get("consent_text_version"),
            at=_consent_at(changes),
        )
    if "status" in changes:
        change_status(lead, changes["status"], actor)
    return _fresh(lead)


@transaction.atomic
def change_status(
    lead: Lead, status: LeadStatus, actor: Actor, *, at: datetime | None = None, reported: bool = True
) -> Lead:
    """Move a lead to another status; the first qualified one in its life fires `lead_qualified`."""
    lead = _locked(lead)
    bulk.change_statuses([lead], status, actor, at=at, reported=reported)
    return lead


@transaction.atomic
def set_consent(
    lead: Lead,
    consent: str,
    actor: Actor,
    *,
    source: str | None = None,
    text_version: str | None = None,
    at: datetime | None = None,
) -> Lead:
    """Record that the person granted or denied consent, by which door, to which text and when (default now).

    Said again with nothing new, it changes nothing: what is None stays what it was with the same answer.
    """
    lead = _locked(lead)
    said = _Consent(consent, source, text_version)
    if said.is_known_of(lead) and at in (None, lead.consent_at):
        return lead
    now = timezone.now()
    before = lead.consent
    _set_consent_fields(lead, said, actor, at or now)
    _save(lead)
    with as_stored():
        old, new = (str(Consent(value).label) for value in (before, lead.consent))
    timeline.record(lead, ActivityKind.CONSENT, actor, now, old=old, new=new, text=lead.consent_source)
    audit.record(
        actor, "consent_changed", lead, company=lead.company, changes={"consent": (before, lead.consent)}
    )
    signals.consent_changed.send(sender=Lead, fact=LeadFact(lead, now))
    return lead


@transaction.atomic
def archive_lead(lead: Lead, actor: Actor) -> None:
    """Take a lead out of every list. Its history stays; archived leads are never reported."""
    bulk.archive_leads(lead.company, [_locked(lead)], actor)


@transaction.atomic
def restore_lead(lead: Lead, actor: Actor) -> None:
    """Put an archived lead back into the lists."""
    bulk.restore_leads(lead.company, [_locked(lead)], actor)


def _replace_rows(lead: Lead, changes: LeadChanges, emails: list[EmailEntry] | None) -> None:
    """Addresses, numbers, web sites and tags: those that are named are replaced as a whole."""
    if emails is not None:
        LeadEmail.objects.filter(lead=lead).delete()
        _add_emails(lead, emails)
    if "phones" in changes:
        LeadPhone.objects.filter(lead=lead).delete()
        _add_phones(lead, changes["phones"])
    if "websites" in changes:
        LeadWebsite.objects.filter(lead=lead).delete()
        _add_websites(lead, changes["websites"])
    if "tags" in changes:
        _replace_tags(lead, changes["tags"])


def _locked(lead: Lead) -> Lead:
    """The row as it is now, locked until the transaction ends (SQLite: the write lock is held already)."""
    return Lead.objects.select_for_update(of=("self",)).select_related("status", "company").get(pk=lead.pk)


def _fresh(lead: Lead) -> Lead:
    return Lead.objects.select_related("company", "status", "lead_type", "organization", "owner").get(
        pk=lead.pk
    )


def _default_status(company: Company) -> LeadStatus:
    chosen = company.default_status or LeadStatus.objects.order_by("position").first()
    if chosen is None:
        raise ValidationError({"status": _("This company has no lead status. Add one in Settings.")})
    return chosen


def _set_plain_fields(lead: Lead, changes: LeadChanges) -> None:
    for field in PLAIN_FIELDS:
        if field in changes:
            value = changes[field]  # type: ignore[literal-required]
            setattr(lead, field, value.strip() if isinstance(value, str) else value)
    lead.country_code = _named("country_code", lambda: cleaning.country_code(lead.country_code))


def _set_attribution(lead: Lead, attribution: Attribution) -> None:
    """Set what is named. The first touch is said once: by who knows it, else it is what was known first."""
    if not attribution:
        return
    known = {name: str(getattr(lead, name)) for name in FIELDS if getattr(lead, name)}
    if known and not lead.first_touch:
        lead.first_touch = {"at": (lead.li_fat_id_captured_at or lead.occurred_at).isoformat(), **known}
    if not lead.first_touch and attribution.get("first_touch"):
        lead.first_touch = dict(attribution["first_touch"])
    for field in _ATTRIBUTION_FIELDS:
        if field in attribution:
            setattr(lead, field, attribution[field])  # type: ignore[literal-required]
    if attribution.get("li_fat_id") and not lead.li_fat_id_captured_at:
        lead.li_fat_id_captured_at = timezone.now()
    event_id = attribution.get("event_id", "")
    # A lead is never refused for an id that somebody's script made up: it is simply not used.
    if event_id and _is_usable_event_id(event_id) and not lead.browser_event_id:
        lead.browser_event_id = event_id


def _is_usable_event_id(event_id: str) -> bool:
    allowed = len(event_id) <= 64 and all(c.isascii() and (c.isalnum() or c in "_.:-") for c in event_id)
    return allowed and not Lead.objects.filter(browser_event_id=event_id).exists()


def _consent_at(changes: LeadChanges) -> datetime | None:
    at = changes.get("consent_at")
    return None if at is None else _named("consent_at", lambda: cleaning.moment(at, timezone.now()))


def _set_consent_fields(lead: Lead, said: _Consent, actor: Actor, at: datetime) -> None:
    if said.answer not in Consent.values:
        raise ValidationError({"consent": _("Say granted, denied or unknown.")})
    is_same = lead.consent == said.answer and lead.consent_at is not None
    source, version = (lead.consent_source, lead.consent_text_version) if is_same else (actor.channel, "")
    lead.consent, lead.consent_at = said.answer, at
    lead.consent_source = source if said.source is None else said.source.strip()
    lead.consent_text_version = version if said.text_version is None else said.text_version.strip()


def _wanted_emails(lead: Lead, changes: LeadChanges) -> list[EmailEntry] | None:
    """The full list after the change, primary first and each once; None if no change is asked for."""
    if "emails" not in changes and "email" not in changes:
        return None
    listed = "emails" in changes
    entries = list(changes["emails"]) if listed else _current_emails(lead)
    if "email" in changes:
        # Named alone, the address takes the place of the primary one; beside a list, it leads the list.
        kept = entries if listed else entries[1:]
        entries = [EmailEntry(changes["email"]), *kept] if changes["email"].strip() else kept
    field = "emails" if listed else "email"
    cleaned: dict[str, EmailEntry] = {}
    for entry in entries:
        address = _named(field, lambda entry=entry: cleaning.email(entry.address))
        cleaned.setdefault(address.lower(), EmailEntry(address, entry.label))
    return list(cleaned.values())


def _current_emails(lead: Lead) -> list[EmailEntry]:
    if lead._state.adding:
        return []
    return [EmailEntry(email.address, email.label) for email in lead.emails.all()]


def _add_emails(lead: Lead, entries: Sequence[EmailEntry]) -> list[LeadEmail]:
    rows = [
        LeadEmail(
            company_id=lead.company_id,
            lead=lead,
            address=entry.address,
            address_key=entry.address.lower(),
            label=entry.label,
            is_primary=position == 0,
            position=position,
        )
        for position, entry in enumerate(entries)
    ]
    _check_rows("emails", rows)
    return LeadEmail.objects.bulk_create(rows)


def _add_phones(lead: Lead, entries: Sequence[PhoneEntry]) -> None:
    rows = [
        LeadPhone(
            company_id=lead.company_id,
            lead=lead,
            number=entry.number.strip(),
            digits=cleaning.phone_digits(entry.number),
            label=entry.label,
            position=position,
        )
        for position, entry in enumerate(entries)
    ]
    _check_rows("phones", rows)
    LeadPhone.objects.bulk_create(rows)


def _add_websites(lead: Lead, entries: Sequence[WebsiteEntry]) -> None:
    rows = [
        LeadWebsite(
            company_id=lead.company_id,
            lead=lead,
            url=entry.url.strip() if "://" in entry.url else f"https://{entry.url.strip()}",
            label=entry.label,
            position=position,
        )
        for position, entry in enumerate(entries)
    ]
    if any(not row.url.startswith(("http://", "https://")) for row in rows):
        raise ValidationError({"websites": _("Enter an address that begins with http:// or https://.")})
    _check_rows("websites", rows)
    LeadWebsite.objects.bulk_create(rows)


def _check_rows(field: str, rows: Sequence[LeadEmail | LeadPhone | LeadWebsite]) -> None:
    for row in rows:
        try:
            row.clean_fields(exclude=["company", "lead", "digits"])
        except ValidationError as error:
            raise ValidationError({field: error.messages}) from error


def _replace_tags(lead: Lead, names: Sequence[str]) -> None:
    wanted = {" ".join(name.split()).lower(): " ".join(name.split()) for name in names if name.strip()}
    LeadTag.objects.filter(lead=lead).exclude(tag__name_key__in=wanted).delete()
    kept = set(LeadTag.objects.filter(lead=lead).values_list("tag__name_key", flat=True))
    known = {tag.name_key: tag for tag in Tag.objects.filter(name_key__in=wanted)}
    for key, name in wanted.items():
        if key in kept:
            continue
        tag = known.get(key) or bulk.find_tag(lead.company, name)
        LeadTag.objects.create(company_id=lead.company_id, lead=lead, tag=tag)


def _save(lead: Lead) -> None:
    lead.clean_fields(exclude=_RELATIONS)
    guard: AbstractContextManager[object] = nullcontext()
    if lead.external_id or lead.browser_event_id:  # only these can clash and leave something to be done
        guard = transaction.atomic()
    try:
        with guard:
            lead.save()
    except IntegrityError as error:
        if lead.external_id and "external_id" in str(error):
            raise ValidationError({"external_id": _("Another lead has this external id.")}) from error
        if lead.browser_event_id and "browser_event_id" in str(error):
            lead.browser_event_id = ""  # another request took it first; the derived id is used instead
            lead.save()
            return
        raise


def _record_status(lead: Lead, previous: LeadStatus | None, actor: Actor, at: datetime) -> None:
    LeadStatusChange.objects.create(
        company_id=lead.company_id,
        lead=lead,
        from_status=previous,
        to_status=lead.status,
        to_category=lead.status.category,
        actor=actor.user,
        at=at,
    )


def _readable(lead: Lead) -> dict[str, str]:
    """What the timeline compares: every field in the words a reader sees."""
    shown = {words: _words(getattr(lead, field)) for field, words in PLAIN_FIELDS.items()}
    shown["organization"] = str(lead.organization or "")
    shown["type"] = str(lead.lead_type or "")
    shown["owner"] = str(lead.owner or "")
    shown["e-mail"] = ", ".join(LeadEmail.objects.filter(lead=lead).values_list("address", flat=True))
    shown["phone"] = ", ".join(LeadPhone.objects.filter(lead=lead).values_list("number", flat=True))
    shown["web site"] = ", ".join(LeadWebsite.objects.filter(lead=lead).values_list("url", flat=True))
    shown["tags"] = ", ".join(
        LeadTag.objects.filter(lead=lead).order_by("tag__name").values_list("tag__name", flat=True)
    )
    return shown


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _record_differences(
    lead: Lead, before: dict[str, str], after: dict[str, str], actor: Actor, at: datetime
) -> None:
    for field, new in after.items():
        if before[field] != new:
            timeline.record(lead, ActivityKind.FIELD, actor, at, field=field, old=before[field], new=new)


def _tell_new_owner(lead: Lead, before: Any, actor: Actor) -> None:
    if lead.owner_id != before:
        notifications.lead_assigned(lead, actor)


def _named(field: str, clean: Any) -> Any:
    """Run a cleaner and tie what it says to the field."""
    try:
        return clean()
    except ValidationError as error:
        raise ValidationError({field: error.error_list}) from error
