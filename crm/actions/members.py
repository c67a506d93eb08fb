"""Changes what members may do, lets them go and come back, and keeps every company with somebody who owns it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import audit
from crm.access import Ability, is_operator, roles_with
from crm.actions.owners import check_owner
from crm.actor import Actor
from crm.models import Activity, ApiKey, Company, Deal, Lead, Membership, Role, TaskAssignee, User
from crm.models.activity import ActivityKind
from crm.tenancy import every_company
from crm.texts import gettext_lazy

BATCH = 1000


class HandOver(models.TextChoices):
    """Who takes the records of somebody who leaves, where it is no person by name."""

    FALLBACK = "fallback", gettext_lazy("The fallback owner")
    NOBODY = "nobody", gettext_lazy("Nobody")


@dataclass(frozen=True)
class Departure:
    """Somebody who is let go, how many records they leave, and the API keys they made: those go on working."""

    membership: Membership
    leads: int
    deals: int
    keys: tuple[ApiKey, ...]


def check_may_grant(role: str, actor: Actor) -> None:
    """Raise ValidationError unless the actor may give somebody this role: only owners make owners."""
    if role in roles_with(Ability.OWN) and not _may_name_owners(actor):
        raise ValidationError({"role": _("Only an owner can decide who owns the company.")})


@transaction.atomic
def change_role(membership: Membership, role: str, actor: Actor) -> Membership:
    """Give a member another role. Only owners make or demote owners, and never the last active one."""
    membership = _locked(membership)
    before, after = membership.role, _role(role)
    if before == after:
        return membership
    check_may_grant(after, actor)
    check_may_grant(before, actor)
    if after not in roles_with(Ability.OWN):
        _check_others_own(membership)
    membership.role = after
    membership.save(update_fields=["role"])
    open_or_close_panel(membership.user)
    audit.record(
        actor, "role_changed", membership, company=membership.company, changes={"role": (before, after)}
    )
    return membership


def what_they_leave(membership: Membership) -> Departure:
    """What would have to be handed over if this member left now. Changes nothing."""
    user = membership.user
    keys = ApiKey.objects.filter(created_by=user, revoked_at=None)
    return Departure(
        membership,
        Lead.objects.current().owned_by(user).count(),
        Deal.objects.current().owned_by(user).count(),
        tuple(keys),
    )


@transaction.atomic
def deactivate_member(
    membership: Membership, actor: Actor, hand_over_to: User | HandOver = HandOver.FALLBACK
) -> Departure:
    """Shut a member out from their next request on, and give their leads and deals to somebody.

    They keep what they may in other companies. Raises ValidationError per field, with nothing changed.
    """
    membership = _locked(membership)
    check_may_grant(membership.role, actor)
    _check_others_own(membership)
    departure = what_they_leave(membership)
    if membership.is_active:
        membership.is_active = False
        membership.save(update_fields=["is_active"])
        audit.record(
            actor, "member_deactivated", membership, company=membership.company, changes=_ACTIVE_NO_MORE
        )
    heir = _heir(membership, hand_over_to)
    _hand_over(membership, heir, actor)
    open_or_close_panel(membership.user)
    return replace(departure, membership=membership)


@transaction.atomic
def reactivate_member(membership: Membership, actor: Actor) -> Membership:
    """Let somebody in again, with the role they had. Their records stay with those who have them now."""
    membership = _locked(membership)
    check_may_grant(membership.role, actor)
    if membership.is_active:
        return membership
    membership.is_active = True
    membership.save(update_fields=["is_active"])
    open_or_close_panel(membership.user)
    audit.record(actor, "member_reactivated", membership, company=membership.company, changes=_ACTIVE_AGAIN)
    return membership


@transaction.atomic
def remove_member(
    membership: Membership, actor: Actor, hand_over_to: User | HandOver = HandOver.FALLBACK
) -> Departure:
    """Let a member go for good: as `deactivate_member`, and they are in the list of members no more."""
    departure = deactivate_member(membership, actor, hand_over_to)
    gone = departure.membership
    audit.record(actor, "member_removed", gone, company=gone.company)
    Membership.objects.filter(pk=gone.pk).delete()
    return departure


@transaction.atomic
def change_user(user: User, changes: dict[str, Any], actor: Actor) -> User:
    """Change what belongs to the person whatever the company: names, address, and whether they may sign in."""
    with every_company():
        _lock_companies(Membership.objects.filter(user=user).values_list("company", flat=True))
    user = User.objects.select_for_update().get(pk=user.pk)
    before = {field: getattr(user, field) for field in changes}
    for field, value in changes.items():
        setattr(user, field, value.strip() if isinstance(value, str) else value)
    if "email" in changes:
        user.email = user.email.lower()
        if User.objects.filter(email__iexact=user.email).exclude(pk=user.pk).exists():
            raise ValidationError({"email": _("Somebody signs in with this address already.")}, code="unique")
    if not user.is_active and (name := _owned_alone(user)):
        raise ValidationError(
            {
                "is_active": _(
                    "They are the last owner of {name}. Make somebody else an owner first."
                ).format(name=name)
            }
        )
    user.clean_fields(exclude=["password"])
    user.save()
    told = audit.differences(before, {field: getattr(user, field) for field in changes})
    audit.record_for(user, actor, "user_changed", changes=told)
    return user


def open_or_close_panel(user: User) -> None:
    """The admin panel is for those who manage some company, and for the operator."""
    with every_company():
        memberships = Membership.objects.filter(user=user, is_active=True)
        manages = memberships.filter(role__in=roles_with(Ability.MANAGE)).exists()
    is_staff = manages or is_operator(user)
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])


_ACTIVE_NO_MORE = {"is_active": (True, False)}
_ACTIVE_AGAIN = {"is_active": (False, True)}


def _locked(membership: Membership) -> Membership:
    """The row as it is now. Whoever else changes members of this company waits: owners are counted one by one."""
    _lock_companies([membership.company_id])
    return Membership.objects.select_related("user", "company").get(pk=membership.pk)


def _lock_companies(ids: Iterable[Any]) -> None:
    """Without the key, so that leads and deals can still be added meanwhile; in order, so that none deadlock."""
    list(Company.objects.select_for_update(no_key=True).filter(pk__in=list(ids)).order_by("pk"))


def _role(role: str) -> str:
    try:
        return Role(role)
    except ValueError as error:
        raise ValidationError(
            {"role": _("Choose from {values}.").format(values=", ".join(Role.values))}
        ) from error


def _may_name_owners(actor: Actor) -> bool:
    """Owners and the operator may, and whoever has the server's shell. An API key may not."""
    if actor.user is None:
        return actor.channel in ("shell", "demo")
    if is_operator(actor.user):
        return True
    return Membership.objects.active().filter(user=actor.user, role__in=roles_with(Ability.OWN)).exists()


