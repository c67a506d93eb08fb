"""Writes leads for whoever calls the API: one, or many in a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Q, prefetch_related_objects
from rest_framework.exceptions import ErrorDetail, ValidationError

from crm.access import Principal
from crm.actions import leads as actions
from crm.actions.leads import LeadChanges
from crm.actor import Actor
from crm.models import Lead

_KNOWN_BY = ("first_name", "last_name", "email", "emails", "phones", "organization", "title", "external_id")


@dataclass(frozen=True)
class LeadWriter:
    """The door for a caller's leads. What it is given has been checked by a serializer."""

    principal: Principal
    actor: Actor

    def upsert(self, changes: dict[str, Any], known: Lead | None) -> tuple[Lead, bool]:
        """Change the lead that is known by this `external_id`, or add one; and whether it is new."""
        if known is not None:
            return self.update_known(known, changes), False
        try:
            return self.create(changes), True
        except DjangoValidationError as error:
            # Another request may have added the same person a moment ago.
            is_taken = "external_id" in getattr(error, "error_dict", {})
            known = self.known(changes.get("external_id")) if is_taken else None
            if known is None:
                raise
            return self.update_known(known, changes), False

    def known(self, external_id: str | None) -> Lead | None:
        """The lead with this id of the caller's own, or the one that such a lead was merged into."""
        if not external_id:
            return None
        theirs = Q(external_id=external_id) | Q(merged_from__external_id=external_id)
        return self.principal.leads().filter(theirs).first()

    def create(self, changes: dict[str, Any]) -> Lead:
        _check_identity(changes)
        changes = {**changes}
        occurred_at = changes.pop("occurred_at", None)
        if self.principal.user is not None:
            changes.setdefault("owner", self.principal.user)
        return actions.create_lead(
            self.principal.company, cast("LeadChanges", changes), self.actor, occurred_at=occurred_at
        )

    def update_known(self, lead: Lead, changes: dict[str, Any]) -> Lead:
        """Change a lead that was found by an external id, perhaps by that of one merged into it: it keeps its own."""
        if lead.external_id:
            changes = {**changes, "external_id": lead.external_id}
        return self.update(lead, changes)

    def update(self, lead: Lead, changes: dict[str, Any]) -> Lead:
        changes = {name: value for name, value in changes.items() if name != "occurred_at"}
        return actions.update_lead(lead, cast("LeadChanges", changes), self.actor)


def as_written(lead: Lead, changes: dict[str, Any]) -> Lead:
    """A lead that was just added, ready to be shown: what is known of its rows is not read again."""
    known: dict[str, list[Any]] = {"emails": lead.written_emails or []}
    known |= {name: [] for name in ("phones", "tags") if not changes.get(name)}
    prefetch_related_objects([lead], *({"phones", "tags"} - set(known)))
    read = lead.__dict__.setdefault("_prefetched_objects_cache", {})  # where prefetching puts what it finds
    for name, rows in known.items():
        read[name] = getattr(lead, name).all()
        read[name]._result_cache = rows
    return lead


def _check_identity(changes: dict[str, Any]) -> None:
    """Somebody must be recognisable: by a name, an address or your own id."""
    attribution = changes.get("attribution", {})
    if any(changes.get(field) for field in _KNOWN_BY) or attribution.get("lead_gen_response"):
        return
    raise ValidationError(
        {"last_name": [ErrorDetail("Give at least a name or an e-mail address.", "required")]}
    )
