"""Who may see and do what: one policy, used by web, API, admin, export and search alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest
from django_scopes import scopes_disabled

from crm.actor import Actor, Channel
from crm.models import ApiKey, Company, Deal, DealQuerySet, Lead, LeadQuerySet, Membership, Role, User

SESSION_COMPANY = "company"


class Ability(StrEnum):
    """What a role may be allowed to do."""

    WORK = "work on leads and deals"
    SEE_ALL = "see the records of others"
    DELETE = "delete records"
    SEE_LINKEDIN = "see the LinkedIn log"
    MANAGE = "change settings, users and integrations"
    DELETE_COMPANY = "delete the company"


_AGENT = frozenset({Ability.WORK})
_MANAGER = _AGENT | {Ability.SEE_ALL, Ability.DELETE, Ability.SEE_LINKEDIN}
_ADMIN = _MANAGER | {Ability.MANAGE}
ABILITIES: dict[str, frozenset[Ability]] = {
    Role.AGENT: _AGENT,
    Role.MANAGER: _MANAGER,
    Role.ADMIN: _ADMIN,
    Role.OWNER: _ADMIN | {Ability.DELETE_COMPANY},
}


@dataclass(frozen=True)
class Principal:
    """Who asks, for which company: a member by session, or an API key."""

    company: Company
    user: User | None = None
    role: str = ""
    key: ApiKey | None = None

    @classmethod
    def of_session(cls, request: HttpRequest) -> Principal | None:
        """The signed-in user in the company they chose, or their first; None if they are in none."""
        if not request.user.is_authenticated:
            return None
        with scopes_disabled():
            memberships = list(
                Membership.objects.filter(user=request.user, is_active=True).select_related("company")
            )
        chosen = request.session.get(SESSION_COMPANY)
        memberships.sort(key=lambda membership: str(membership.company_id) != chosen)
        if not memberships:
            return None
        return cls(memberships[0].company, request.user, memberships[0].role)

    def can(self, ability: Ability) -> bool:
        """API keys may do what an admin may; their scopes are checked at the door."""
        return ability in (_ADMIN if self.key else ABILITIES.get(self.role, frozenset()))

    def actor(self, channel: Channel) -> Actor:
        """The author of what this principal changes."""
        if self.key:
            return Actor(channel, label=f"API key {self.key.name}")
        return Actor(channel, user=self.user)

    def leads(self) -> LeadQuerySet:
        """The leads this principal may see: agents their own, all others every one."""
        leads = Lead.objects.current()
        return leads if self._sees_all else leads.owned_by(self._user)

    def deals(self) -> DealQuerySet:
        """The deals this principal may see: agents their own, all others every one."""
        deals = Deal.objects.current()
        return deals if self._sees_all else deals.owned_by(self._user)

    @property
    def _sees_all(self) -> bool:
        return self.can(Ability.SEE_ALL)

    @property
    def _user(self) -> User:
        if self.user is None:
            raise PermissionError("Only a member has records of their own.")
        return self.user
