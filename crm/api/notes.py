"""`notes/`: what people, and programs, write down on leads and deals."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import F, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import timeline
from crm.api import filters
from crm.api.base import SEARCHABLE, CompanyViewSet
from crm.api.fields import Moment, Record, StrictSerializer, Text
from crm.errors import Conflict
from crm.models import Activity
from crm.models.activity import WRITTEN_BY_PEOPLE, ActivityKind

_KINDS = [(kind.value, str(kind.label)) for kind in WRITTEN_BY_PEOPLE]
_LONGEST = 20_000
_SUBJECTS = ("lead", "deal")


class NoteSerializer(StrictSerializer):
    """A note, or a call, meeting or e-mail that is logged. It is about a lead or about a deal, and stays with it.

    `lead` of a note about a deal is the deal's. `author` is the e-mail of the member, or the name of the key.
    """

    id = serializers.UUIDField(read_only=True)
    lead = Record("lead", "leads", required=False, allow_null=True)
    deal = Record("deal", "deals", required=False, allow_null=True)
    kind = serializers.ChoiceField(choices=_KINDS, required=False)
    text = Text(max_length=_LONGEST)
    at = Moment(required=False, help_text="When it was; now unless said.")
    author = serializers.SerializerMethodField()
    edited_at = Moment(read_only=True, allow_null=True)

    def get_author(self, note: Activity) -> str:
        return note.actor.email if note.actor else note.actor_label


class NoteFilters(django_filters.FilterSet):
    lead = filters.IdFilter(field_name="lead_id")
    deal = filters.IdFilter(field_name="deal_id")
    kind = filters.ChoiceFilter(choices=_KINDS)
    author = filters.MemberFilter(field_name="actor")
    since = filters.since("at")
    until = filters.until("at")


class NoteViewSet(CompanyViewSet):
    """Notes of the leads and deals that one may see. Only who wrote one changes or deletes it."""

    model = Activity
    serializer_class = NoteSerializer
    filterset_class = NoteFilters
    filter_backends = SEARCHABLE
    searched = "Words of the text."
    delete_ability = Ability.WORK
    orderings = {"at": F("at")}
    default_ordering = "-at"

    def records(self) -> QuerySet[Activity]:
        principal = self.principal
        seen = Q(deal__in=principal.deals().order_by()) | Q(deal=None, lead__in=principal.leads().order_by())
        notes = Activity.objects.filter(seen, kind__in=WRITTEN_BY_PEOPLE)
        return notes.select_related("actor")

    def search(self, notes: QuerySet[Activity], text: str) -> QuerySet[Activity]:
        for word in text.split():
            notes = notes.filter(text__icontains=word)
        return notes

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if getattr(self, "swagger_fake_view", False):  # the schema is made without any company
            return context
        return {**context, "leads": self.principal.leads, "deals": self.principal.deals}

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self.changes()
        named = [changes[subject] for subject in _SUBJECTS if changes.get(subject)]
        if len(named) != 1:
            wrong = ErrorDetail("Name the lead or the deal that this is about, one of them.", "required")
            raise ValidationError({"lead": [wrong]})
        kind = changes.get("kind", ActivityKind.NOTE)
        note = timeline.add_note(named[0], changes["text"], self.actor, kind, at=changes.get("at"))
        return self.shown(note, status=201)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        note, changes = self.get_object(), self.changes(partial=partial)
        for fixed in (*_SUBJECTS, "kind"):
            if fixed in changes and changes[fixed] != getattr(note, fixed):
                raise ValidationError(
                    {fixed: [ErrorDetail("This is said once, with the note.", "read_only")]}
                )
        try:
            timeline.edit_note(note, changes.get("text", note.text), self.actor, at=changes.get("at"))
        except Conflict as refusal:
            raise PermissionDenied(refusal.message) from refusal
        return self.shown(note)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    @extend_schema(description="Deletes the note; only who wrote it can.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            timeline.delete_note(self.get_object(), self.actor)
        except Conflict as refusal:
            raise PermissionDenied(refusal.message) from refusal
        return Response(status=204)
