"""The public door for web sites: `/capture/{key}/`. Whatever is sent, the answer does not tell who is known.

The key stands in the address and in the source of pages. It says whose the lead is, and opens nothing else; so these
pages ask for no session and no CSRF token, and read no cookie but the one they set themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from io import BytesIO
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any, Concatenate, Final, ParamSpec
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, SuspiciousOperation, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    QueryDict,
    UnreadablePostError,
)
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ParseError

from crm import attribution, senders
from crm import capture as reading
from crm.access import Principal
from crm.actions import capture as actions
from crm.addresses import client_address
from crm.api.errors import RETRY_AFTER
from crm.api.parsers import StrictJSONParser
from crm.api.texts import printable
from crm.api.throttling import buckets
from crm.attribution import Touch
from crm.capture_words import WORDS, language_of
from crm.models import SubmissionOutcome, WebForm, custom_fields_of
from crm.snippet import script_of

P = ParamSpec("P")
View = Callable[Concatenate["CaptureRequest", P], HttpResponse]

# sendBeacon() sends JSON as text, for that needs no preflight.
JSON_TYPES: Final = ("application/json", "text/plain")
FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
PREFLIGHT_SECONDS: Final = 3600
SCRIPT_SECONDS: Final = 3600
COOKIE: Final = "leadmachine"
COOKIE_SECONDS: Final = 395 * 24 * 3600


class CaptureRequest(HttpRequest):
    """A request with a live capture key, from a site that may use it."""

    principal: Principal
    form: WebForm
    secret: str


class Refused(Exception):
    """An answer that says what is wrong."""

    def __init__(self, status: int, code: str, detail: str, attr: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = "client_error" if status < 500 else "server_error"
        self.errors = [{"code": code, "detail": detail, "attr": attr}]
        self.headers: dict[str, str] = {}

    @property
    def answer(self) -> JsonResponse:
        body = {"type": self.kind, "errors": self.errors}
        return JsonResponse(body, status=self.status, headers=self.headers)


def capture_page(
    *methods: str, has_page: bool = False
) -> Callable[[View[P]], Callable[..., HttpResponseBase]]:
    """A page below `/capture/{key}/` for the sites that the key allows. A refusal is answered, never raised.

    `has_page`: people see it, so that a refusal is a page, too.
    """

    def decorate(view: View[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: CaptureRequest, key: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                _open(request, key)
                if request.method == "OPTIONS":
                    answer = _preflight(methods)
                else:
                    _admit(request, methods)
                    answer = view(request, *args, **kwargs)
            except Refused as refusal:
                answer = _page_of(request, refusal) if has_page else refusal.answer
            except (OperationalError, InterfaceError):
                answer = Refused(503, "busy", "The database is busy or away. Try again.").answer
                answer.headers["Retry-After"] = str(RETRY_AFTER)
            return _for_its_sites(request, answer)

        return csrf_exempt(login_not_required(guarded))

    return decorate


@capture_page("POST")
def capture(request: CaptureRequest) -> HttpResponse:
    """Take a lead in."""
    slow_down(request)
    body = body_of(request)
    if reason := reading.spam_reason(body):
        actions.note(request.form, SubmissionOutcome.SPAM, reason=reason)
        return _received(request, body)
    return _take(request, body)


def _take(request: CaptureRequest, body: Mapping[str, Any]) -> HttpResponse:
    fields = {field.key: field.values for field in custom_fields_of("lead")}
    try:
        said = reading.read(body, fields, timezone.now())
        actions.receive(request.form, said, kept=kept_touches(request))
    except ValidationError as error:
        actions.note(request.form, SubmissionOutcome.REFUSED, reason=first_code(error))
        raise _as_refusal(error) from error
    return _received(request, body)


@capture_page("POST")
def capture_track(request: CaptureRequest) -> HttpResponse:
    """Take an event in as other systems tell it. One that is about nobody, or about looking round, is nothing."""
    slow_down(request)
    told = senders.told_by(body_of(request))
    body = dict(told.body)
    if told.hashed and not body.get("email"):
        _slow_down_searches(request)
        body |= actions.address_of(told.hashed)
    if told.is_idle or not (body.get("email") or not told.hashed):
        reason = "idle_event" if told.is_idle else "nobody_known"
        actions.note(request.form, SubmissionOutcome.REFUSED, reason=reason)
        return _received(request, {})
    return _take(request, body)


@capture_page("POST")
def capture_touch(request: CaptureRequest) -> HttpResponse:
    """Keep how somebody came in a cookie of this server; an empty object takes it away.

    A script's own cookies and storage end after 7 days in Safari, a server's do not, where site and server share a
    registrable domain. Elsewhere the browser keeps nothing of it.
    """
    slow_down(request, "touch")
    now = timezone.now()
    told = attribution.told_by(body_of(request), now)
    journey = attribution.journey_of((*told, *kept_touches(request))) if told else None
    answer = HttpResponse(status=204)
    path = f"/capture/{request.secret}/"
    if journey is None:
        answer.delete_cookie(COOKIE, path=path, samesite="Lax")
        return answer
    answer.set_cookie(
        COOKIE,
        attribution.packed(journey),
        max_age=COOKIE_SECONDS,
        path=path,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return answer


@capture_page("GET", "HEAD")
def capture_script(request: CaptureRequest) -> HttpResponse:
    """The script for the pages of the site."""
    answer = HttpResponse(script_of(request.form), content_type="text/javascript; charset=utf-8")
    answer.headers["Cache-Control"] = f"public, max-age={SCRIPT_SECONDS}"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def kept_touches(request: CaptureRequest) -> tuple[Touch, ...]:
    return attribution.unpacked(request.COOKIES.get(COOKIE, ""), timezone.now())


def body_of(request: HttpRequest) -> Mapping[str, Any]:
    """What was sent, as JSON or by a form; of a form's field that is there twice, the last value."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "unsupported_media_type", "Send the body uncompressed.")
    if request.content_type not in (*JSON_TYPES, *FORM_TYPES):
        raise Refused(415, "unsupported_media_type", "Send JSON, or what a form sends.")
    try:
        if request.content_type in JSON_TYPES:
            return StrictJSONParser().parse(BytesIO(request.body))
        posted: QueryDict = request.POST
        if request.FILES:
            raise Refused(400, "invalid", "Files are not taken.", attr=printable(next(iter(request.FILES))))
        return {name: posted[name] for name in posted if posted.getlist(name)}
    except ParseError as error:
        raise Refused(400, "parse_error", str(error.detail)) from error
    except UnreadablePostError as error:
        raise Refused(400, "parse_error", "The body ended before its Content-Length.") from error
    except (BadRequest, SuspiciousOperation, MultiPartParserError, LookupError, UnicodeError) as error:
        raise Refused(
            400, "parse_error", "This is not what a form sends, or it has too many fields."
        ) from error


