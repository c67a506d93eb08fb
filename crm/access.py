"""Who may see and do what: one policy, used by web, API, admin, export and search alike.

Roles are named here and nowhere else: whoever decides something asks for an ability.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from crm.actor import Actor, Channel
from crm.models import (
    ApiKey,
    Attachment,
    Company,
    Deal,
    DealQuerySet,
    Import,
    ImportQuerySet,
    Lead,
    LeadQuerySet,
    Membership,
    Organization,
    OrganizationQuerySet,
    Role,
    Task,
    TaskQuerySet,
    User,
)
from crm.tenancy import TenantQuerySet, every_company

SESSION_COMPANY = "company"
_LABEL = 80  # what a line of the timeline has room for
READING = ("GET", "HEAD", "OPTIONS")


class Ability(StrEnum):
    """What a role may be allowed to do."""

    WORK = "work on leads and deals"
    SEE_ALL = "see the records of others"
    DELETE = "delete records"
    SEE_LINKEDIN = "see the LinkedIn log"
    READ_REPORTS = "read the reports"
    MANAGE = "change settings, users and integrations"
    OWN = "decide who owns the company"
    DELETE_COMPANY = "delete the company"


_AGENT = frozenset({Ability.WORK})
_MANAGER = _AGENT | {Ability.SEE_ALL, Ability.DELETE, Ability.SEE_LINKEDIN, Ability.READ_REPORTS}
_ADMIN = _MANAGER | {Ability.MANAGE}
ABILITIES: dict[str, frozenset[Ability]] = {
    Role.AGENT: _AGENT,
    Role.MANAGER: _MANAGER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _ADMIN | {Ability.OWN, Ability.DELETE_COMPANY},
}


def roles_with(ability: Ability) -> frozenset[str]:
    """The roles that have an ability; for queries over memberships."""
    return frozenset(role for role, abilities in ABILITIES.items() if ability in abilities)


def is_operator(user: User | AnonymousUser) -> bool:
    """Whoever runs the installation: sees every company in the admin panel, and is a member of none by that."""
    return user.is_active and user.is_superuser


def may_open_panel(user: User | AnonymousUser) -> bool:
    """Whether the admin panel lets them in at all; what they see there is their company's, by their role."""
    return user.is_active and (user.is_staff or user.is_superuser)


@dataclass(frozen=True)
class Principal:
    """Who asks, for which company: a member by session, or an API key."""

    company: Company
    user: User | None = None
    role: str = ""
    key: ApiKey | None = None
    address: str = ""
    companies: tuple[Company, ...] = ()
    """Those that let a member in, the oldest membership first; of a session alone."""

    @classmethod
    def of_session(cls, request: HttpRequest) -> Principal | None:
        """The signed-in user in the company they chose, or their first; None if they are in none.

        Whoever is let out of the chosen company reads on in their next one. But a page that was still open must
        not write there what was meant for the other, so a change is refused until they have read.
        """
        if not request.user.is_authenticated:
            return None
        chosen = request.session.get(SESSION_COMPANY)
        is_reading = request.method in READING
        memberships = memberships_of(request.user)
        membership = _chosen(memberships, chosen, is_reading=is_reading)
        if membership is None:
            return None
        if str(membership.company_id) != chosen:
            request.session[SESSION_COMPANY] = str(membership.company_id)
        companies = tuple(each.company for each in memberships)
        return cls(membership.company, request.user, membership.role, companies=companies)

    def can(self, ability: Ability) -> bool:
        """API keys may do what an admin may; their scopes are checked at the door."""
        return ability in (_ADMIN if self.key else ABILITIES.get(self.role, frozenset()))

    def has_scope(self, scope: str) -> bool:
        """Whether the key has the scope. Members need none: their role says what they may."""
        return self.key is None or scope in self.key.scopes

    def actor(self, channel: Channel) -> Actor:
        """The author of what this principal changes."""
        if self.key:
            return Actor(channel, label=f"API key {self.key.name}"[:_LABEL], address=self.address)
        return Actor(channel, user=self.user, address=self.address)

    def leads(self) -> LeadQuerySet:
        """The leads this principal may see: agents their own, all others every one."""
        leads = Lead.objects.current()
        return leads if self._sees_all else leads.owned_by(self._user)

    def leads_ever(self) -> LeadQuerySet:
        """As `leads`, with the archived ones: those can be restored."""
        leads = Lead.objects.all()
        return leads if self._sees_all else leads.owned_by(self._user)

    def deals(self) -> DealQuerySet:
        """The deals this principal may see: agents their own, all others every one."""
        deals = Deal.objects.current()
        return deals if self._sees_all else deals.owned_by(self._user)

    def deals_ever(self) -> DealQuerySet:
        """As `deals`, with the archived ones: what happened to them stays in the story of their leads."""
        deals = Deal.objects.all()
        return deals if self._sees_all else deals.owned_by(self._user)

    def tasks(self) -> TaskQuerySet:
        """The tasks this principal may see: agents those assigned to them or about their own records."""
        tasks = Task.objects.current()
        return tasks if self._sees_all else tasks.concerning(self._user)

    def organizations(self) -> OrganizationQuerySet:
        """The firms this principal may see: agents those of their own leads and deals, all others every one."""
        firms = Organization.objects.all()
        return firms if self._sees_all else firms.having(self.leads(), self.deals())

    def imports(self) -> ImportQuerySet:
        """The imports this principal may see: agents those they began, all others every one."""
        imports = Import.objects.all()
        return imports if self._sees_all else imports.begun_by(self._user)

    def attachments(self) -> TenantQuerySet[Attachment]:
        """The files of the records this principal may see."""
        # Looked up row by row: as `IN`, one of three such lists is made in full for the one file that is asked for.
        return Attachment.objects.filter(
            Exists(self.leads().filter(pk=OuterRef("lead")))
            | Exists(self.deals().filter(pk=OuterRef("deal")))
            | Exists(self.organizations().filter(pk=OuterRef("organization")))
        )

    def assignees(self) -> QuerySet[User]:
        """Whom this principal may make the owner of a record, by name: agents themselves alone."""
        active = Membership.objects.active()
        chosen = active if self._sees_all else active.filter(user=self._user)
        people = User.objects.filter(pk__in=chosen.values("user_id"))
        return people.order_by("first_name", "last_name", "email")

    def may_assign(self, owner: User | None) -> bool:
        """Agents cannot give a record away, nor make one they would not see; all others can."""
        return self._sees_all or owner == self.user

    @property
    def _sees_all(self) -> bool:
        return self.can(Ability.SEE_ALL)

    @property
    def _user(self) -> User:
        if self.user is None:
            raise PermissionError("Only a member has records of their own.")
        return self.user


def principal_in(company: Company, user: User) -> Principal | None:
    """A member as they are now, for what goes on without their request; None if they are no member any more."""
    membership = Membership.objects.active().filter(user=user, company=company).first()
    return Principal(company, user, membership.role) if membership and user.is_active else None


def memberships_of(user: User) -> list[Membership]:
    """The places of a user in the companies that let them in, the oldest first."""
    with every_company():
        return list(Membership.objects.filter(user=user, is_active=True).select_related("company"))


def _chosen(memberships: list[Membership], chosen: str | None, *, is_reading: bool) -> Membership | None:
    """The membership of the chosen company; where there is none (any more), the first, if that is no surprise."""
    found = next((each for each in memberships if str(each.company_id) == chosen), None)
    if found is not None or (chosen and not is_reading):
        return found
    return memberships[0] if memberships else None
