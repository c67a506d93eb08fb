"""Takes in what a web form sends: a new lead, or more of what is known of somebody; the same thing twice is nothing.

A form is public, and whoever types an address in need not be its owner. So of a known person only blanks are filled,
and what differs is noted on the timeline for people to judge.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import SHA256
from django.utils import timezone

from crm import attribution, locks
from crm.actions import leads, timeline
from crm.actions.leads import Attribution, LeadChanges, PhoneEntry
from crm.actor import Actor
from crm.attribution import CLICK, Journey, Touch
from crm.capture import Said
from crm.models import (
    ApiKey,
    Consent,
    ConsentText,
    Lead,
    LeadEmail,
    LeadType,
    Submission,
    SubmissionOutcome,
    WebForm,
    WebsiteTest,
)
from crm.models.activity import ActivityKind

SAME_FOR: Final = timedelta(minutes=10)
FINGERPRINTS_KEPT_FOR: Final = timedelta(days=1)
KEPT_FOR: Final = timedelta(days=30)
# The click ids of trials begin so; see crm.actions.web_forms.
TRIAL: Final = "leadmachine-test-"
TRIAL_LASTS: Final = timedelta(hours=1)


class _Sha256(SHA256):
    """As Django's, which on PostgreSQL asks for an extension that is not needed any more."""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """PostgreSQL's own function."""
        template = "ENCODE(SHA256(CONVERT_TO(%(expressions)s, 'UTF8')), 'hex')"
        return self.as_sql(compiler, connection, template=template, **extra)


def form_of(key: ApiKey) -> WebForm:
    """What goes with a capture key; as it is at first, unsaved, where nobody has said anything."""
    found = WebForm.objects.select_related("lead_type").filter(key=key).first()
    return found or WebForm(company=key.company, key=key, name=key.name[:60])


def consent_text_of(form: WebForm) -> ConsentText | None:
    """The wording that is asked now; None if nothing is."""
    latest = ConsentText.objects.filter(form=form).first() if not form._state.adding else None
    return latest if latest and latest.text else None


@transaction.atomic
def receive(form: WebForm, said: Said, *, kept: tuple[Touch | None, ...] = ()) -> SubmissionOutcome:
    """Make a lead of what was sent, or fill the blanks of the one there is. `kept`: touches known to the server.

    Whoever sends the same for the same person at the same time waits here, so that there is one lead and one event.
    Raises ValidationError.
    """
    if _is_trial(form, (*said.touches, *kept)):
        return note(form, SubmissionOutcome.TESTED, has_click_id=True)
    _check_consent(form, said)
    company, now, lead_type = form.company, timezone.now(), _type(form, said)
    mark = _fingerprint(form, said)
    locks.hold("capture", company.pk, said.email.lower() or mark)
    same = Submission.objects.filter(fingerprint=mark, at__gt=now - SAME_FOR)
    if same.exists():
        return note(form, SubmissionOutcome.COLLAPSED)
    journey = attribution.journey_of(map(_without_trial, (*said.touches, *kept)))
    actor = Actor("capture", label=form.name)
    lead = _known(said)
    outcome = SubmissionOutcome.UPDATED if lead else SubmissionOutcome.CREATED
    if lead is None:
        lead = leads.create_lead(company, _as_new(form, said, lead_type, journey), actor)
        text = said["message"]
    else:
        text = _differences(lead, said)
        leads.update_lead(lead, _as_known(form, lead, said, journey), actor)
    if text:
        timeline.record(lead, ActivityKind.NOTE, actor, now, text=text)
    return note(form, outcome, fingerprint=mark, has_click_id=bool(journey and journey.click))


def address_of(hashed: str) -> dict[str, str]:
    """The address with this SHA-256, as Google and LinkedIn make it, if it is somebody's here; nothing otherwise."""
    keys = LeadEmail.objects.filter(lead__archived_at=None).alias(mark=_Sha256("address_key"))
    key = keys.filter(mark=hashed).values_list("address_key", flat=True).first()
    return {"email": key} if key else {}


