"""How well LinkedIn could recognise a lead, and whether it may be told of them: four ticks and a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.utils import timezone
from django.utils.translation import gettext as _

from capi.identity import consent_obstacle
from crm.models import Company, Consent, Lead, StatusCategory
from crm.texts import gettext_lazy

Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """One thing that LinkedIn needs or likes; `note` says how old or from where."""

    label: str
    is_there: bool
    note: str = ""


@dataclass(frozen=True)
class Readiness:
    """`level` counts from 0 (never reported) to 4 (all that LinkedIn can match); `word` says it."""

    level: int
    word: str
    tone: Tone
    icon: str
    sentence: str
    lead: Lead

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the verdict rests on; lists do without."""
        return _checks(self.lead, self.lead.email)

    @property
    def can_be_sent(self) -> bool:
        """Whether an event about this lead would leave now."""
        return self.level > 2


def readiness(lead: Lead, company: Company | None = None) -> Readiness:
    """How ready a lead is. Of related rows it reads e-mails and status only, which lists have at hand.

    A list passes `company`, so that it is not read again for each lead.
    """
    company = company or lead.company
    email = lead.email
    level, word, tone, sentence = _verdict(lead, company, email)
    icon = {"good": "check-circle", "warn": "exclamation-triangle", "bad": "x-circle"}.get(
        tone, "minus-circle"
    )
    return Readiness(level, word, tone, icon, sentence, lead)


def _verdict(lead: Lead, company: Company, email: str) -> tuple[int, str, Tone, str]:
    """Level, word, tone, sentence: the first that fits, from what stops everything to what is merely missing."""
    if why := _never(lead, company, email):
        word, sentence = _NEVER[why]
        return 0, str(word), "", str(sentence)
    strong = bool(lead.li_fat_id or lead.lead_gen_response)
    if not email and not strong:
        return 1, _("No e-mail"), "bad", _("LinkedIn could not tell who this is. Add an e-mail.")
    if consent_obstacle(lead, company):
        return 2, _("Consent unknown"), "warn", _("Events wait until consent is recorded.")
    if not email:
        return (
            3,
            _("No e-mail"),
            "warn",
            _("The click id identifies them; an e-mail would make a match more likely."),
        )
    if strong:
        return 4, _("Ready"), "good", _("LinkedIn gets everything it can match.")
    word = _("No click id") if company.enhanced_matching and _has_name(lead) else _("E-mail only")
    return 3, word, "warn", _("LinkedIn matches by e-mail. A click id would make a match more likely.")


_NEVER = {
    "archived": (gettext_lazy("Archived"), gettext_lazy("Archived leads are never reported.")),
    "test": (gettext_lazy("Test lead"), gettext_lazy("Test leads are never reported.")),
    "spam": (
        gettext_lazy("Spam"),
        gettext_lazy("The lead's status counts as spam, so nothing is reported."),
    ),
    "denied": (
        gettext_lazy("Consent denied"),
        gettext_lazy("The person does not want to be reported to LinkedIn."),
    ),
    "internal": (
        gettext_lazy("Internal"),
        gettext_lazy("The e-mail belongs to one of the company's own domains."),
    ),
}


def _never(lead: Lead, company: Company, email: str) -> str:
    """Which of `_NEVER` holds; "" for none."""
    domain = email.rpartition("@")[2].lower()
    if lead.is_archived:
        return "archived"
    if lead.is_test:
        return "test"
    if lead.status.category == StatusCategory.SPAM:
        return "spam"
    if lead.consent == Consent.DENIED:
        return "denied"
    return "internal" if domain and domain in company.internal_domains else ""


def _checks(lead: Lead, email: str) -> tuple[Check, ...]:
    checks = (
        Check(_("E-mail"), bool(email)),
        Check(_("Click id"), bool(lead.li_fat_id), _age(lead)),
        Check(_("Name"), _has_name(lead)),
        Check(
            _("Consent"),
            lead.consent == Consent.GRANTED,
            "" if lead.consent == Consent.GRANTED else lead.consent,
        ),
    )
    if not lead.lead_gen_response:
        return checks
    return (*checks, Check(_("LinkedIn form"), is_there=True))


def _has_name(lead: Lead) -> bool:
    return bool(lead.first_name and lead.last_name)


def _age(lead: Lead) -> str:
    if not lead.li_fat_id or not lead.li_fat_id_captured_at:
        return ""
    days = (timezone.now() - lead.li_fat_id_captured_at).days
    return {0: _("of today"), 1: _("1 day old")}.get(days, _("{days} days old").format(days=days))
