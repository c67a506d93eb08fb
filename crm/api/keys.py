"""From the key that a request brings to the principal it stands for."""

from __future__ import annotations

import re

from django.utils import timezone

from crm.access import Principal
from crm.actions import people
from crm.models import ApiKey
from crm.tenancy import every_company


def principal_of_key(header: str) -> Principal | None:
    """The principal of `Bearer lm_…`; None for anything that is not a live key."""
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not people.looks_like_key(secret.strip()):
        return None
    return _principal_of(secret.strip())


def principal_of_capture(path: str) -> Principal | None:
    """The principal of `/capture/lm_…/`; None unless it is a live key that captures.

    The key stands in the source of web pages for everybody to read: it opens these addresses, and nothing else.
    """
    secret = re.split(r"[/.]", path.removeprefix("/capture/"), maxsplit=1)[0]
    principal = _principal_of(secret) if people.looks_like_key(secret) else None
    return principal if principal and principal.has_scope("capture") else None


def _principal_of(secret: str) -> Principal | None:
    now, digest = timezone.now(), people.digest(secret)
    with every_company():
        # With what nearly every lead that is added asks of its company.
        live = ApiKey.objects.live(now).select_related("company__default_status", "company__fallback_owner")
        live = live.order_by()
        key = next(iter(live.filter(digest=digest)[:1]), None) or next(
            iter(live.filter(previous_digest=digest, previous_until__gt=now)[:1]), None
        )
        if key is None:
            return None
        if key.last_used_on != now.date():
            ApiKey.objects.filter(pk=key.pk).update(last_used_on=now.date())
    return Principal(key.company, key=key)