def note(
    form: WebForm,
    outcome: SubmissionOutcome,
    *,
    reason: str = "",
    fingerprint: str = "",
    has_click_id: bool = False,
) -> SubmissionOutcome:
    """Write down what became of something, without anything of what was in it."""
    Submission.objects.create(
        company=form.company,
        key=form.key,
        outcome=outcome,
        reason=reason[:30],
        fingerprint=fingerprint,
        has_click_id=has_click_id,
    )
    return outcome


def forget_old(now: datetime, *, dry_run: bool = False) -> int:
    """Remove what is older than a month, and what would know the same again after a day."""
    past = Submission.objects.filter(at__lte=now - KEPT_FOR)
    if dry_run:
        return past.count()
    Submission.objects.filter(at__lte=now - FINGERPRINTS_KEPT_FOR).exclude(fingerprint="").update(
        fingerprint=""
    )
    return past.delete()[0]


def _is_trial(form: WebForm, touches: Iterable[Touch | None]) -> bool:
    """Whether this is the trial of a site, which has arrived by this."""
    clicks = {touch.said.get(CLICK, "") for touch in touches if touch}
    trials = [click for click in clicks if click.startswith(TRIAL)]
    if not trials or form._state.adding:
        return False
    now = timezone.now()
    waiting = WebsiteTest.objects.filter(
        form=form, click_id__in=trials, arrived_at=None, created_at__gt=now - TRIAL_LASTS
    )
    return waiting.update(arrived_at=now) > 0


def _without_trial(touch: Touch | None) -> Touch | None:
    """Who made a trial keeps its click id in the browser, which is nobody's click."""
    if touch is None or not touch.said.get(CLICK, "").startswith(TRIAL):
        return touch
    return Touch(touch.at, {name: text for name, text in touch.said.items() if name != CLICK})


def _check_consent(form: WebForm, said: Said) -> None:
    if form.asks_consent and said.consent != Consent.GRANTED:
        error = ValidationError("Agree to the text first.", code="required")
        raise ValidationError({"consent": error})


def _fingerprint(form: WebForm, said: Said) -> str:
    """What a person has typed in, as a keyed hash; not the ids and times that a script makes anew each time."""
    typed = [str(form.key_id), sorted(said.text.items()), dict(said.custom), said.consent]
    text = json.dumps(typed, sort_keys=True, default=str)
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), "sha256").hexdigest()


def _known(said: Said) -> Lead | None:
    """The person with this address; of several the one who was there first."""
    if not said.email:
        return None
    theirs = LeadEmail.objects.filter(address_key=said.email.lower(), lead__archived_at=None)
    first = theirs.select_related("lead").order_by("lead__created_at", "lead_id").first()
    return first.lead if first else None


# --- Somebody new


def _as_new(form: WebForm, said: Said, lead_type: LeadType | None, journey: Journey | None) -> LeadChanges:
    first_name, last_name = said.names
    changes: LeadChanges = {
        "first_name": first_name,
        "last_name": last_name,
        "title": said["title"],
        "organization": said["organization"],
        "country_code": said.country_code,
        "source": said["source"] or form.source or form.company.default_source,
        "lead_type": lead_type,
        "is_test": said.is_test,
        "attribution": {**_attribution(journey), "event_id": said.event_id},
    }
    if said.email:
        changes["email"] = said.email
    if said["phone"]:
        changes["phones"] = [PhoneEntry(said["phone"])]
    if said.custom:
        changes["custom"] = said.custom
    return {**changes, **_consent(form, said)} if said.consent else changes


def _type(form: WebForm, said: Said) -> LeadType | None:
    if not said["type"]:
        return form.lead_type
    sent = LeadType.objects.filter(key=said["type"]).first()
    if sent is None:
        raise ValidationError(
            {"type": ValidationError("There is no type with this key.", code="does_not_exist")}
        )
    return sent


