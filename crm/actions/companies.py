"""Makes a company with its defaults, and changes its settings."""

from __future__ import annotations

from typing import TypedDict
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from crm import audit, cleaning, signals
from crm.actions.owners import check_owner
from crm.actor import Actor
from crm.models import (
    Company,
    ConsentPolicy,
    LeadStatus,
    LeadType,
    Pipeline,
    Stage,
    StageKind,
    StatusCategory,
    Tag,
    User,
)
from crm.tenancy import company_scope

STATUSES = (
    ("New", StatusCategory.OPEN, "slate"),
    ("Contacted", StatusCategory.OPEN, "blue"),
    ("Qualified", StatusCategory.QUALIFIED, "violet"),
    ("Proposal", StatusCategory.OPEN, "amber"),
    ("Won", StatusCategory.WON, "green"),
    ("Lost", StatusCategory.LOST, "rose"),
)
# With the default priority, 1 high – 3 low.
TYPES = (
    ("Demo Request", 1),
    ("Download", 3),
    ("Trial", 1),
    ("Contact Form", 2),
    ("Referral", 1),
    ("Event", 2),
    ("Cold Outreach", 3),
)
TAGS = (
    ("Hot Lead", "rose"),
    ("Follow Up", "amber"),
    ("VIP", "violet"),
    ("Newsletter", "slate"),
    ("Cold", "blue"),
    ("Warm", "amber"),
    ("Customer", "green"),
)
_CLOSING = (("Closed Won", StageKind.WON, 100), ("Closed Lost", StageKind.LOST, 0))
# Name, counts as sales, stages with kind and probability in per cent.
PIPELINES: tuple[tuple[str, bool, tuple[tuple[str, StageKind, int], ...]], ...] = (
    (
        "Sales",
        True,
        (
            ("Qualification", StageKind.OPEN, 10),
            ("Discovery", StageKind.OPEN, 20),
            ("Proposal", StageKind.OPEN, 50),
            ("Negotiation", StageKind.OPEN, 75),
            *_CLOSING,
        ),
    ),
    (
        "Onboarding",
        False,
        (
            ("Kick-off", StageKind.OPEN, 20),
            ("Set-up", StageKind.OPEN, 50),
            ("Training", StageKind.OPEN, 80),
            ("Live", StageKind.WON, 100),
            ("Stopped", StageKind.LOST, 0),
        ),
    ),
    (
        "Upsell",
        False,
        (
            ("Idea", StageKind.OPEN, 10),
            ("Offer", StageKind.OPEN, 50),
            ("Negotiation", StageKind.OPEN, 75),
            *_CLOSING,
        ),
    ),
    (
        "Renewal",
        False,
        (
            ("Upcoming", StageKind.OPEN, 60),
            ("In Talks", StageKind.OPEN, 80),
            ("Renewed", StageKind.WON, 100),
            ("Not Renewed", StageKind.LOST, 0),
        ),
    ),
)


class CompanySettings(TypedDict, total=False):
    """The settings an administrator may change. A key that is absent is left as it is."""

    name: str
    currency: str
    time_zone: str
    language: str
    default_status: LeadStatus | None
    default_source: str
    fallback_owner: User | None
    consent_policy: str
    settle_minutes: int
    enhanced_matching: bool
    internal_domains: list[str]


@transaction.atomic
def create_company(name: str, *, is_sample: bool = False, **settings: object) -> Company:
    """A company with statuses, types, tags and pipelines seeded. Raises ValidationError for a bad name."""
    company = Company(name=" ".join(name.split()), is_sample=is_sample)
    for field, value in settings.items():
        setattr(company, field, value)
    company.clean_fields(exclude=["default_status", "fallback_owner"])
    company.save()
    with company_scope(company):
        _seed(company)
    return company


@transaction.atomic
def update_company(company: Company, changes: CompanySettings, actor: Actor) -> Company:
    """Change settings, and write down who did. Raises ValidationError with a sentence for each wrong field."""
    company = Company.objects.select_for_update().get(pk=company.pk)
    before = {field: getattr(company, field) for field in changes}
    for field, value in changes.items():
        setattr(company, field, value)
    errors: dict[str, str] = {}
    if company.time_zone not in available_timezones():
        errors["time_zone"] = _("Enter a time zone such as Europe/Berlin.")
    if company.language not in dict(settings.LANGUAGES):
        errors["language"] = _("Choose one of the languages there are.")
    if not company.name.strip():
        errors["name"] = _("Give the company a name.")
    if company.consent_policy not in ConsentPolicy.values:
        errors["consent_policy"] = _("Say send, hold_eea or hold.")
    if errors:
        raise ValidationError(errors)
    try:
        cleaning.currency(company.currency)
    except ValidationError as error:
        raise ValidationError({"currency": error.error_list}) from error
    if changes.get("fallback_owner"):
        check_owner(changes["fallback_owner"])
    company.internal_domains = [_domain(entry) for entry in company.internal_domains]
    company.clean_fields(exclude=["default_status", "fallback_owner"])
    company.save()
    told = audit.differences(before, {field: getattr(company, field) for field in changes})
    with company_scope(company):
        audit.record(actor, "settings_changed", company, company=company, changes=told)
    signals.company_changed.send(sender=Company, company=company)
    return company


@transaction.atomic
def require_second_step(company: Company, wanted: bool, actor: Actor) -> Company:
    """Ask every member for a second step, or stop asking. Who has none is led to set one up."""
    company = Company.objects.select_for_update().get(pk=company.pk)
    before, company.mfa_required = company.mfa_required, wanted
    company.save(update_fields=["mfa_required"])
    if before != wanted:
        changes = {"mfa_required": (before, wanted)}
        audit.record(actor, "settings_changed", company, company=company, changes=changes)
    return company


def _domain(entry: object) -> str:
    text = str(entry).strip().lower().removeprefix("@")
    if not text or "." not in text or len(text) > 253 or any(c.isspace() or c in "@/\x00" for c in text):
        raise ValidationError({"internal_domains": _("Enter domains such as example.com.")})
    return text


def _seed(company: Company) -> None:
    LeadStatus.objects.bulk_create(
        LeadStatus(
            company=company, name=name, key=slugify(name), category=category, colour=colour, position=position
        )
        for position, (name, category, colour) in enumerate(STATUSES)
    )
    LeadType.objects.bulk_create(
        LeadType(company=company, name=name, key=slugify(name), priority=priority, position=position)
        for position, (name, priority) in enumerate(TYPES)
    )
    Tag.objects.bulk_create(
        Tag(company=company, name=name, name_key=name.lower(), colour=colour) for name, colour in TAGS
    )
    for position, (name, counts_as_sales, stages) in enumerate(PIPELINES):
        pipeline = Pipeline.objects.create(
            company=company,
            name=name,
            key=slugify(name),
            counts_as_sales=counts_as_sales,
            position=position,
        )
        Stage.objects.bulk_create(
            Stage(
                company=company,
                pipeline=pipeline,
                name=stage,
                key=slugify(stage),
                kind=kind,
                probability=probability,
                position=place,
            )
            for place, (stage, kind, probability) in enumerate(stages)
        )
    company.default_status = LeadStatus.objects.get(key="new")
    company.save(update_fields=["default_status"])
