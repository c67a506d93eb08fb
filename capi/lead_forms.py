"""Lead Gen Forms become leads: notices are kept as they come, then each response is fetched and done once.

Nothing of a response is kept but its id: what was answered is on the lead, and goes with the person.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from capi import delivery, leadgen
from capi.leadgen import Notice, Submission
from capi.linkedin import LinkedInClient, ReadRefused
from capi.models import Connection, Endpoint, FormStatus, LeadFormNotice, LeadForms
from capi.outcome import NoAnswer, NotSent
from crm import audit, cleaning, locks, signals, tombstones, vault
from crm.actions import erase, leads, timeline
from crm.actions.leads import EmailEntry, LeadChanges, PhoneEntry, WebsiteEntry
from crm.actor import Actor
from crm.customvalues import LONGEST_TEXT
from crm.models import Activity, Company, CustomEntity, CustomField, Lead
from crm.models.activity import ActivityKind
from crm.tenancy import company_scope, every_company

log = logging.getLogger(__name__)

LINKEDIN: Final = Actor("linkedin", label="LinkedIn lead form")
SOURCE: Final = "LinkedIn lead form"
# LinkedIn keeps responses for a year; what a notice was lost for is found within a quarter of an hour.
FIRST_PULL: Final = timedelta(days=365)
PULLED_AT_ONCE: Final = timedelta(days=30)
PULL_EVERY: Final = timedelta(minutes=15)
OVERLAP: Final = timedelta(days=1)
RETRIES: Final = (10, 60, 300, 1_800, 7_200, 21_600)
MOST_TRIES: Final = 16  # which takes three days
AT_ONCE: Final = 20
# LinkedIn is away, busy, or lets nothing be read: none of this is about one response.
_CLOSED: Final = (401, 403, 426, 429)

# Where answers go unless the company says otherwise, by LinkedIn's name of the question.
USUAL: Final[Mapping[str, str]] = {
    "FIRST_NAME": "first_name",
    "LAST_NAME": "last_name",
    "EMAIL": "email",
    "WORK_EMAIL": "work_email",
    "PHONE_NUMBER": "phone",
    "WORK_PHONE_NUMBER": "work_phone",
    "COMPANY_NAME": "organization",
    "JOB_TITLE": "title",
    "LINKEDIN_PROFILE_LINK": "website",
}
QUESTIONS: Final = (*USUAL, "JOB_FUNCTION", "SENIORITY", "INDUSTRY", "COMPANY_SIZE", "CITY", "COUNTRY")
NOTE: Final = "note"
TARGETS: Final = (*dict.fromkeys(USUAL.values()), NOTE)
_CUSTOM = "custom:"
_LONGEST: Final = {"phone": 40, "work_phone": 40, "organization": 160, "title": 120, "website": 480}


# ── Connecting ─────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def save(company: Company, account: str, secret: str, token: str, actor: Actor) -> LeadForms:
    """Connect the company's developer app. Raises ValidationError per field."""
    account = account.strip().removeprefix("urn:li:sponsoredAccount:")
    errors = {}
    if not (account.isascii() and account.isdigit() and len(account) < 20):
        errors["account"] = _("Enter the number of the ad account.")
    for name, text in (("secret", secret), ("token", token)):
        if not text.strip() or not text.strip().isascii() or not text.strip().isprintable():
            errors[name] = _("Enter it as LinkedIn shows it.")
    if errors:
        raise ValidationError(errors)
    forms = LeadForms.objects.select_for_update().first() or LeadForms(
        company=company, hook_key=secrets.token_urlsafe(32), mapping=dict(USUAL)
    )
    if forms.account != account:
        forms.pulled_until, forms.subscription = None, ""
    forms.account, forms.failures, forms.message, forms.waits_until = account, 0, "", None
    forms.seal(secret=secret.strip(), token=token.strip())
    forms.save()
    _try_again()
    audit.record(actor, "forms_saved", forms, company=company)
    return forms


