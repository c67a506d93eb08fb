"""The only door for changes to saved views."""

from __future__ import annotations

from typing import TypedDict
from urllib.parse import parse_qsl, urlencode

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from crm.access import Ability, Principal
from crm.models import SavedView

# Of the list's own, not of the view: which page, and which view it came from.
_PASSING = ("page", "saved")


class ViewChanges(TypedDict, total=False):
    """What may be said of a view. `query` is that of the list's URL, and sets filters, columns and sort."""

    name: str
    query: str
    is_shared: bool
    is_locked: bool
    is_pinned: bool
    is_default: bool


def may_change(principal: Principal, view: SavedView) -> bool:
    """One's own; what is shared also whoever manages the company."""
    is_own = principal.user is not None and view.owner_id == principal.user.pk
    return is_own or (view.is_shared and principal.can(Ability.MANAGE))


@transaction.atomic
def create_view(principal: Principal, noun: str, changes: ViewChanges) -> SavedView:
    """Save a list under a name; what an API key saves is shared. Raises ValidationError per field."""
    view = SavedView(company=principal.company, owner=principal.user, noun=noun)
    _apply(view, changes)
    return view


@transaction.atomic
def update_view(principal: Principal, view: SavedView, changes: ViewChanges) -> SavedView:
    """Change a view. A locked one keeps its name and what it shows until it is unlocked."""
    view = SavedView.objects.select_for_update(of=("self",)).get(pk=view.pk)
    _check_may_change(principal, view)
    stays_locked = changes.get("is_locked", view.is_locked)
    if view.is_locked and stays_locked and _differs(view, changes):
        raise ValidationError(_("This view is locked. Unlock it first, or save yours as a new one."))
    _apply(view, changes)
    return view


@transaction.atomic
def delete_view(principal: Principal, view: SavedView) -> None:
    """Remove a view; the records in it are not touched."""
    _check_may_change(principal, view)
    if view.is_locked:
        raise ValidationError(_("This view is locked. Unlock it first."))
    view.delete()


def _check_may_change(principal: Principal, view: SavedView) -> None:
    if not may_change(principal, view):
        raise PermissionError(_("Only who made a view, or an administrator, changes it."))


def _differs(view: SavedView, changes: ViewChanges) -> bool:
    wanted = _read(changes["query"]) if "query" in changes else (view.params, view.columns, view.sort)
    return wanted != (view.params, view.columns, view.sort) or changes.get("name", view.name) != view.name


def _apply(view: SavedView, changes: ViewChanges) -> None:
    if "name" in changes:
        view.name = " ".join(changes["name"].split())
    if not view.name:
        raise ValidationError({"name": _("Give the view a name.")}, code="required")
    if "query" in changes:
        view.params, view.columns, view.sort = _read(changes["query"])
    for field in ("is_shared", "is_locked", "is_pinned", "is_default"):
        if field in changes:
            setattr(view, field, changes[field])
    view.is_shared = view.is_shared or view.owner is None
    view.clean_fields(exclude=["company", "owner"])
    if view.is_default:
        others = SavedView.objects.filter(owner=view.owner, noun=view.noun, is_default=True)
        others.exclude(pk=view.pk).update(is_default=False)
    view.save()


def _read(query: str) -> tuple[str, list[str], str]:
    """Filters, columns and sort of a list's query."""
    pairs = [pair for pair in parse_qsl(query.removeprefix("?")) if pair[0] not in _PASSING]
    columns = list(dict.fromkeys(value for name, value in pairs if name == "col"))[:40]
    sort = next((value for name, value in reversed(pairs) if name == "sort"), "")
    filters = [pair for pair in pairs if pair[0] not in ("col", "sort")]
    return urlencode(filters), columns, sort
