"""Invitations: made, sent again, withdrawn, accepted.

The link carries the company's id in front of its secret, so that an invitation is looked up inside that company's
scope like everything else. The secret is never stored: sending again makes a new one, and the old link ends.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit, cleaning
from crm.actions.people import add_member, create_user
from crm.actor import Actor
from crm.errors import Conflict
from crm.models import Company, Invitation, Membership, Role, User
from crm.models.invitation import LIFETIME
from crm.tenancy import company_scope

INVITED_ROLES = (Role.AGENT, Role.MANAGER, Role.ADMIN)
_COMPANY_DIGITS = 32


@dataclass(frozen=True)
class NewInvitation:
    """An invitation whose link was just made; `token` is shown or mailed once and stored nowhere."""

    row: Invitation
    token: str


@transaction.atomic
def invite(
    company: Company, email: str, role: str, actor: Actor, *, first_name: str = "", last_name: str = ""
) -> NewInvitation:
    """Offer an address a place in the company. Raises ValidationError per field."""
    try:
        address = cleaning.email(email).lower()
    except ValidationError as error:
        raise ValidationError({"email": error.error_list}) from error
    if role not in INVITED_ROLES:
        raise ValidationError(
            {"role": _("Invite them as agent, manager or admin. Owners are made of members.")}
        )
    with company_scope(company):
        _check_is_new(address)
        token = _new_token(company)
        row = Invitation(
            company=company,
            email=address,
            first_name=first_name.strip(),
            last_name=last_name.strip(),
            role=role,
            digest=_digest(token),
            invited_by=actor.user,
            expires_at=timezone.now() + LIFETIME,
        )
        row.clean_fields(exclude=["company", "invited_by"])
        row.save()
        audit.record(actor, "member_invited", row, company=company, changes={"role": (None, role)})
    return NewInvitation(row, token)


@transaction.atomic
def resend(invitation: Invitation, actor: Actor) -> NewInvitation:
    """A new link for seven days from now; the one before ends. Raises Conflict where nothing waits."""
    invitation = _waiting(invitation)
    token = _new_token(invitation.company)
    invitation.digest = _digest(token)
    invitation.expires_at = timezone.now() + LIFETIME
    invitation.save(update_fields=["digest", "expires_at"])
    audit.record(actor, "invitation_resent", invitation, company=invitation.company)
    return NewInvitation(invitation, token)


@transaction.atomic
def change_role(invitation: Invitation, role: str, actor: Actor) -> Invitation:
    """What they will be when they join."""
    if role not in INVITED_ROLES:
        raise ValidationError(
            {"role": _("Invite them as agent, manager or admin. Owners are made of members.")}
        )
    invitation = _waiting(invitation)
    before, invitation.role = invitation.role, role
    invitation.save(update_fields=["role"])
    audit.record(
        actor, "role_changed", invitation, company=invitation.company, changes={"role": (before, role)}
    )
    return invitation


@transaction.atomic
def revoke(invitation: Invitation, actor: Actor) -> None:
    """End the link for good."""
    invitation = _waiting(invitation)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    audit.record(actor, "invitation_revoked", invitation, company=invitation.company)


def find(token: str) -> Invitation | None:
    """The open invitation a link stands for; None for one that is wrong, used, withdrawn or too old."""
    company = _company_of(token)
    if company is None:
        return None
    with company_scope(company):
        found = Invitation.objects.filter(digest=_digest(token)).select_related("company", "invited_by")
        invitation = found.first()
    return invitation if invitation and invitation.is_open else None


@transaction.atomic
def accept(invitation: Invitation, user: User, actor: Actor) -> Membership:
    """Make the person it was sent to a member. Works once. Raises Conflict if it is used or meant for another."""
    company = invitation.company
    with company_scope(company):
        invitation = _waiting(invitation)
        if not invitation.is_open:
            raise Conflict(_("This invitation has run out. Ask for a new one."))
        if user.email.lower() != invitation.email:
            raise Conflict(
                _("This invitation was sent to {email}. Sign in with that address.").format(
                    email=invitation.email
                )
            )
        membership = Membership.objects.active().filter(user=user).first()
        if membership is None:
            membership = add_member(company, user, invitation.role, actor)
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        audit.record(
            actor, "member_joined", membership, company=company, changes={"role": (None, membership.role)}
        )
    return membership


@transaction.atomic
def accept_as_new(
    invitation: Invitation, password: str, actor: Actor, *, first_name: str, last_name: str
) -> User:
    """Make the account and the membership. Raises ValidationError per field, and Conflict as `accept`."""
    user = create_user(invitation.email, password, first_name=first_name, last_name=last_name)
    accept(invitation, user, Actor(actor.channel, user=user, address=actor.address))
    return user


def _waiting(invitation: Invitation) -> Invitation:
    """The row locked, so that two people cannot use it at once."""
    rows = Invitation.objects.waiting().select_for_update(of=("self",)).select_related("company")
    found = rows.filter(pk=invitation.pk).first()
    if found is None:
        raise Conflict(_("This invitation was used or withdrawn."))
    return found


def _check_is_new(address: str) -> None:
    member = Membership.objects.active().filter(user__email__iexact=address).select_related("user").first()
    if member:
        raise ValidationError({"email": _("{user} is in the team already.").format(user=member.user)})
    if Invitation.objects.waiting().filter(email=address).exists():
        raise ValidationError(
            {"email": _("This address is invited already. Send the invitation again instead.")}
        )


def _new_token(company: Company) -> str:
    return company.pk.hex + secrets.token_urlsafe(32)


def _digest(token: str) -> str:
    """A plain hash is enough: the secret has 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def _company_of(token: str) -> Company | None:
    try:
        pk = UUID(hex=token[:_COMPANY_DIGITS])
    except ValueError:
        return None
    return Company.objects.filter(pk=pk).first()