@transaction.atomic
def change_mapping(forms: LeadForms, mapping: Mapping[str, str], actor: Actor) -> None:
    """Say where answers go. Raises ValidationError."""
    known = {*TARGETS, *targets_of_own_fields()}
    if not set(mapping) <= set(QUESTIONS) or not set(mapping.values()) <= known:
        raise ValidationError({"mapping": _("Choose where each answer goes.")})
    forms.mapping = dict(mapping)
    forms.save(update_fields=["mapping"])
    _try_again()
    audit.record(actor, "forms_mapped", forms, company=forms.company)


def _try_again() -> None:
    """What failed may come in now, by another token or another mapping."""
    failed = LeadFormNotice.objects.filter(status=FormStatus.FAILED).exclude(response="")
    failed.update(status=FormStatus.PENDING, attempts=0, next_attempt_at=timezone.now())


def targets_of_own_fields() -> dict[str, str]:
    """The company's own text fields of leads, by target."""
    fields = CustomField.objects.filter(entity=CustomEntity.LEAD, kind__in=("text", "long_text"))
    return {f"{_CUSTOM}{each.key}": each.name for each in fields}


def delete(forms: LeadForms, actor: Actor) -> None:
    """Disconnect; LinkedIn is asked to notify no more, but need not answer. Leads stay."""
    if forms.subscription:
        try:
            client_of_company().unsubscribe(forms.token(), forms.subscription)
        except (ReadRefused, NotSent, NoAnswer, ValueError, vault.VaultError):
            forms.subscription = ""  # the address is gone in a moment: LinkedIn gives up by itself
    with transaction.atomic():
        audit.record(actor, "forms_deleted", forms, company=forms.company)
        LeadFormNotice.objects.filter(status=FormStatus.PENDING).delete()
        forms.delete()


def subscribe(forms: LeadForms) -> None:
    """Have LinkedIn notify us. Raises ValidationError with what it said."""
    try:
        subscription = client_of_company().subscribe(forms.token(), forms.account, hook_url(forms))
    except (ReadRefused, NotSent, NoAnswer, ValueError, vault.VaultError) as error:
        raise ValidationError(_sentence(error)) from error
    LeadForms.objects.filter(pk=forms.pk).update(subscription=subscription[:40] or "-")


def hook_url(forms: LeadForms) -> str:
    """The address that LinkedIn notifies."""
    return f"{settings.PUBLIC_URL}{reverse('linkedin_forms_hook', args=[forms.hook_key])}"


def client_of_company() -> LinkedInClient:
    """The LinkedIn that the company speaks to: the real one, or the sandbox of a sample company."""
    connection = Connection.objects.first()
    return delivery.client_of(connection.endpoint if connection else Endpoint.LINKEDIN)


# ── Coming in ──────────────────────────────────────────────────────────────────────────────────────────


def find(key: str) -> LeadForms | None:
    """Whose address it is."""
    with every_company():
        return LeadForms.objects.filter(hook_key=key).select_related("company").first()


def take(forms: LeadForms, notices: list[Notice]) -> int:
    """Keep notices; what is known already changes nothing. In the company's scope. Returns how many were given."""
    rows = [
        LeadFormNotice(
            company_id=forms.company_id,
            response=notice.response,
            digest=_digest(notice.response),
            action=notice.action,
            at=notice.at,
        )
        for notice in notices
    ]
    LeadFormNotice.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def companies_with_work() -> list[UUID]:
    """The companies with something to fetch, or that were not looked at for a while."""
    now = timezone.now()
    with every_company():
        free = LeadForms.objects.filter(Q(waits_until=None) | Q(waits_until__lte=now))
        stale = free.filter(Q(pulled_until=None) | Q(pulled_until__lte=now - PULL_EVERY))
        due = LeadFormNotice.objects.filter(status=FormStatus.PENDING, next_attempt_at__lte=now)
        ids = set(stale.values_list("company", flat=True))
        ids |= set(
            due.filter(company__in=free.values("company")).values_list("company", flat=True).distinct()
        )
    return sorted(ids)


