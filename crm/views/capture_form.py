"""The form that LeadMachine hosts for a site: a page of its own, or in a frame on the site's. Works without scripts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from csp.utils import build_policy
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_exempt

from crm import attribution
from crm import capture as reading
from crm.actions import capture as actions
from crm.actions.web_forms import ASKED
from crm.capture_words import WORDS, language_of
from crm.models import Consent, ConsentText, SubmissionOutcome, WebForm
from crm.views.capture import (
    CaptureRequest,
    body_of,
    by_field,
    capture_page,
    first_code,
    kept_touches,
    redirect_of,
    slow_down,
)

LONGEST_OPEN: Final = 24 * 3600
_SALT: Final = "crm.capture"
_MUST: Final = frozenset({"first_name", "last_name", "email"})
_KINDS: Final = {"email": "email", "phone": "tel"}
_AUTOCOMPLETE: Final = {
    "first_name": "given-name",
    "last_name": "family-name",
    "email": "email",
    "phone": "tel",
    "organization": "organization",
    "title": "organization-title",
}
_CARRIED: Final = (*attribution.FIELDS, "first_touch", "last_touch", "click_touch", "event_id", "redirect")
_DARKEST_TEXT: Final = "#111"


@dataclass(frozen=True)
class Question:
    """A field of the form as a visitor sees it."""

    name: str
    label: str
    value: str
    error: str
    is_required: bool
    kind: str
    autocomplete: str
    longest: int


@capture_page("GET", "HEAD", "POST", has_page=True)
def capture_form(request: CaptureRequest) -> HttpResponse:
    """The page of its own."""
    return _answered(request)


@xframe_options_exempt
@capture_page("GET", "HEAD", "POST", has_page=True)
def capture_embed(request: CaptureRequest) -> HttpResponse:
    """The same for a frame on the pages of allowed sites, and of no others."""
    return _answered(request, ancestors=request.form.allowed_origins)


@capture_page("GET", "HEAD")
def capture_theme(request: CaptureRequest) -> HttpResponse:
    """The form's colour: no page has a style of its own."""
    accent = request.form.accent
    ink = "#fff" if _needs_white(accent) else _DARKEST_TEXT
    css = f":root {{ --accent: {accent}; --accent-hover: {accent}; --on-accent: {ink}; }}\n"
    answer = HttpResponse(css, content_type="text/css; charset=utf-8")
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


def _answered(request: CaptureRequest, ancestors: list[str] | None = None) -> HttpResponse:
    form, text = request.form, actions.consent_text_of(request.form)
    language = language_of(
        form.language, request.GET.get("lang", ""), request.headers.get("Accept-Language", "")
    )
    page = _Page(request, language, text, ancestors or [])
    if request.method == "POST":
        return _taken(request, page)
    return page.shown(is_sent="sent" in request.GET)


def _taken(request: CaptureRequest, page: _Page) -> HttpResponse:
    slow_down(request)
    body = dict(body_of(request))
    age = _age(str(body.pop("_opened", "")))
    if age is None:
        return page.shown(body, problem="again", status=422)
    reason = "too_fast" if age * 1000 < reading.FASTEST else reading.spam_reason(body)
    if reason:
        actions.note(request.form, SubmissionOutcome.SPAM, reason=reason)
        return page.thanks(body)
    errors = _missing(request.form, body)
    if not errors:
        try:
            said = reading.read(_with_consent(body, page.consent), {}, timezone.now())
            actions.receive(request.form, said, kept=kept_touches(request))
        except ValidationError as error:
            errors = {name: str(found[0].code or "invalid") for name, found in by_field(error).items()}
            actions.note(request.form, SubmissionOutcome.REFUSED, reason=first_code(error))
    return page.shown(body, errors=errors, problem="wrong", status=422) if errors else page.thanks(body)