# --- At the door


def _open(request: CaptureRequest, key: str) -> None:
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None or principal.key is None:
        raise Refused(404, "not_found", "There is no such form. It may have been taken away.")
    request.form, request.secret = actions.form_of(principal.key), key


def _admit(request: CaptureRequest, methods: tuple[str, ...]) -> None:
    if request.method not in methods:
        raise Refused(405, "method_not_allowed", f"Use {' or '.join(methods)}.")
    if request.method == "POST" and not _is_allowed(request):
        slow_down(request, "refused")  # each of them is a row
        actions.note(request.form, SubmissionOutcome.REFUSED, reason="origin")
        raise Refused(403, "origin_not_allowed", "This form takes nothing from this site.")


def _is_allowed(request: CaptureRequest) -> bool:
    """Servers name no origin. Browsers always do, when a page of another site posts."""
    origin = request.headers.get("Origin")
    return origin is None or origin in _own_origins(request) or origin in request.form.allowed_origins


def _own_origins(request: HttpRequest) -> tuple[str, str]:
    public = urlsplit(settings.PUBLIC_URL)
    return f"{request.scheme}://{request.get_host()}", f"{public.scheme}://{public.netloc}"


def slow_down(request: CaptureRequest, what: str = "capture") -> None:
    """So many a minute with one key, and so many from one place with it."""
    assert request.principal.key is not None
    name = f"{request.principal.company.pk}:{what}:{request.principal.key.pk}"
    place = _place(client_address(request))
    _take_one(f"{name}:{place}", settings.CAPTURE_IP_RATE)
    _take_one(name, settings.CAPTURE_RATE)