def work(company_id: UUID) -> bool:
    """Pull what no notice told of, and do what is due; whether more is due at once."""
    company = Company.objects.filter(pk=company_id).first()
    if company is None:
        return False
    with company_scope(company):
        now = timezone.now()
        forms = LeadForms.objects.filter(Q(waits_until=None) | Q(waits_until__lte=now)).first()
        if forms is None:
            return False
        try:
            token = forms.token()
            if forms.pulled_until is None or forms.pulled_until <= now - PULL_EVERY:
                _pull(forms, token, now)
            # Asked of the clock again: what was pulled just now is due.
            due = LeadFormNotice.objects.filter(
                status=FormStatus.PENDING, next_attempt_at__lte=timezone.now()
            )
            chosen = list(due.order_by("at", "id")[:AT_ONCE])
            for notice in chosen:
                _do(forms, token, notice)
        except (ReadRefused, NotSent, NoAnswer, ValueError, vault.VaultError) as error:
            _rest(forms, error, timezone.now())
            return False
        LeadForms.objects.filter(pk=forms.pk).update(failures=0, message="", waits_until=None)
        return len(chosen) == AT_ONCE


def _pull(forms: LeadForms, token: str, now: datetime) -> None:
    """A month at a time: a list of LinkedIn's is read only so far, and what broke off goes on where it was."""
    since = forms.pulled_until - OVERLAP if forms.pulled_until else now - FIRST_PULL
    while since < now:
        until = min(since + PULLED_AT_ONCE, now)
        found = client_of_company().lead_responses(
            token, forms.account, int(since.timestamp() * 1000), int(until.timestamp() * 1000)
        )
        submissions = [one for each in found if (one := leadgen.read_response(each))]
        take(forms, [Notice(one.response, "CREATED", one.at) for one in submissions])
        LeadForms.objects.filter(pk=forms.pk).update(pulled_until=until)
        since = until


def _rest(forms: LeadForms, error: Exception, now: datetime) -> None:
    """LinkedIn cannot be read now, or does not let us: try later, and say why."""
    wait = RETRIES[min(forms.failures, len(RETRIES) - 1)]
    LeadForms.objects.filter(pk=forms.pk).update(
        failures=F("failures") + 1, message=_sentence(error)[:500], waits_until=now + timedelta(seconds=wait)
    )


def _sentence(error: Exception) -> str:
    if isinstance(error, ReadRefused) and error.status in (401, 403):
        return _(
            "LinkedIn refuses the token (%(status)s). It needs the scopes r_marketing_leadgen_automation and r_ads, "
            "a role in the ad account and one on its page; a token from the developer portal ends after 60 days."
        ) % {"status": error.status}
    return getattr(error, "message", "") or str(error)


# ── Doing ──────────────────────────────────────────────────────────────────────────────────────────────


def _do(forms: LeadForms, token: str, notice: LeadFormNotice) -> None:
    """Do what a notice says. What is wrong with this one holds up no other one."""
    if notice.action == "DELETED":
        _delete(notice)
        return
    submission = _fetch(token, notice)
    if submission is None:
        return
    try:
        add(forms, notice, submission)
    except ValidationError as refusal:
        _end(notice, FormStatus.FAILED, " ".join(refusal.messages))
    except (ValueError, DataError, IntegrityError) as error:
        log.warning("A form could not be stored: %s", type(error).__name__)
        _later(notice, _("LinkedIn's answer is no response to a form."))


