"""The company of a session: the first one at sign-in, until the person switches."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from crm.access import SESSION_COMPANY, memberships_of
from crm.models import User


@receiver(user_logged_in, dispatch_uid="crm.sessions.choose_company")
def choose_company(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Say at sign-in which company the session is for, so that an open page can never mean two."""
    for membership in memberships_of(user)[:1]:
        request.session.setdefault(SESSION_COMPANY, str(membership.company_id))