def _slow_down_searches(request: CaptureRequest) -> None:
    """Every address of the company is looked at for a hash: so many a minute with one key, from wherever."""
    assert request.principal.key is not None
    name = f"{request.principal.company.pk}:hashed:{request.principal.key.pk}"
    _take_one(name, settings.CAPTURE_IP_RATE)


def _take_one(bucket: str, rate: int) -> None:
    wait = buckets().take(bucket, rate / 60, rate) if rate > 0 else 0.0
    if wait > 0:
        raise TooMany(wait)


class TooMany(Refused):
    """429, with how long to wait."""

    def __init__(self, wait: float) -> None:
        super().__init__(429, "throttled", "Too many at once. Try again in a moment.")
        self.headers["Retry-After"] = str(ceil(wait))


def _place(address: str) -> str:
    """One network of IPv6 is one place: whoever has an address there has them all."""
    if not address:
        return ""
    parsed = ip_address(address)
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) else address


# --- Answers


def _received(request: CaptureRequest, body: Mapping[str, Any]) -> HttpResponse:
    """The same for everybody: somebody new, somebody known, and machines."""
    to = redirect_of(request.form, body)
    if to and request.content_type in FORM_TYPES:
        return HttpResponse(status=303, headers={"Location": to})
    return JsonResponse({"received": True, **({"redirect": to} if to else {})})


def redirect_of(form: WebForm, body: Mapping[str, Any]) -> str:
    """Where the visitor goes on to: what the page asks for, if it is on the list, else the first on it."""
    allowed: list[str] = form.redirects
    return next((url for url in allowed if url == body.get("redirect")), next(iter(allowed), ""))


def _preflight(methods: tuple[str, ...]) -> HttpResponse:
    headers = {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return HttpResponse(status=204, headers=headers)


def _for_its_sites(request: CaptureRequest, answer: HttpResponse) -> HttpResponse:
    """Let the pages of allowed sites read the answer, and have its cookie, where their browser gives it to them."""
    patch_vary_headers(answer, ["Origin"])
    form: WebForm | None = getattr(request, "form", None)
    origin = request.headers.get("Origin")
    if form is not None and origin is not None and origin in form.allowed_origins:
        answer.headers["Access-Control-Allow-Origin"] = origin
        answer.headers["Access-Control-Allow-Credentials"] = "true"
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def _page_of(request: CaptureRequest, refusal: Refused) -> HttpResponse:
    """A refusal for people, in a language of theirs."""
    language = language_of("", request.GET.get("lang", ""), request.headers.get("Accept-Language", ""))
    context = {"words": WORDS[language], "language": language, "detail": refusal.errors[0]["detail"]}
    page = render_to_string("capture/refused.html", context)
    return HttpResponse(page, status=refusal.status, headers=refusal.headers)


def _as_refusal(error: ValidationError) -> Refused:
    refusal = Refused(400, "invalid", "")
    refusal.kind = "validation_error"
    refusal.errors = [
        {"code": one.code or "invalid", "detail": sentence, "attr": printable(name)}
        for name, errors in by_field(error).items()
        for one in errors
        for sentence in one.messages
    ]
    return refusal


def by_field(error: ValidationError) -> dict[str, list[ValidationError]]:
    return error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}


def first_code(error: ValidationError) -> str:
    errors = next(iter(by_field(error).values()))
    return next((str(one.code) for one in errors if one.code), "invalid")
