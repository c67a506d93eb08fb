"""What every view of the API is: in the scope of one company, deny by default, one error shape, never cached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, cast

from django.db.models import Expression, F, Model, QuerySet
from django.utils.functional import cached_property
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from crm import customvalues
from crm.access import Ability, Principal
from crm.actor import Actor
from crm.api import etags, idempotency
from crm.api.authentication import principal_of
from crm.api.filters import KnownParameters, OwnFilters, Search, StrictFilters
from crm.customvalues import PREFIX
from crm.models import custom_fields_of

Handler = Callable[..., Response]


class CompanyView(APIView):
    """A view in the scope of the caller's company.

    `field_names` gives the API's names for the fields that actions call differently, so that errors name the right one.
    """

    write_scope: str = "write"
    read_ability: Ability = Ability.WORK
    write_ability: Ability = Ability.WORK
    delete_ability: Ability = Ability.DELETE
    field_names: Mapping[str, str] = {}
    # Fields of an answer that are secret: the memory for repeats does not keep them.
    told_once: Collection[str] = ()
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
        if idempotency.HEADER in request.headers:
            idempotency.keep_body(request)
        super().initial(request, *args, **kwargs)
        # DRF asks for the handler after this.
        if request.method not in SAFE_METHODS and etags.IF_MATCH in request.headers:
            self._wrap(request, etags.only_if_unchanged)
        if request.method == "POST" and idempotency.HEADER in request.headers:
            self._wrap(request, idempotency.once)

    def _wrap(self, request: Request, wrapper: Callable[[CompanyView, Handler], Handler]) -> None:
        name = str(request.method).lower()
        setattr(self, name, wrapper(self, getattr(self, name, self.http_method_not_allowed)))

    def current(self) -> Any:
        """The record that the address is about, as it is now; None where it is about none that has an ETag."""
        return None

    def as_shown(self, record: Any) -> Any:
        """The record as its address shows it."""
        raise NotImplementedError

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
    # Not where what is shown changes by itself.
    has_etags = True
    _reader: BaseSerializer[Any] | None = None

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
        return self.tagged(self.get_object(), 200)

    def get_object(self) -> Any:
        """The record in the path. Another company's, somebody else's and none at all are the same 404."""
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])

    def changes(self, **options: Any) -> dict[str, Any]:
        """What the body says, checked. Raises ValidationError with a sentence for each wrong field."""
        serializer = self.get_serializer(data=self.request.data, **options)
        serializer.is_valid(raise_exception=True)
        self._reader = serializer
        return dict(serializer.validated_data)

    def body(self, serializer_class: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """What the body of an action says, checked by a serializer that is not the record's own."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def shown(self, record: Model, status: int = 200) -> Response:
        """The answer that shows a record as it is now."""
        return self.tagged(self.fresh(record), status)

    def current(self) -> Any:
        return self.get_object() if self.has_etags and "pk" in self.kwargs else None

    def as_shown(self, record: Any) -> Any:
        # Setting a serializer up costs more than using it: the one that read a whole body shows the record, too.
        is_whole = self._reader is not None and not getattr(self._reader, "partial", False)
        serializer = self._reader if is_whole else self.get_serializer()
        return cast("BaseSerializer[Any]", serializer).to_representation(record)

    def tagged(self, record: Model, status: int) -> Response:
        """The answer that shows a record as it has been read."""
        shown = self.as_shown(record)
        headers = {etags.ETAG: etags.tag_of(shown)} if self.has_etags else {}
        return Response(shown, status=status, headers=headers)

    def fresh(self, record: Model) -> Any:
        return self.records().get(pk=record.pk)


SEARCHABLE: list[type[Any]] = [KnownParameters, StrictFilters, Search]
CUSTOMISED: list[type[Any]] = [KnownParameters, StrictFilters, OwnFilters, Search]


class UnknownRoute(CompanyView):
    """Whatever address the API does not have: 404 in the API's shape, 401 for strangers."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