def _fetch(token: str, notice: LeadFormNotice) -> Submission | None:
    """The response; None if this one cannot be had. Raises where LinkedIn is away, or lets us read nothing."""
    try:
        found = client_of_company().lead_response(token, notice.response)
    except ReadRefused as error:
        if error.status == 404:
            _end(notice, FormStatus.FAILED, _("LinkedIn does not have this response any more."))
            return None
        if error.status in _CLOSED:
            raise
        _later(notice, error.message, may_fail=error.status < 500)
        if error.status >= 500:
            raise
        return None
    except NoAnswer as error:
        _later(notice, error.message, may_fail=False)
        raise
    submission = leadgen.read_response(found)
    if submission is None or submission.response != notice.response:
        _end(notice, FormStatus.FAILED, _("LinkedIn's answer is no response to a form."))
        return None
    return submission


def _later(notice: LeadFormNotice, message: str, *, may_fail: bool = True) -> None:
    """Let the others go first. For three days, unless it is LinkedIn that fails: it keeps responses for a year."""
    if may_fail and notice.attempts + 1 >= MOST_TRIES:
        _end(notice, FormStatus.FAILED, message)
        return
    wait = timedelta(seconds=RETRIES[min(notice.attempts, len(RETRIES) - 1)])
    LeadFormNotice.objects.filter(pk=notice.pk).update(
        attempts=F("attempts") + 1, next_attempt_at=timezone.now() + wait, message=message[:500]
    )


@transaction.atomic
def add(forms: LeadForms, notice: LeadFormNotice, submission: Submission) -> Lead | None:
    """Make a lead of a response, or add it to the one person with that address. None if it was done or is gone."""
    pending = (
        LeadFormNotice.objects.select_for_update().filter(pk=notice.pk, status=FormStatus.PENDING).first()
    )
    gone = LeadFormNotice.objects.filter(digest=notice.digest, action="DELETED").exists()
    known = Lead.objects.filter(lead_gen_response__in=(submission.urn, submission.response)).exists()
    if pending is None or gone or known or _was_erased(forms.company_id, submission):
        _end(notice, FormStatus.DONE, "")
        return None
    person = _Person.of(submission, forms.mapping)
    if person.emails:  # as a web form does: who sends both at once is one lead
        locks.hold("capture", forms.company_id, cleaning.email(person.emails[0]).lower())
    lead = _known_by_address(person)
    if lead is None:
        lead = leads.create_lead(
            forms.company, person.changes(submission), LINKEDIN, occurred_at=submission.at
        )
    elif not lead.lead_gen_response:
        leads.update_lead(lead, {"attribution": {"lead_gen_response": submission.urn}}, LINKEDIN)
    now = timezone.now()
    # Not as people write notes: a stranger's words notify nobody.
    timeline.record(lead, ActivityKind.NOTE, LINKEDIN, now, text=person.note(submission))
    timeline.touch(lead, now)
    LeadFormNotice.objects.filter(pk=notice.pk).update(status=FormStatus.DONE, lead=lead, message="")
    return lead


@transaction.atomic
def _delete(notice: LeadFormNotice) -> None:
    """The person took back what they sent: whoever came by that response is erased.

    Whoever was known by an earlier one stays, without what they said in this one.
    """
    ids = (leadgen.URN + notice.response, notice.response)
    # Asked again each time: to erase somebody is to erase whoever was merged into them.
    while (lead := Lead.objects.filter(lead_gen_response__in=ids).first()) is not None:
        erase.erase_lead(lead, LINKEDIN)
    told = LeadFormNotice.objects.filter(digest=notice.digest).exclude(lead=None).values("lead")
    theirs = Q(lead__in=told) | Q(lead__merged_from__in=told)
    notes = Activity.objects.filter(theirs, kind=ActivityKind.NOTE, actor_label=LINKEDIN.label)
    Activity.objects.filter(pk__in=notes.filter(text__endswith=f"\n{ids[0]}").values("pk")).delete()
    LeadFormNotice.objects.filter(digest=notice.digest).update(
        status=FormStatus.DONE, message="", response="", lead=None
    )


