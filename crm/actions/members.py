"""Changes what a member may do, and keeps every company with somebody who owns it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django_scopes import scopes_disabled

from crm.models import Membership, Role, User

_PANEL_ROLES = (Role.ADMIN, Role.OWNER)


@transaction.atomic
def change_membership(
    membership: Membership, by: User, *, role: str | None = None, is_active: bool | None = None
) -> Membership:
    """Give a member another role, or let them in or out.

    Only owners (and the operator) make, demote or shut out owners; the last active owner cannot be either.
    Raises ValidationError per field.
    """
    membership = (
        Membership.objects.select_for_update(of=("self",)).select_related("user").get(pk=membership.pk)
    )
    was_owner = membership.role == Role.OWNER and membership.is_active
    role = membership.role if role is None else Role(role)
    is_active = membership.is_active if is_active is None else is_active
    becomes_owner = role == Role.OWNER and is_active
    if was_owner != becomes_owner and not _may_name_owners(by):
        raise ValidationError({"role": "Only an owner can decide who owns the company."})
    if was_owner and not becomes_owner and not _others_own(membership):
        raise ValidationError({"role": "This is the last owner. Make somebody else an owner first."})
    membership.role, membership.is_active = role, is_active
    membership.save(update_fields=["role", "is_active"])
    _open_or_close_panel(membership.user)
    return membership


@transaction.atomic
def change_user(user: User, changes: dict[str, Any]) -> User:
    """Change what belongs to the person whatever the company: names, address, and whether they may sign in."""
    user = User.objects.select_for_update().get(pk=user.pk)
    for field, value in changes.items():
        setattr(user, field, value.strip() if isinstance(value, str) else value)
    if "email" in changes:
        user.email = user.email.lower()
        if User.objects.filter(email__iexact=user.email).exclude(pk=user.pk).exists():
            raise ValidationError({"email": "Somebody signs in with this address already."}, code="unique")
    if not user.is_active and (name := _owned_alone(user)):
        raise ValidationError(
            {"is_active": f"They are the last owner of {name}. Make somebody else an owner first."}
        )
    user.clean_fields(exclude=["password"])
    user.save()
    return user


def _owned_alone(user: User) -> str:
    """The name of a company that has no other active owner; "" if there is none."""
    with scopes_disabled():
        owners = Membership.objects.active().filter(role=Role.OWNER)
        theirs = Membership.objects.filter(user=user, role=Role.OWNER, is_active=True).select_related(
            "company"
        )
        shared = set(owners.exclude(user=user).values_list("company", flat=True))
        return next((row.company.name for row in theirs if row.company_id not in shared), "")


def _may_name_owners(user: User) -> bool:
    return user.is_superuser or Membership.objects.active().filter(user=user, role=Role.OWNER).exists()


def _others_own(membership: Membership) -> bool:
    return Membership.objects.active().filter(role=Role.OWNER).exclude(pk=membership.pk).exists()


def _open_or_close_panel(user: User) -> None:
    """The admin panel is for those who are admin or owner of some company, and for the operator."""
    with scopes_disabled():
        manages = Membership.objects.filter(user=user, is_active=True, role__in=_PANEL_ROLES).exists()
    is_staff = manages or user.is_superuser
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])
