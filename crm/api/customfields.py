"""`custom-fields/`: what the company wants to know besides. Changing them takes the scope admin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import F, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from crm.access import Ability
from crm.actions import customfields as actions
from crm.actions import vocabulary
from crm.actions.customfields import FieldChanges
from crm.api import filters
from crm.api.base import CompanyViewSet
from crm.api.fields import StrictSerializer, Text, WholeNumber
from crm.models import CustomEntity, CustomField, CustomKind


class CustomFieldSerializer(StrictSerializer):
    """A field of a company's own. Entity and kind are said once; the key follows from the first name."""

    id = serializers.UUIDField(read_only=True)
    entity = serializers.ChoiceField(choices=CustomEntity.choices)
    key = serializers.CharField(read_only=True)
    name = Text(max_length=40)
    kind = serializers.ChoiceField(choices=CustomKind.choices)
    options = serializers.ListField(
        child=Text(max_length=actions.LONGEST_OPTION), max_length=actions.MOST_OPTIONS, required=False
    )
    position = WholeNumber(min_value=0, max_value=999, required=False)


class CustomFieldFilters(django_filters.FilterSet):
    entity = filters.ChoiceFilter(choices=CustomEntity.choices)


class CustomFieldViewSet(CompanyViewSet):
    """Custom fields, by their place in the forms."""

    model = CustomField
    serializer_class = CustomFieldSerializer
    filterset_class = CustomFieldFilters
    write_scope = "admin"
    write_ability = Ability.MANAGE
    delete_ability = Ability.MANAGE
    orderings: Mapping[str, Any] = {"position": F("position"), "name": F("name")}
    default_ordering = "position"

    def records(self) -> QuerySet[CustomField]:
        return CustomField.objects.all()

    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        changes = self.changes()
        position = changes.pop("position", None)
        made = actions.add_field(self.principal.company, cast("FieldChanges", changes), self.actor)
        self._place(made, position)
        return self.shown(made, status=201)

    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        field, changes = self.get_object(), self.changes(partial=True)
        position = changes.pop("position", None)
        for fixed in ("entity", "kind"):
            if fixed in changes:
                raise ValidationError(
                    {fixed: [ErrorDetail("This can be said of a new one only.", "read_only")]}
                )
        if changes:
            actions.change_field(field, cast("FieldChanges", changes), self.actor)
        self._place(field, position)
        return self.shown(field)

    @extend_schema(description="Deletes the field and its values. No record is deleted.")
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.delete_field(self.get_object(), self.actor)
        return Response(status=204)

    def _place(self, field: CustomField, position: int | None) -> None:
        if position is None:
            return
        beside = CustomField.objects.filter(entity=field.entity)
        listed = list(beside)
        place = next(place for place, each in enumerate(listed) if each.pk == field.pk)
        vocabulary.order_words(
            beside, vocabulary.moved_by(listed, listed[place], position - place), self.actor
        )