@receiver(signals.lead_erased, dispatch_uid="capi.lead_forms.lead_erased")
def on_lead_erased(sender: type, lead: Lead, **kwargs: Any) -> None:
    """Which response it was is forgotten; that it was there is known by its digest."""
    theirs = Q(lead=lead)
    if lead.lead_gen_response:
        theirs |= Q(digest=_digest(lead.lead_gen_response.removeprefix(leadgen.URN)))
    LeadFormNotice.objects.filter(theirs).update(response="", message="", lead=None, status=FormStatus.DONE)


def _was_erased(company: UUID, submission: Submission) -> bool:
    """Who was erased here does not come in again by a form of before; a file may have had the id without its URN."""
    ids = (submission.urn, submission.response)
    digests = [tombstones.digest(company, "lead_gen_response", each) for each in ids]
    return bool(tombstones.known(digests))


def _digest(response: str) -> str:
    return hashlib.sha256(response.encode()).hexdigest()


def _end(notice: LeadFormNotice, status: FormStatus, message: str) -> None:
    LeadFormNotice.objects.filter(pk=notice.pk).update(
        status=status, message=message[:500], attempts=F("attempts") + 1
    )


@dataclass
class _Person:
    """Answers by where they go."""

    values: dict[str, str] = field(default_factory=dict)
    rest: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, submission: Submission, mapping: Mapping[str, str]) -> _Person:
        person, own = cls(), targets_of_own_fields()
        for answer in submission.answers:
            target = mapping.get(answer.field, NOTE)
            if target == NOTE or target in person.values or not _fits(target, answer.text, own):
                person.rest.append((answer.question or answer.field, answer.text))
            else:
                person.values[target] = answer.text
        return person

    @property
    def emails(self) -> list[str]:
        return [self.values[name] for name in ("email", "work_email") if self.values.get(name)]

    def changes(self, submission: Submission) -> LeadChanges:
        values = self.values
        changes: LeadChanges = {
            "first_name": values.get("first_name", "")[:80],
            "last_name": values.get("last_name", "")[:80],
            "title": values.get("title", ""),
            "organization": values.get("organization", ""),
            "source": SOURCE,
            "is_test": submission.is_test,
            "emails": [EmailEntry(email) for email in dict.fromkeys(self.emails)],
            "phones": [PhoneEntry(values[name]) for name in ("phone", "work_phone") if values.get(name)],
            "attribution": {"lead_gen_response": submission.urn, "utm_campaign": submission.campaign},
        }
        if values.get("website"):
            changes["websites"] = [WebsiteEntry(values["website"], "LinkedIn")]
        own = {name.removeprefix(_CUSTOM): text for name, text in values.items() if name.startswith(_CUSTOM)}
        if own:
            changes["custom"] = own
        return changes

    def note(self, submission: Submission) -> str:
        """What has no place of its own, as a note."""
        lines = [_("Sent the LinkedIn form “%(form)s”.") % {"form": submission.form or submission.response}]
        lines += [f"{question}: {text}" for question, text in self.rest]
        lines += [f"{name}: {value}" for name, value in submission.hidden.items()]
        return "\n".join(lines)[:19_000] + f"\n{submission.urn}"


def _fits(target: str, text: str, own: Mapping[str, str]) -> bool:
    """Whether the place can keep the answer: somebody paid for it, so what it cannot keep is for the note."""
    if target.startswith(_CUSTOM):
        return target in own and len(text) <= LONGEST_TEXT
    try:
        if target in ("email", "work_email"):
            cleaning.email(text)
        elif target == "website":
            URLValidator(["http", "https"])(text if "://" in text else f"https://{text}")
    except ValidationError:
        return False
    return len(text) <= _LONGEST.get(target, len(text))


def _known_by_address(person: _Person) -> Lead | None:
    """The one lead with the first address; none where there are several, for nobody knows which."""
    if not person.emails:
        return None
    key = person.emails[0].strip().lower()
    found = list(Lead.objects.current().filter(emails__address_key=key).distinct()[:2])
    return found[0] if len(found) == 1 else None
