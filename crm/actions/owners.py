"""Who may own a record."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm.actor import Actor
from crm.models import Company, Membership, User


def is_member(user: User) -> bool:
    """Whether the user is an active member of the company whose scope is open."""
    return Membership.objects.active().filter(user=user).exists()


def check_owner(owner: User | None) -> None:
    """Raise ValidationError unless the owner is nobody or an active member."""
    if owner is not None and not is_member(owner):
        raise ValidationError({"owner": _("Choose an active member of this company.")})


def default_owner(company: Company, actor: Actor, inherited: User | None = None) -> User | None:
    """Whoever does it in the web or admin panel; else whom the record inherits; else the fallback owner."""
    if actor.user is not None and actor.channel in ("web", "admin") and is_member(actor.user):
        return actor.user
    return inherited or company.fallback_owner
