"""From an Authorization header to the principal it stands for."""

from __future__ import annotations

from django.db.models import Q
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
    now = timezone.now()
    with every_company():
        key = (
            ApiKey.objects.filter(digest=people.digest(secret.strip()), revoked_at=None)
            .filter(Q(expires_at=None) | Q(expires_at__gt=now))
            .select_related("company")
            .first()
        )
        if key is None:
            return None
        if key.last_used_on != now.date():
            ApiKey.objects.filter(pk=key.pk).update(last_used_on=now.date())
    return Principal(key.company, key=key)
