"""What every view of the API is: in the scope of one company, deny by default, one error shape, never cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Expression, F, Model, QuerySet
from django.utils.functional import cached_property
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from crm import customvalues
from crm.access import Ability, Principal
from crm.actor import Actor
from crm.api import idempotency
from crm.api.authentication import principal_of
from crm.api.filters import KnownParameters, OwnFilters, Search, StrictFilters
from crm.customvalues import PREFIX
from crm.models import custom_fields_of


class CompanyView(APIView):
    """A view in the scope of the caller's company.

    `field_names` gives the API's names for the fields that actions call differently, so that errors name the right one.
    """

    write_scope: str = "write"
    read_ability: Ability = Ability.WORK
    write_ability: Ability = Ability.WORK
    delete_ability: Ability = Ability.DELETE
    field_names: Mapping[str, str] = {}
    # What an answer shows once: it is not kept with the answer, and a repeat has null there.
    shown_once: frozenset[str] = frozenset()
    # Without OPTIONS: it would describe fields in DRF's own way, and the schema does it better.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    @property
    def principal(self) -> Principal:
        """Who asks; the permission class has let nobody in without one."""
        principal = principal_of(self.request)
        if principal is None:
            raise NotFound
        return principal

    @property
    def actor(self) -> Actor:
        return self.principal.actor("api")

    def check_own(self, changes: Mapping[str, Any]) -> None:
        """Whoever sees only their own records cannot give one away, nor make one they would not see."""
        principal = self.principal
        if "owner" not in changes or principal.may_assign(changes["owner"]):
            return
        raise ValidationError({"owner": "You work on your own records. Ask a manager to hand this one over."})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and idempotency.HEADER in request.headers:
            # DRF asks for the handler after this.
            self.post = idempotency.once(self, getattr(self, "post", self.http_method_not_allowed))

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        return final


class CompanyViewSet(CompanyView, GenericViewSet[Any]):
    """Records of one kind. Subclasses say which (`records`), in what orders, and what a search looks through."""

    model: ClassVar[type[Model]]
    lookup_value_regex = "[^/]+"
    filter_backends: list[type[Any]] = [KnownParameters, StrictFilters]
    orderings: Mapping[str, Expression | F] = {"created_at": F("created_at")}
    default_ordering = "-created_at"
    searched = ""
    own_entity = ""

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the schema is made without any company
            return self.model._default_manager.none()
        return self.records()

    def records(self) -> QuerySet[Any]:
        """The records that the caller may see."""
        raise NotImplementedError

    @cached_property
    def own_fields(self) -> tuple[customvalues.Field, ...]:
        """The company's own fields of `own_entity`, asked for only where an address names one."""
        is_asked = any(name.startswith(PREFIX) for name in self.request.query_params)
        return tuple(field.values for field in custom_fields_of(self.own_entity)) if is_asked else ()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def get_object(self) -> Any:
        """The record in the path. Another company's, somebody else's and none at all are the same 404."""
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])

    def changes(self, **options: Any) -> dict[str, Any]:
        """What the body says, checked. Raises ValidationError with a sentence for each wrong field."""
        serializer = self.get_serializer(data=self.request.data, **options)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def body(self, serializer_class: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """What the body of an action says, checked by a serializer that is not the record's own."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def shown(self, record: Model, status: int = 200) -> Response:
        """The answer that shows a record as it is now."""
        fresh = self.get_serializer(self.fresh(record))
        return Response(fresh.data, status=status)

    def fresh(self, record: Model) -> Any:
        return self.records().get(pk=record.pk)


SEARCHABLE: list[type[Any]] = [KnownParameters, StrictFilters, Search]
CUSTOMISED: list[type[Any]] = [KnownParameters, StrictFilters, OwnFilters, Search]


class UnknownRoute(CompanyView):
    """Whatever address the API does not have: 404 in the API's shape, 401 for strangers."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