def _consent(form: WebForm, said: Said) -> LeadChanges:
    text = consent_text_of(form)
    version = said["consent_text_version"] or (str(text.version) if text else "")
    return {
        "consent": said.consent,
        "consent_source": f"web form {form.name}",
        "consent_text_version": version,
        "consent_at": timezone.now(),
    }


def _attribution(journey: Journey | None) -> Attribution:
    """The last touch by field, the first one as a whole; the click id is the latest there is."""
    if journey is None:
        return {}
    found: Any = {name: journey.last.said.get(name, "") for name in attribution.FIELDS if name != CLICK}
    found["first_touch"] = journey.first.as_json()
    if journey.click:
        found |= {CLICK: journey.click.said[CLICK], "li_fat_id_captured_at": journey.click.at}
    return found  # type: ignore[no-any-return]


# --- Somebody who is known


def _as_known(form: WebForm, lead: Lead, said: Said, journey: Journey | None) -> LeadChanges:
    """What fills a blank. Only how they came is replaced: that is the last touch, and this is the latest one."""
    changes: LeadChanges = {"attribution": _later_attribution(lead, journey)}
    first_name, last_name = said.names
    if not lead.first_name and not lead.last_name:
        changes |= {"first_name": first_name, "last_name": last_name}
    elif not lead.last_name and lead.first_name.casefold() == first_name.casefold():
        changes["last_name"] = last_name
    if not lead.title:
        changes["title"] = said["title"]
    if not lead.country_code:
        changes["country_code"] = said.country_code
    if lead.organization_id is None and said["organization"]:
        changes["organization"] = said["organization"]
    if said["phone"] and not lead.phones.exists():
        changes["phones"] = [PhoneEntry(said["phone"])]
    if custom := {key: value for key, value in said.custom.items() if key not in lead.custom}:
        changes["custom"] = custom
    return {**changes, **_consent(form, said)} if _may_say(lead.consent, said.consent) else changes


def _may_say(known: str, said: str) -> bool:
    """A form may answer what is open, and take back what was granted. A no stays until a member hears otherwise."""
    return said != "" and known != said and (known == Consent.UNKNOWN or said == Consent.DENIED)


def _later_attribution(lead: Lead, journey: Journey | None) -> Attribution:
    """A visit that nothing led to is no new touch for somebody whose way is known."""
    found = _attribution(journey)
    is_known = bool(lead.first_touch) or any(getattr(lead, name) for name in attribution.FIELDS)
    if journey is None:
        return found
    if is_known and not journey.last.is_marked:
        return {"first_touch": found["first_touch"]}
    if journey.click and lead.li_fat_id_captured_at and journey.click.at < lead.li_fat_id_captured_at:
        del found["li_fat_id"], found["li_fat_id_captured_at"]
    return found


def _differences(lead: Lead, said: Said) -> str:
    """The message, and what was said otherwise than it is known here."""
    first_name, last_name = said.names
    firm = lead.organization.name if lead.organization else ""
    numbers = [phone.number for phone in lead.phones.all()]
    compared = (
        ("Name", f"{first_name} {last_name}".strip(), f"{lead.first_name} {lead.last_name}".strip()),
        ("Title", said["title"], lead.title),
        ("Organization", said["organization"], firm),
        ("Phone", said["phone"], next((n for n in numbers if n == said["phone"]), "".join(numbers[:1]))),
        ("Country", said.country_code, lead.country_code),
    )
    lines = [f"{words}: {new}" for words, new, old in compared if old and new and new != old]
    if said.consent == Consent.GRANTED and lead.consent == Consent.DENIED:
        lines.append("Consent: granted. It was denied before, and stays so until you change it.")
    return "\n\n".join(part for part in (said["message"], "\n".join(lines)) if part) or "Sent the form again."
