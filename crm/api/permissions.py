"""Who may call which route: scopes of a key, abilities of a member. What no view allows is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from crm.access import Ability, Principal
from crm.api.authentication import principal_of

if TYPE_CHECKING:
    from crm.api.base import CompanyView


class HasScope(BasePermission):
    """A key needs the route's scope; a member needs the route's ability; everybody needs a company."""

    def has_permission(self, request: Request, view: Any) -> bool:
        principal = principal_of(request)
        if not request.user.is_authenticated:
            raise NotAuthenticated("Send an API key, as Authorization: Bearer lm_…, or sign in.")
        if principal is None:
            raise PermissionDenied("You are not a member of any company.")
        if principal.key is not None:
            return _has_scope(principal, _needed_scope(request, view))
        return _has_ability(principal, _needed_ability(request, view))


def _needed_scope(request: Request, view: CompanyView) -> str:
    return "read" if request.method in SAFE_METHODS else view.write_scope


def _needed_ability(request: Request, view: CompanyView) -> Ability:
    if request.method in SAFE_METHODS:
        return view.read_ability
    return view.delete_ability if request.method == "DELETE" else view.write_ability


def _has_scope(principal: Principal, scope: str) -> bool:
    if not principal.has_scope(scope):
        raise PermissionDenied(f"This needs an API key with the scope {scope}.")
    return True


def _has_ability(principal: Principal, ability: Ability) -> bool:
    if not principal.can(ability):
        raise PermissionDenied(f"Your role does not allow you to {ability}.")
    return True