class _Page:
    """The form as one visitor gets it."""

    def __init__(
        self, request: CaptureRequest, language: str, consent: ConsentText | None, ancestors: list[str]
    ) -> None:
        self.consent = consent
        self._request = request
        self._form = request.form
        self._language = language
        self._words = WORDS[language]
        self._ancestors = ancestors

    def thanks(self, body: Mapping[str, Any]) -> HttpResponse:
        """On to where the form says, or to a word of thanks."""
        to = redirect_of(self._form, body)
        url = to or f"?{urlencode({'sent': '1', 'lang': self._language})}"
        answer = HttpResponseRedirect(url)
        answer.status_code = 303
        return self._with_policy(answer)

    def shown(
        self,
        body: Mapping[str, Any] | None = None,
        *,
        errors: Mapping[str, str] | None = None,
        problem: str = "",
        status: int = 200,
        is_sent: bool = False,
    ) -> HttpResponse:
        said, wrong = body or {}, errors or {}
        context = {
            "form": self._form,
            "secret": self._request.secret,
            "language": self._language,
            "words": self._words,
            "is_framed": bool(self._ancestors),
            "is_sent": is_sent,
            "problem": self._words.get(problem, ""),
            "questions": [self._question(name, said, wrong) for name in self._form.fields or ASKED],
            "consent": self.consent,
            "has_agreed": bool(said.get("consent")),
            "consent_error": self._words["agree"] if "consent" in wrong else "",
            "opened": signing.TimestampSigner(salt=_SALT).sign(str(int(time.time() * 1000))),
            "carried": self._carried(said),
        }
        page = HttpResponse(render_to_string("capture/form.html", context), status=status)
        return self._with_policy(page)

    def _question(self, name: str, said: Mapping[str, Any], wrong: Mapping[str, str]) -> Question:
        code = wrong.get(name, "")
        return Question(
            name,
            self._words["job" if name == "title" else name],
            str(said.get(name, "")),
            self._words.get(code, self._words["invalid"]) if code else "",
            name in _MUST,
            _KINDS.get(name, "text"),
            _AUTOCOMPLETE.get(name, "off"),
            reading.LENGTHS[name],
        )

    def _carried(self, said: Mapping[str, Any]) -> dict[str, str]:
        """What the address of the page says of how they came, for the hidden fields."""
        found = {name: str(said.get(name) or self._request.GET.get(name, ""))[:2000] for name in _CARRIED}
        if self._request.method != "POST":
            found["referrer"] = found["referrer"] or self._request.headers.get("Referer", "")[:2000]
            found["landing_page"] = found["landing_page"] or self._request.build_absolute_uri(
                self._request.path
            )
            found["event_id"] = found["event_id"] or f"lm_{secrets.token_hex(16)}"
        return {name: text for name, text in found.items() if text}

    def _with_policy(self, answer: HttpResponse) -> HttpResponse:
        """The usual policy, with who may frame it, and where a browser may be led on to."""
        onward = sorted({f"https://{urlsplit(url).netloc}" for url in self._form.redirects})
        usual = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
        frames = self._ancestors or ["'none'"]
        policy = {**usual, "form-action": ["'self'", *onward], "frame-ancestors": frames}
        answer.headers["Content-Security-Policy"] = build_policy(policy)
        return answer


def _age(opened: str) -> float | None:
    """How long ago the page was made, in seconds; None if that cannot be, or is too long."""
    try:
        made = signing.TimestampSigner(salt=_SALT).unsign(opened, max_age=LONGEST_OPEN)
    except signing.BadSignature:
        return None
    return time.time() - int(made) / 1000


def _missing(form: WebForm, body: Mapping[str, Any]) -> dict[str, str]:
    asked = form.fields or ASKED
    return {name: "required" for name in asked if name in _MUST and not str(body.get(name, "")).strip()}


def _with_consent(body: Mapping[str, Any], text: ConsentText | None) -> dict[str, Any]:
    """Whoever read the text and left the box empty has not agreed."""
    if text is None:
        return {
            name: value for name, value in body.items() if name not in ("consent", "consent_text_version")
        }
    said = Consent.GRANTED if body.get("consent") else Consent.DENIED
    return {**body, "consent": said.value}


def _needs_white(colour: str) -> bool:
    """Whether white is easier to read on it than black; by the luminance of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.0556
