"""What belongs to the person and not to the company: password, second step, browsers that are signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm import audit
from crm.access import Principal
from crm.actions import calendar_feeds
from crm.actor import Actor
from crm.addresses import client_address
from crm.languages import language_of, speaking_to
from crm.models import CalendarFeed, Company, Membership, User
from crm.second_step import must_set_up
from crm.sign_in_with import let_forms_leave, name_of, services
from crm.views.page import PageRequest, actor_of, done, member_page, refused

YOU: Final = "settings_you"

# A word in the browser's own account of itself, and what people call it; the first that fits counts.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


class LanguageForm(forms.Form):
    """What somebody reads and is mailed in."""

    language = forms.ChoiceField(choices=settings.LANGUAGES, required=False)


@dataclass(frozen=True)
class SignedIn:
    """A browser that is signed in as this person."""

    pk: int
    browser: str
    address: str
    since: datetime
    seen_at: datetime
    is_this: bool


@dataclass(frozen=True)
class SecondStep:
    """What somebody has set up besides the password."""

    app: Authenticator | None
    passkeys: list[Authenticator]
    codes: Authenticator | None

    @property
    def codes_left(self) -> int:
        return len(self.codes.wrap().get_unused_codes()) if self.codes else 0

    @property
    def is_on(self) -> bool:
        return bool(self.app or self.passkeys)


@dataclass(frozen=True)
class SignInWith:
    """A service: as whom it signs this person in, and since when; or that it could."""

    key: str
    name: str
    is_offered: bool
    account: SocialAccount | None = None

    @property
    def email(self) -> str:
        return str(self.account.extra_data.get("email", "")) if self.account else ""


@require_safe
def your_account(request: HttpRequest) -> HttpResponse:
    """Everything about how this person signs in."""
    return _page(request)


def _page(request: HttpRequest, feed_link: str = "") -> HttpResponse:
    user = cast("User", request.user)
    context = {
        "person": user,
        "step": second_step_of(user),
        "sessions": _sessions(request),
        "services": _services(user),
        "must_set_up": must_set_up(request),
        "languages": settings.LANGUAGES,
        "company_language": dict(settings.LANGUAGES).get(language_of(None, company_of(request))),
        "feed_link": feed_link,
        **_told(request),
    }
    return let_forms_leave(render(request, "crm/settings/you.html", context))


@require_safe
def to_your_account(request: HttpRequest, key: str = "") -> HttpResponse:
    """In place of pages of allauth's that have no place here."""
    return redirect(YOU)


def company_of(request: HttpRequest) -> Company | None:
    """The company whose pages this person reads; None for who is in none."""
    principal: Principal | None = getattr(request, "principal", None)
    return principal.company if principal else None


def _told(request: HttpRequest) -> dict[str, Any]:
    """How the company's news reaches this person; nothing for who is in none."""
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None or principal.user is None:
        return {}
    return {
        "membership": Membership.objects.get(user=principal.user),
        "feed": CalendarFeed.objects.filter(user=principal.user).first(),
        "mails": settings.MAILS,
    }


@require_POST
@member_page
def set_digest(request: PageRequest) -> HttpResponse:
    """Switch the mail of the morning on or off."""
    wants = request.POST.get("wanted") == "yes"
    Membership.objects.filter(user=request.principal.user).update(wants_digest=wants)
    text = (
        _("You get a mail at eight on days that hold something.")
        if wants
        else _("No more mails in the morning.")
    )
    return done(request, text, reverse(YOU))


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Choose what to read and be mailed in; nothing means as the company."""
    form = LanguageForm(request.POST)
    if not form.is_valid():
        return refused(request, ValidationError(_("Choose one of the languages there are.")), reverse(YOU))
    user = cast("User", request.user)
    user.language = form.cleaned_data["language"]
    user.save(update_fields=["language"])
    with speaking_to(user, company_of(request)):
        return done(request, _("From now on this is your language."), reverse(YOU))


@require_POST
@member_page
def feed_make(request: PageRequest) -> HttpResponse:
    """A new secret address for the calendar. It is shown on the page that answers, and never again."""
    company, user = request.principal.company, cast("User", request.user)
    token = calendar_feeds.make_feed(company, user, actor_of(request))
    return _page(request, f"{settings.PUBLIC_URL}{reverse('calendar_feed', args=[token])}")


@require_POST
@member_page
def feed_end(request: PageRequest) -> HttpResponse:
    """The address of the calendar stops working."""
    calendar_feeds.end_feed(request.principal.company, cast("User", request.user), actor_of(request))
    return done(request, _("The address of your calendar does not work any more."), reverse(YOU))


@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one browser out. Somebody else's is a 404, like one that does not exist."""
    session = UserSession.objects.filter(user_id=request.user.pk, pk=pk).first()
    if session is None:
        raise Http404
    _record_end(request)
    if session.session_key == request.session.session_key:
        session.delete()
        logout(request)
        return redirect("account_login")
    session.end()
    return done(request, _("That browser is signed out."), reverse(YOU))


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """Sign every other browser out."""
    others = UserSession.objects.filter(user_id=request.user.pk).exclude(
        session_key=request.session.session_key
    )
    for session in others:
        _record_end(request)
        session.end()
    return done(request, _("Every other browser is signed out."), reverse(YOU))


def _record_end(request: HttpRequest) -> None:
    user = cast("User", request.user)
    audit.record_for(user, Actor("web", user=user, address=client_address(request)), "session_ended")


def second_step_of(user: User) -> SecondStep:
    """What this person has set up."""
    authenticators = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    by_type = {authenticator.type: authenticator for authenticator in authenticators}
    return SecondStep(
        by_type.get(Authenticator.Type.TOTP),
        [each for each in authenticators if each.type == Authenticator.Type.WEBAUTHN],
        by_type.get(Authenticator.Type.RECOVERY_CODES),
    )


def _services(user: User) -> list[SignInWith]:
    """Those connected, also ones that the operator no longer offers, and those that could be."""
    connected = list(SocialAccount.objects.filter(user=user).order_by("date_joined"))
    offered = {service.key for service in services()}
    mine = {account.provider for account in connected}
    return [
        *(SignInWith(one.provider, name_of(one.provider), one.provider in offered, one) for one in connected),
        *(SignInWith(one.key, one.name, is_offered=True) for one in services() if one.key not in mine),
    ]


def browser_name(user_agent: str) -> str:
    """`Chrome on Windows`; as much of it as can be told."""
    browser = next((name for word, name in _BROWSERS if word in user_agent), _("A browser"))
    system = next((name for word, name in _SYSTEMS if word in user_agent), "")
    return _("{browser} on {system}").format(browser=browser, system=system) if system else browser


def _sessions(request: HttpRequest) -> list[SignedIn]:
    """The newest first, this one on top. Sessions that have ended are forgotten on the way."""
    sessions = UserSession.objects.purge_and_list(request.user)
    shown = [
        SignedIn(
            session.pk,
            browser_name(session.user_agent),
            session.ip,
            session.created_at,
            session.last_seen_at,
            session.session_key == request.session.session_key,
        )
        for session in sessions
    ]
    return sorted(shown, key=lambda each: (each.is_this, each.seen_at), reverse=True)
