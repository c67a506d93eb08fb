"""`views/`: saved lists of leads and deals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import django_filters
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import views as actions
from crm.actions.views import ViewChanges
from crm.api import filters
from crm.api.base import CompanyViewSet
from crm.api.fields import Moment, StrictSerializer, Text, TrueFalse, optional_text
from crm.models import SavedView
from crm.models.view import ViewNoun


class ViewSerializer(StrictSerializer):
    """A list under a name. `query` is that of the list's address: filters, `col` for each column, and `sort`."""

    id = serializers.UUIDField(read_only=True)
    entity = serializers.ChoiceField(choices=ViewNoun.choices, source="noun")
    name = Text(max_length=60)
    query = optional_text(2000, help_text="As in the address of the list: status=new&col=owner&sort=-touch.")
    is_shared = TrueFalse(required=False)
    is_locked = TrueFalse(required=False)
    is_pinned = TrueFalse(required=False)
    is_default = TrueFalse(required=False)
    owner = serializers.EmailField(source="owner.email", read_only=True, allow_null=True)
    created_at = Moment(read_only=True)
    updated_at = Moment(read_only=True)


class ViewFilters(django_filters.FilterSet):
    entity = filters.ChoiceFilter(choices=ViewNoun.choices, field_name="noun")
    is_shared = filters.TrueFalseFilter()


class ViewViewSet(CompanyViewSet):
    """Saved lists: a member's own and the shared ones; a key sees what is shared, and shares what it makes."""

    model = SavedView
    serializer_class = ViewSerializer
    filterset_class = ViewFilters
    delete_ability = Ability.WORK
    orderings = {"created_at": F("created_at"), "name": F("name")}
    field_names: Mapping[str, str] = {
        "noun": "entity",
        "params": "query",
        "columns": "query",
        "sort": "query",
    }

    def records(self) -> QuerySet[SavedView]:
        views = SavedView.objects.select_related("owner")
        user = self.principal.user
        return views.seen_by(user) if user else views.filter(is_shared=True)

    @extend_schema(responses={201: ViewSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self.changes()
        noun = changes.pop("noun")
        return self.shown(actions.create_view(self.principal, noun, cast("ViewChanges", changes)), status=201)

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view, changes = self.get_object(), self.changes(partial=True)
        if changes.pop("noun", view.noun) != view.noun:
            raise DjangoValidationError({"noun": "A view stays one of leads, or of deals."})
        try:
            return self.shown(actions.update_view(self.principal, view, cast("ViewChanges", changes)))
        except PermissionError as refusal:
            raise PermissionDenied(str(refusal)) from refusal

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            actions.delete_view(self.principal, self.get_object())
        except PermissionError as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        return Response(status=204)
