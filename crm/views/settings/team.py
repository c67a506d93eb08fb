"""The team: who is in it, what each may do, who was invited and who left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from crm import mails
from crm.access import SESSION_COMPANY, Ability, roles_with
from crm.accounts import remember_browser
from crm.actions import companies, invitations, members
from crm.actor import Actor
from crm.addresses import client_address
from crm.errors import Conflict
from crm.forms import show_refusal
from crm.models import Invitation, Lead, Membership, Role, User
from crm.texts import gettext_lazy
from crm.views.page import PageRequest, actor_of, done, refused, status_of
from crm.views.settings.forms import AcceptForm, HandOverForm, InviteForm
from crm.views.settings.page import render_settings, settings_page

TEAM: Final = "settings_team"
OWNING: Final = roles_with(Ability.OWN)
OFFERED_ROLES: Final = (Role.AGENT, Role.MANAGER, Role.ADMIN, Role.OWNER)

# What a second step is called, with its icon; the strongest first.
_STEPS: Final = (
    (Authenticator.Type.WEBAUTHN, gettext_lazy("Passkey"), "solid-finger-print"),
    (Authenticator.Type.TOTP, gettext_lazy("App code"), "solid-device-phone-mobile"),
)


@dataclass(frozen=True)
class Person:
    """A line of the team."""

    membership: Membership
    is_you: bool
    roles: tuple[Role, ...]
    """Those they can be given by whoever looks; with one there is nothing to choose."""
    step: str
    step_icon: str
    owns: int
    seen_at: datetime | None
    is_here: bool

    @property
    def user(self) -> User:
        return self.membership.user


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def team(request: PageRequest) -> HttpResponse:
    """The team, and the row that invites. The link of a new invitation is shown on the page that answers."""
    if request.method != "POST":
        return _team(request, InviteForm())
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _team(request, form, status=422)
    filled = form.cleaned_data
    try:
        made = invitations.invite(
            request.principal.company,
            filled["email"],
            filled["role"],
            actor_of(request),
            first_name=filled["first_name"],
            last_name=filled["last_name"],
        )
    except (ValidationError, Conflict) as refusal:
        show_refusal(form, refusal)
        return _team(request, form, status=status_of(refusal))
    return _sent(request, made)


@settings_page(Ability.MANAGE, "POST")
def invitation_resend(request: PageRequest, pk: UUID) -> HttpResponse:
    """A new link; the one before ends."""
    invitation = get_object_or_404(Invitation, pk=pk)
    try:
        made = invitations.resend(invitation, actor_of(request))
    except Conflict as refusal:
        return refused(request, refusal, reverse(TEAM))
    return _sent(request, made)


@settings_page(Ability.MANAGE, "POST")
def invitation_role(request: PageRequest, pk: UUID) -> HttpResponse:
    """What somebody invited will be."""
    invitation = get_object_or_404(Invitation, pk=pk)
    return _did(
        request,
        lambda actor: invitations.change_role(invitation, request.POST.get("role", ""), actor),
        _("{invitation} will join with the new role.").format(invitation=invitation),
    )


@settings_page(Ability.MANAGE, "POST")
def invitation_revoke(request: PageRequest, pk: UUID) -> HttpResponse:
    """The link ends for good."""
    invitation = get_object_or_404(Invitation, pk=pk)
    return _did(
        request,
        lambda actor: invitations.revoke(invitation, actor),
        _("The invitation of {invitation} is withdrawn.").format(invitation=invitation),
    )


@settings_page(Ability.MANAGE, "POST")
def member_role(request: PageRequest, pk: UUID) -> HttpResponse:
    """Give a member another role."""
    membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
    return _did(
        request,
        lambda actor: members.change_role(membership, request.POST.get("role", ""), actor),
        _("{user} has another role now.").format(user=membership.user),
    )


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def member_deactivate(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask who takes over, then shut the member out."""
    membership = get_object_or_404(Membership.objects.active().select_related("user"), pk=pk)
    form = HandOverForm(request.POST if request.method == "POST" else None, membership=membership)
    if request.method == "POST" and form.is_valid():
        try:
            gone = members.deactivate_member(membership, actor_of(request), form.heir())
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            left = _("{leads} leads and {deals} deals were handed over.").format(
                leads=gone.leads, deals=gone.deals
            )
            return done(
                request, left, reverse(TEAM), lead=_("{user} has left the team.").format(user=membership.user)
            )
    departure = members.what_they_leave(membership)
    context = {"departure": departure, "membership": membership, "form": form}
    return render_settings(
        request, "crm/settings/deactivate.html", context, status=422 if form.errors else 200
    )


@settings_page(Ability.MANAGE, "POST")
def member_reactivate(request: PageRequest, pk: UUID) -> HttpResponse:
    """Let somebody in again."""
    membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
    return _did(
        request,
        lambda actor: members.reactivate_member(membership, actor),
        _("{user} is back in the team, with the role they had.").format(user=membership.user),
    )


@settings_page(Ability.MANAGE, "POST")
def ask_everyone(request: PageRequest) -> HttpResponse:
    """Ask every member for a second step, or stop asking."""
    wanted = request.POST.get("required") == "yes"
    text = (
        _("Whoever has no second step sets one up before anything else.")
        if wanted
        else _("A second step is up to each person again.")
    )
    return _did(
        request,
        lambda actor: companies.require_second_step(request.principal.company, wanted, actor),
        text,
    )


