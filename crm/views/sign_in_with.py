"""To a service that people sign in with, back from it, and apart from it again."""

from __future__ import annotations

from typing import Any, Final, cast

from allauth.account.decorators import reauthentication_required
from allauth.account.utils import get_next_redirect_url
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.openid_connect.views import callback
from allauth.socialaccount.signals import social_account_removed
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException

from crm.models import User
from crm.sign_in_with import name_of, not_confirmed
from crm.views.page import done, refused

# What comes of an answer that is no OpenID Connect: parts missing, or of another kind. The service's fault, not ours.
_NONSENSE: Final = (RequestException, KeyError, TypeError, ValueError, AttributeError, ImproperlyConfigured)


@login_not_required
@require_POST
def to_service(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Off to the service: to sign in, or, for who is signed in, to connect it."""
    if refusal := _too_many(request):
        return refusal
    try:
        provider = get_adapter().get_provider(request, provider_id)
    except SocialApp.DoesNotExist as missing:
        raise Http404 from missing
    process = AuthProcess.CONNECT if request.user.is_authenticated else AuthProcess.LOGIN
    try:
        answer: HttpResponse = provider.redirect(request, process, next_url=get_next_redirect_url(request))
    except _NONSENSE as failure:
        return not_confirmed(request, provider_id, failure)
    return answer


@login_not_required
@require_safe
def from_service(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the service with a code that says who came."""
    if refusal := _too_many(request):
        return refusal
    try:
        answer: HttpResponse = callback(request, provider_id)
    except _NONSENSE as failure:
        return not_confirmed(request, provider_id, failure)
    return answer


@require_POST
@reauthentication_required
def service_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a service sign this person in no more. Somebody else's is a 404, like one that does not exist."""
    user = cast("User", request.user)
    account = SocialAccount.objects.filter(user=user, pk=pk).first()
    if account is None:
        raise Http404
    if not user.has_usable_password():
        refusal = ValidationError(
            _("Set a password first: without it and the service you could not sign in.")
        )
        return refused(request, refusal, reverse("settings_you"))
    name = name_of(account.provider)
    account.delete()
    social_account_removed.send(sender=SocialAccount, request=request, socialaccount=account)
    return done(request, _("{name} is disconnected.").format(name=name), reverse("settings_you"))


def _too_many(request: HttpRequest) -> HttpResponse | None:
    """The page that says so, where a place comes too often."""
    answer: Any = ratelimit.consume_or_429(request, app="allauth.account", action="service", limit_get=True)
    return cast("HttpResponse | None", answer)
