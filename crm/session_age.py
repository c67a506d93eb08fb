"""How long one stays signed in: 12 hours without a request, 14 days in all; and who is signed in where."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.db import InterfaceError, OperationalError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 12 * 3600
ABSOLUTE_SECONDS: Final = 14 * 24 * 3600
# A request writes down that somebody was here at most this often.
NOTED_EVERY: Final = 300
SIGNED_IN: Final = "signed_in_at"
SEEN: Final = "seen_at"

GetResponse = Callable[[HttpRequest], HttpResponse]


def end_old_sessions(get_response: GetResponse) -> GetResponse:
    """Sign out whoever was away for too long, or signed in too long ago, before anything is shown."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            if request.user.is_authenticated:
                _end_or_note(request)
        except (OperationalError, InterfaceError):
            # The next one in line says that the database is away.
            logger.warning("Nobody's session could be looked at: the database does not answer.")
        return get_response(request)

    return middleware


def _end_or_note(request: HttpRequest) -> None:
    now, session = time.time(), request.session
    signed_in, seen = session.get(SIGNED_IN, now), session.get(SEEN, 0.0)
    if seen and (now - seen > IDLE_SECONDS or now - signed_in > ABSOLUTE_SECONDS):
        logout(request)
    elif now - seen > NOTED_EVERY:
        session[SIGNED_IN], session[SEEN] = signed_in, now
        UserSession.objects.create_from_request(request)


@receiver(user_logged_in, dispatch_uid="crm.session_age.start")
def _start(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """A new sign-in starts the clock anew, in a session that was there before too."""
    if request is not None and hasattr(request, "session"):
        request.session[SIGNED_IN] = time.time()
        request.session.pop(SEEN, None)