# ── Joining ────────────────────────────────────────────────────────────────────────────────────────────


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link of an invitation leads: makes an account, or adds the company to the one there is."""
    found = invitations.find(token)
    if found is None:
        return render(request, "crm/invitation_ended.html", status=410)
    known = User.objects.filter(email__iexact=found.email).first()
    if known is None:
        return _join_as_new(request, found)
    if request.user.pk != known.pk:
        return render(request, "crm/invitation_sign_in.html", {"invitation": found})
    return _join(request, found, known)


def _join_as_new(request: HttpRequest, found: Invitation) -> HttpResponse:
    form = AcceptForm(
        request.POST if request.method == "POST" else None,
        initial={"first_name": found.first_name, "last_name": found.last_name},
    )
    if request.method == "POST" and form.is_valid():
        filled = form.cleaned_data
        try:
            user = invitations.accept_as_new(
                found,
                filled["password"],
                Actor("web", address=client_address(request)),
                first_name=filled["first_name"],
                last_name=filled["last_name"],
            )
        except (ValidationError, Conflict) as refusal:
            show_refusal(form, refusal)
        else:
            return _signed_in(request, user, found)
    status = 422 if form.errors else 200
    return render(request, "crm/invitation.html", {"invitation": found, "form": form}, status=status)


def _join(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    if request.method != "POST":
        return render(request, "crm/invitation_join.html", {"invitation": found})
    try:
        invitations.accept(found, user, Actor("web", user=user, address=client_address(request)))
    except Conflict as refusal:
        return refused(request, refusal, reverse("home"))
    request.session[SESSION_COMPANY] = str(found.company_id)
    return redirect("home")


def _signed_in(request: HttpRequest, user: User, found: Invitation) -> HttpResponse:
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session[SESSION_COMPANY] = str(found.company_id)
    response = redirect("home")
    remember_browser(response, user.email)
    return response


# ── What the team's page shows ─────────────────────────────────────────────────────────────────────────


def _did(request: PageRequest, change: Callable[[Actor], Any], text: str) -> HttpResponse:
    try:
        change(actor_of(request))
    except (ValidationError, Conflict) as refusal:
        return refused(request, refusal, reverse(TEAM))
    return done(request, text, reverse(TEAM))


def _sent(request: PageRequest, made: invitations.NewInvitation) -> HttpResponse:
    """Mail the link; where that does not work, show it, this once."""
    link = f"{settings.PUBLIC_URL}{reverse('invitation', args=[made.token])}"
    if mails.send_invitation(made.row, link):
        return done(
            request, _("An invitation is on its way to {email}.").format(email=made.row.email), reverse(TEAM)
        )
    return _team(request, InviteForm(), link=link, invited=made.row)


def _team(request: PageRequest, form: InviteForm, *, status: int = 200, **more: Any) -> HttpResponse:
    people = _people(request)
    bare = [person for person in people if not person.step]
    context = {
        "people": people,
        "bare": bare,
        "waiting": list(Invitation.objects.waiting()),
        "left": list(Membership.objects.filter(is_active=False).select_related("user")),
        "form": form,
        "invited_roles": invitations.INVITED_ROLES,
        "asks_everyone": request.principal.company.mfa_required,
        "link": "",
        **more,
    }
    return render_settings(request, "crm/settings/team.html", context, status=status)


def _people(request: PageRequest) -> list[Person]:
    rows = list(Membership.objects.active().select_related("user"))
    ids = [row.user_id for row in rows]
    steps = _steps(ids)
    owned = dict(
        Lead.objects.current().filter(owner__in=ids).values_list("owner").annotate(Count("id")).order_by()
    )
    seen = dict(UserSession.objects.filter(user__in=ids).values_list("user").annotate(Max("last_seen_at")))
    owners = sum(row.role in OWNING for row in rows)
    you = request.principal
    now = timezone.now()
    return [
        Person(
            membership=row,
            is_you=you.user is not None and row.user_id == you.user.pk,
            roles=_roles(row, by_owner=you.can(Ability.OWN), owners=owners),
            step=steps.get(row.user_id, ("", ""))[0],
            step_icon=steps.get(row.user_id, ("", ""))[1],
            owns=owned.get(row.user_id, 0),
            seen_at=seen.get(row.user_id) or row.user.last_login,
            is_here=bool((at := seen.get(row.user_id)) and (now - at).total_seconds() < 600),
        )
        for row in rows
    ]


def _roles(row: Membership, *, by_owner: bool, owners: int) -> tuple[Role, ...]:
    """Only owners decide about owners, and the last one stays."""
    if row.role in OWNING and (owners == 1 or not by_owner):
        return (Role(row.role),)
    return OFFERED_ROLES if by_owner else OFFERED_ROLES[:-1]


def _steps(ids: list[UUID]) -> Mapping[UUID, tuple[str, str]]:
    """The strongest second step of each, as word and icon."""
    kinds = set(Authenticator.objects.filter(user__in=ids).values_list("user", "type"))
    found: dict[UUID, tuple[str, str]] = {}
    for kind, word, icon in reversed(_STEPS):
        found |= {user: (word, icon) for user, theirs in kinds if theirs == kind}
    return found