def _check_others_own(membership: Membership) -> None:
    """Raise ValidationError if this is the last active owner."""
    owners = Membership.objects.active().filter(role__in=roles_with(Ability.OWN))
    if owners.filter(pk=membership.pk).exists() and not owners.exclude(pk=membership.pk).exists():
        raise ValidationError({"role": _("This is the last owner. Make somebody else an owner first.")})


def _owned_alone(user: User) -> str:
    """The name of a company that has no other active owner; "" if there is none."""
    with every_company():
        owners = Membership.objects.active().filter(role__in=roles_with(Ability.OWN))
        theirs = Membership.objects.filter(
            user=user, role__in=roles_with(Ability.OWN), is_active=True
        ).select_related("company")
        shared = set(owners.exclude(user=user).values_list("company", flat=True))
        return next((row.company.name for row in theirs if row.company_id not in shared), "")


# ── Handing over ───────────────────────────────────────────────────────────────────────────────────────


def _heir(membership: Membership, hand_over_to: User | HandOver) -> User | None:
    """Who takes the records; None for nobody. The one who leaves is not active any more here."""
    if hand_over_to == HandOver.NOBODY:
        return None
    heir = membership.company.fallback_owner if hand_over_to == HandOver.FALLBACK else hand_over_to
    if not isinstance(heir, User):
        raise ValidationError({"hand_over_to": _("There is no fallback owner. Choose a person, or nobody.")})
    if heir == membership.user:
        raise ValidationError({"hand_over_to": _("They leave themselves. Choose somebody else, or nobody.")})
    try:
        check_owner(heir)
    except ValidationError as error:
        raise ValidationError({"hand_over_to": _("Choose an active member of this company.")}) from error
    return heir


def _hand_over(membership: Membership, heir: User | None, actor: Actor) -> None:
    """Give all leads and deals to the heir, archived ones too, with a line on each timeline."""
    user, company, now = membership.user, membership.company, timezone.now()
    leads, deals = Lead.objects.owned_by(user), Deal.objects.owned_by(user)
    old, new = str(user), str(heir or "")
    lines = [_line(company, actor, old, new, now, lead_id=pk) for pk in leads.values_list("pk", flat=True)]
    lines += [
        _line(company, actor, old, new, now, lead_id=lead, deal_id=pk)
        for pk, lead in deals.values_list("pk", "lead")
    ]
    Activity.objects.bulk_create(lines, batch_size=BATCH)
    leads.update(owner=heir, updated_at=now)
    deals.update(owner=heir, updated_at=now)
    _hand_over_tasks(user, heir)
    if company.fallback_owner_id == user.pk:
        company.fallback_owner = heir
        company.save(update_fields=["fallback_owner"])


def _hand_over_tasks(user: User, heir: User | None) -> None:
    """Open tasks go to the heir; what the heir is to do already is not to be done twice."""
    theirs = TaskAssignee.objects.filter(user=user, task__done_at=None)
    if heir is not None:
        shared = TaskAssignee.objects.filter(user=heir).values("task")
        theirs.exclude(task__in=shared).update(user=heir)
    TaskAssignee.objects.filter(user=user, task__done_at=None).delete()


def _line(company: Company, actor: Actor, old: str, new: str, at: Any, **about: Any) -> Activity:
    return Activity(
        company=company,
        kind=ActivityKind.FIELD,
        actor=actor.user,
        actor_label=actor.label,
        field="owner",
        old=old[:300],
        new=new[:300],
        at=at,
        **about,
    )
