"""Makes, changes and ends web forms: capture keys with what goes with them; and tries out the sites they stand on."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Any, Final, TypedDict
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm import audit
from crm.actions import people
from crm.actions.capture import TRIAL, consent_text_of
from crm.actor import Actor
from crm.models import ApiKey, Company, ConsentText, LeadType, WebForm, WebsiteTest

ASKABLE: Final = ("first_name", "last_name", "email", "phone", "organization", "title", "message")
ASKED: Final = ("first_name", "last_name", "email", "organization", "message")
LANGUAGES: Final = ("en", "de", "fr")
MOST_LISTED: Final = 20
LONGEST_URL: Final = 500
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_NUMBER: Final = re.compile(r"[1-9]\d{0,17}", re.ASCII)


class FormChanges(TypedDict, total=False):
    """What may be said of a web form. A key that is absent is left as it is."""

    name: str
    allowed_origins: Sequence[str]
    redirects: Sequence[str]
    source: str
    lead_type: LeadType | None
    asks_consent: bool
    waits_for_consent: bool
    conversion_id: str
    fields: Sequence[str]
    language: str
    title: str
    logo_text: str
    accent: str


@transaction.atomic
def make_form(company: Company, name: str, actor: Actor) -> WebForm:
    """A form with a capture key of its own. Raises ValidationError per field."""
    form = WebForm(company=company, name=name.strip(), fields=list(ASKED))
    _check(form, exclude=["key"])
    key = people.create_api_key(
        company, form.name, ["capture"], user=actor.user, actor=actor, seed=_seed(form)
    )
    form.key = key.row
    form.save()
    return form


@transaction.atomic
def form_for(key: ApiKey) -> WebForm:
    """The form of a capture key that was made elsewhere; made now if it has none."""
    form = WebForm.objects.filter(key=key).first()
    return form or WebForm.objects.create(
        company=key.company, key=key, name=key.name[:60] or "Form", fields=list(ASKED)
    )


def secret_of(form: WebForm) -> str:
    """The form's key, to be shown in what a site embeds; "" for a key that was made elsewhere and is not known.

    It is stored nowhere: it is made from the installation's secret and the id of the form, again each time.
    """
    secret = people.secret_from(_seed(form))
    return secret if people.digest(secret) == form.key.digest else ""


@transaction.atomic
def update_form(
    form: WebForm, changes: FormChanges, actor: Actor, *, consent_text: str | None = None
) -> WebForm:
    """Change what is named; another consent text is another version. Raises ValidationError per field."""
    form = WebForm.objects.select_for_update(of=("self",)).select_related("company", "key").get(pk=form.pk)
    before = {name: getattr(form, name) for name in changes}
    for name, value in changes.items():
        setattr(form, name, _tidied(name, value))
    _check(form)
    form.save()
    has_new_text = consent_text is not None and _say_consent(form, consent_text)
    if form.asks_consent and consent_text_of(form) is None:
        raise ValidationError({"consent_text": _("Write what visitors are to agree to.")})
    changed = audit.differences(before, {name: getattr(form, name) for name in changes})
    if has_new_text:
        changed["consent_text"] = ("", "changed")
    audit.record(actor, "web_form_changed", form, company=form.company, changes=changed)
    return form


@transaction.atomic
def end_form(form: WebForm, actor: Actor) -> None:
    """Take nothing more in with it. Its leads stay."""
    people.revoke_api_key(form.key, actor)


@transaction.atomic
def try_site(form: WebForm, url: str) -> WebsiteTest:
    """Make up a click id for a page of a site; nothing is asked from here. Raises ValidationError."""
    url = url.strip()
    origin = _origin(url)
    if not origin or len(url) > LONGEST_URL:
        raise ValidationError(
            {"url": _("Enter the address of a page, such as https://www.example.com/contact.")}
        )
    if origin not in form.allowed_origins:
        raise ValidationError({"url": _("Add %(site)s to the sites that may post first.") % {"site": origin}})
    click_id = f"{TRIAL}{secrets.token_hex(8)}"
    return WebsiteTest.objects.create(company=form.company, form=form, url=url, click_id=click_id)


def link_of(trial: WebsiteTest) -> str:
    """The page as LinkedIn would link it, with the click id that is made up."""
    parts = urlsplit(trial.url)
    said = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "li_fat_id"
    ]
    return urlunsplit(parts._replace(query=urlencode([*said, ("li_fat_id", trial.click_id)])))


def _seed(form: WebForm) -> bytes:
    text = f"capture key|{form.company_id}|{form.pk}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).digest()


def _tidied(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if name in ("allowed_origins", "redirects", "fields"):
        return list(dict.fromkeys(line.strip() for line in value if line.strip()))
    return value


def _check(form: WebForm, *, exclude: Sequence[str] = ()) -> None:
    errors: dict[str, Any] = {}
    _check_origins(form, errors)
    if any(not _is_https(url) for url in form.redirects) or len(form.redirects) > MOST_LISTED:
        errors["redirects"] = _(
            "Enter at most %(most)s addresses that begin with https://, one in each line."
        ) % {"most": MOST_LISTED}
    if form.conversion_id and not _NUMBER.fullmatch(form.conversion_id):
        errors["conversion_id"] = _("Enter the number of the conversion alone, such as 23948811.")
    form.accent = form.accent.lower()
    if not _COLOUR.fullmatch(form.accent):
        errors["accent"] = _("Enter a colour such as #4338ca.")
    if form.language not in ("", *LANGUAGES):
        errors["language"] = _("Choose one of the languages.")
    if unknown := set(form.fields) - set(ASKABLE):
        errors["fields"] = _("Leave %(names)s out.") % {"names": ", ".join(sorted(unknown))}
    if errors:
        raise ValidationError(errors)
    form.fields = [name for name in ASKABLE if name in form.fields or name == "email"]
    form.clean_fields(exclude=["company", "lead_type", *exclude])


def _check_origins(form: WebForm, errors: dict[str, Any]) -> None:
    origins = [_origin(line) for line in form.allowed_origins]
    if not all(origins) or len(origins) > MOST_LISTED:
        errors["allowed_origins"] = _(
            "Enter at most %(most)s sites, one in each line, such as https://www.example.com."
        ) % {"most": MOST_LISTED}
    else:
        form.allowed_origins = list(dict.fromkeys(origins))


def _origin(url: str) -> str:
    """Scheme, host and port as browsers write them; "" for what is no site."""
    try:
        parts = urlsplit(url.strip().lower())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not _is_host(host):
        return ""
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def _is_host(host: str) -> bool:
    return bool(host) and host.isascii() and all(sign.isalnum() or sign in "-." for sign in host)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_site = parts.scheme == "https" and _is_host(parts.hostname or "") and not parts.username
    except ValueError:
        return False
    return is_site and len(url) <= LONGEST_URL and url.isprintable() and " " not in url


def _say_consent(form: WebForm, text: str) -> bool:
    """Another wording is another version, for the old one is what people have agreed to."""
    text = " ".join(text.split())
    latest = ConsentText.objects.filter(form=form).first()
    if text == (latest.text if latest else ""):
        return False
    version = latest.version + 1 if latest else 1
    row = ConsentText(company=form.company, form=form, version=version, text=text)
    try:
        row.clean_fields(exclude=["company", "form"])
    except ValidationError as error:
        raise ValidationError({"consent_text": error.messages}) from error
    row.save()
    return True
