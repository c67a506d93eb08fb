"""Writes the sample company's past in bulk: the rows that `crm.actions` would have written at the time.

Nothing here fires an event: history is not news. What LinkedIn was told of it is `log`'s part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Any
from uuid import UUID

from django.utils.text import slugify

from capi.models import CrmEvent
from crm.mass_insert import Table
from crm.models import (
    Activity,
    Company,
    Consent,
    Deal,
    DealPerson,
    DealStageChange,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    LeadType,
    Organization,
    Stage,
    StageKind,
    StatusCategory,
    Tag,
    User,
)
from crm.models.activity import ActivityKind
from leadmachine.demo import cast


@dataclass(frozen=True)
class Fact:
    """Something that LinkedIn may have been told. `story` says what came of it, where that is not the usual."""

    event: CrmEvent
    lead: Lead
    at: datetime
    deal: Deal | None = None
    occurrence: int = 1
    story: str = ""


# Parents first.
_MODELS = (
    Organization,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadTag,
    LeadStatusChange,
    Deal,
    DealPerson,
    DealStageChange,
    Activity,
)


@dataclass
class World:
    """A sample company as it is being written: what it has, and the rows that wait to be inserted."""

    company: Company
    now: datetime
    rng: Random
    users: list[User]
    statuses: dict[str, LeadStatus] = field(default_factory=dict)
    types: dict[str, LeadType] = field(default_factory=dict)
    tags: list[Tag] = field(default_factory=list)
    stages: dict[str, Stage] = field(default_factory=dict)
    firms: dict[str, Organization] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    _tables: dict[type, Table] = field(default_factory=lambda: {model: Table(model) for model in _MODELS})
    _unwritten: list[Lead | Deal] = field(default_factory=list)
    _staff: dict[UUID, list[Lead]] = field(default_factory=dict)
    _names_given: dict[str, int] = field(default_factory=dict)

    def look_around(self) -> None:
        """Read what every new company is seeded with."""
        self.statuses = {status.key: status for status in LeadStatus.objects.all()}
        self.types = {kind.key: kind for kind in LeadType.objects.all()}
        self.tags = list(Tag.objects.filter(name_key__in=cast.TAGS))
        sales = Stage.objects.filter(pipeline__key="sales").select_related("pipeline")
        self.stages = {stage.key: stage for stage in sales}

    def identity(self, at: datetime) -> UUID:
        """A UUIDv7 of that moment, so that ids are in the order in which things happened."""
        stamp = int(at.timestamp() * 1000) << 80
        low = 0b10 << 62 | self.rng.getrandbits(62)
        return UUID(int=stamp | 0x7 << 76 | self.rng.getrandbits(12) << 64 | low)

    def later(self, at: datetime, low_hours: float, high_hours: float) -> datetime:
        """A working hour, between so many hours after `at`, or soon after that."""
        moment = at + timedelta(hours=self.rng.uniform(low_hours, high_hours))
        if not 7 <= moment.hour < 18:
            opening = moment.replace(hour=7, minute=0) + timedelta(days=1 if moment.hour >= 18 else 0)
            moment = opening + timedelta(minutes=self.rng.uniform(5, 400))
        if moment.weekday() > 4:
            moment += timedelta(days=7 - moment.weekday())
        return moment

    # --- organizations

    def firm(self, firm: cast.Firm) -> Organization:
        """The organization of that name, made when it is first met."""
        known = self.firms.get(firm.name)
        if known is None:
            known = Organization(
                id=self.identity(self.now - timedelta(days=190)),
                company=self.company,
                name=firm.name,
                name_key=firm.name.lower()[:160],
                domain=firm.domain,
                is_sample=True,
                created_at=self.now - timedelta(days=190),
            )
            self.firms[firm.name] = known
            self._tables[Organization].add_instance(known)
        return known

    # --- leads

    def lead(
        self,
        first_name: str,
        last_name: str,
        firm: cast.Firm | None,
        door: cast.Door,
        at: datetime,
        owner: User | None,
        *,
        with_email: bool = True,
        domain: str = "",
        **fields: Any,
    ) -> Lead:
        """Somebody becomes a lead, with a history and a line of their timeline."""
        rng = self.rng
        lead: Lead = self._tables[Lead].instance(
            id=self.identity(at),
            company_id=self.company.pk,
            first_name=first_name,
            last_name=last_name,
            country_code=firm.country if firm else "",
            source=door.source,
            occurred_at=at,
            status_since=at,
            last_touch_at=at,
            created_at=at,
            updated_at=self.now,
            origin="demo",
            is_sample=True,
            status_id=None,
            **fields,
        )
        lead.organization = self.firm(firm) if firm else None
        lead.status, lead.lead_type, lead.owner = self.statuses["new"], self.types[door.lead_type], owner
        self._set_consent(lead, door, at)
        self._set_attribution(lead, door, at)
        self._unwritten.append(lead)
        if lead.organization:
            self._staff.setdefault(lead.organization.pk, []).append(lead)
        if with_email:
            self._add_email(lead, domain or (firm.domain if firm else "mail.example"))
        if firm and rng.random() < 0.55:
            self._add_phone(lead)
        if rng.random() < 0.25:
            self._add(LeadTag, at, lead_id=lead.pk, tag_id=rng.choice(self.tags).pk)
        self._status_change(lead, None, lead.status, at, None)
        self._line(ActivityKind.CREATED, at, None, lead, new=lead.source)
        self.facts.append(Fact(CrmEvent.LEAD_CREATED, lead, at))
        return lead

    def move_lead(self, lead: Lead, key: str, at: datetime, by: User | None) -> None:
        """Change a lead's status."""
        before, after = lead.status, self.statuses[key]
        lead.status, lead.status_since = after, at
        lead.last_touch_at = max(lead.last_touch_at, at)
        self._status_change(lead, before, after, at, by)
        self._line(ActivityKind.STATUS, at, by, lead, old=before.name, new=after.name)
        if after.category == StatusCategory.QUALIFIED and lead.qualified_at is None:
            lead.qualified_at = at
            self.facts.append(Fact(CrmEvent.LEAD_QUALIFIED, lead, at))

    def say(self, lead: Lead, deal: Deal | None, at: datetime, by: User | None) -> None:
        """Somebody writes down a note, call, meeting or e-mail."""
        kind = self.rng.choice(("note", "note", "call", "call", "meeting", "email"))
        text = self.rng.choice(cast.SAYINGS[kind])
        firm = lead.organization.name if lead.organization else "the company"
        self._line(ActivityKind(kind), at, by, lead, deal, text=text.format(first=lead.first_name, firm=firm))
        lead.last_touch_at = max(lead.last_touch_at, at)

    # --- deals

    def deal(
        self, lead: Lead, title: str, amount: Decimal, at: datetime, by: User | None, **fields: Any
    ) -> Deal:
        """A deal is opened in the first stage of Sales."""
        stage = self.stages["qualification"]
        deal = Deal(
            id=self.identity(at),
            company=self.company,
            title=title,
            lead=lead,
            organization=lead.organization,
            amount=amount,
            currency=cast.CURRENCY.get(lead.country_code, "EUR"),
            pipeline=stage.pipeline,
            stage=stage,
            owner=lead.owner,
            stage_since=at,
            occurred_at=at,
            created_at=at,
            updated_at=self.now,
            origin="demo",
            is_sample=True,
            **fields,
        )
        self._unwritten.append(deal)
        self._stage_change(deal, None, at, by)
        self._line(ActivityKind.CREATED, at, by, lead, deal, new=title)
        lead.last_touch_at = max(lead.last_touch_at, at)
        self.facts.append(Fact(CrmEvent.DEAL_CREATED, lead, at, deal))
        return deal

    def move_deal(self, deal: Deal, key: str, at: datetime, by: User | None, reason: str = "") -> None:
        """Move a deal to another stage of Sales."""
        lead, before, after = deal.lead, deal.stage, self.stages[key]
        if lead is None:
            raise ValueError("Every sample deal has a lead.")
        deal.stage, deal.status, deal.stage_since = after, after.kind, at
        deal.won_at = at if after.kind == StageKind.WON else None
        deal.lost_at = at if after.kind == StageKind.LOST else None
        deal.close_reason = reason if after.kind != StageKind.OPEN else ""
        self._stage_change(deal, before, at, by)
        self._line(
            ActivityKind.STAGE, at, by, lead, deal, old=before.name, new=after.name, text=deal.close_reason
        )
        lead.last_touch_at = max(lead.last_touch_at, at)
        if after.kind == StageKind.WON:
            self.facts.append(Fact(CrmEvent.DEAL_WON, lead, at, deal))

    def involve_colleague(self, deal: Deal, role: str) -> None:
        """Somebody else of the same firm takes part in the deal, if anybody is known."""
        staff = self._staff.get(deal.organization_id, []) if deal.organization_id else []
        colleague = next((lead for lead in staff if lead != deal.lead), None)
        if colleague:
            self._add(DealPerson, deal.occurred_at, deal_id=deal.pk, lead_id=colleague.pk, role=role)

    # --- writing

    def insert(self) -> None:
        """Insert what was built since the last time."""
        for record in self._unwritten:
            self._tables[type(record)].add_instance(record)
        for table in self._tables.values():
            table.flush()
        self._unwritten.clear()
        self._staff.clear()

    def _add(self, model: type, at: datetime, /, **values: Any) -> None:
        self._tables[model].add(id=self.identity(at), company_id=self.company.pk, **values)

    def _set_consent(self, lead: Lead, door: cast.Door, at: datetime) -> None:
        chance = self.rng.random()
        if chance < door.granted:
            lead.consent, lead.consent_source, lead.consent_text_version = (
                Consent.GRANTED,
                door.consent_source,
                "v3",
            )
            lead.consent_at = at
        elif chance > 1 - door.denied:
            lead.consent, lead.consent_source, lead.consent_at = Consent.DENIED, door.consent_source, at

    def _set_attribution(self, lead: Lead, door: cast.Door, at: datetime) -> None:
        rng = self.rng
        if door.medium:
            paid = door.medium == "paid-social"
            lead.utm_source, lead.utm_medium = ("linkedin" if paid else "website"), door.medium
            lead.utm_campaign = rng.choice(cast.CAMPAIGNS) if paid else ""
            lead.landing_page = f"https://halden.example{rng.choice(cast.PAGES)}"
            lead.referrer = "https://www.linkedin.com/" if paid else ""
        if rng.random() < door.click_id:
            lead.li_fat_id = str(UUID(int=rng.getrandbits(128), version=4))
            lead.li_fat_id_captured_at = at - timedelta(minutes=rng.uniform(1, 60 * 24 * 9))
        if door.source == "LinkedIn form":
            lead.lead_gen_response = f"{UUID(int=rng.getrandbits(128), version=4)}-6"

    def _add_email(self, lead: Lead, domain: str) -> None:
        local = f"{_ascii(lead.first_name)}.{_ascii(lead.last_name)}@{domain}"
        given = self._names_given[local] = self._names_given.get(local, 0) + 1
        address = local if given == 1 else local.replace("@", f"{given}@")
        self._add(
            LeadEmail,
            lead.occurred_at,
            lead_id=lead.pk,
            address=address,
            address_key=address,
            label="work",
            is_primary=True,
        )

    def _add_phone(self, lead: Lead) -> None:
        digits = cast.DIALLING.get(lead.country_code, "49") + str(self.rng.randrange(10**8, 10**9))
        number = f"+{digits[:-9]} {digits[-9:-6]} {digits[-6:-3]} {digits[-3:]}"
        self._add(LeadPhone, lead.occurred_at, lead_id=lead.pk, number=number, digits=digits, label="work")

    def _status_change(
        self, lead: Lead, before: LeadStatus | None, after: LeadStatus, at: datetime, by: User | None
    ) -> None:
        self._add(
            LeadStatusChange,
            at,
            lead_id=lead.pk,
            from_status_id=before.pk if before else None,
            to_status_id=after.pk,
            to_category=after.category,
            actor_id=by.pk if by else None,
            at=at,
        )

    def _stage_change(self, deal: Deal, before: Stage | None, at: datetime, by: User | None) -> None:
        self._add(
            DealStageChange,
            at,
            deal_id=deal.pk,
            from_stage_id=before.pk if before else None,
            to_stage_id=deal.stage.pk,
            from_kind=before.kind if before else "",
            to_kind=deal.stage.kind,
            actor_id=by.pk if by else None,
            at=at,
        )

    def _line(
        self,
        kind: ActivityKind,
        at: datetime,
        by: User | None,
        lead: Lead,
        deal: Deal | None = None,
        **words: str,
    ) -> None:
        self._add(
            Activity,
            at,
            lead_id=lead.pk,
            deal_id=deal.pk if deal else None,
            kind=kind,
            actor_id=by.pk if by else None,
            actor_label="" if by else "Web site",
            at=at,
            **words,
        )


@lru_cache(maxsize=1000)
def _ascii(name: str) -> str:
    """As it would stand in an e-mail address."""
    for letter, plain in (("ø", "o"), ("Ø", "O"), ("ł", "l"), ("Ł", "L"), ("’", ""), ("ß", "ss")):
        name = name.replace(letter, plain)
    return slugify(name).replace("-", "") or "info"
