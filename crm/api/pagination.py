"""Pages by key: a page starts after the last row of the one before, so that no row is shown twice or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

if TYPE_CHECKING:
    from crm.api.base import CompanyViewSet

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
POSITION = "list_position"


@dataclass(frozen=True)
class Cursor:
    """A place between two rows. `backwards` asks for the page that ends there, else for the one that begins."""

    ordering: str
    position: Any
    pk: UUID
    backwards: bool = False

    def encode(self) -> str:
        return _signer().sign_object([self.ordering, _plain(self.position), str(self.pk), self.backwards])

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises BadSignature for what `encode` has not made."""
        ordering, position, pk, backwards = _signer().unsign_object(text)
        return cls(ordering, position, UUID(pk), backwards)


def _signer() -> Signer:
    return Signer(salt="crm.api.cursor")


def _plain(position: Any) -> Any:
    return position.isoformat() if isinstance(position, date) else str(position)


class CursorPagination(BasePagination):
    """`?limit=` and `?cursor=`; ordered by one of the view's `orderings` and then by id, so that no two rows tie."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self._request = request
        self._ordering = _ordering(request, view)
        limit = _limit(request)
        cursor = _cursor(request, self._ordering)
        ordered = queryset.annotate(**{POSITION: view.orderings[self._ordering.removeprefix("-")]})
        if cursor is None:
            rows = list(_in_order(ordered, self._ordering)[: limit + 1])
            self._page, self._has_next, self._has_previous = rows[:limit], len(rows) > limit, False
        elif cursor.backwards:
            rows = list(_in_order(_after(ordered, cursor), _turned(self._ordering))[: limit + 1])
            self._page, self._has_next, self._has_previous = rows[:limit][::-1], True, len(rows) > limit
        else:
            rows = list(_in_order(_after(ordered, cursor), self._ordering)[: limit + 1])
            self._page, self._has_next, self._has_previous = rows[:limit], len(rows) > limit, True
        return self._page

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link(self._page[-1:], False) if self._has_next else None,
                "previous": self._link(self._page[:1], True) if self._has_previous else None,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        words = [sign + name for name in view.orderings for sign in ("", "-")]
        ordering = {"type": "string", "enum": words, "default": view.default_ordering}
        return [
            _parameter("limit", limit, "How many rows a page has at most."),
            _parameter("cursor", {"type": "string"}, "From `next` or `previous` of another page."),
            _parameter("ordering", ordering, "The order of the rows; `-` turns it round."),
        ]

    def _link(self, edge: Sequence[Model], backwards: bool) -> str | None:
        """The URL of the page beyond the row at the edge; of the same page's place if it has become empty."""
        if not edge:
            return None
        cursor = Cursor(self._ordering, getattr(edge[0], POSITION), edge[0].pk, backwards)
        query = {**self._request.query_params.dict(), "cursor": cursor.encode()}
        return self._request.build_absolute_uri(f"{self._request.path}?{urlencode(query)}")


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _ordering(request: Request, view: CompanyViewSet) -> str:
    ordering = request.query_params.get("ordering", view.default_ordering)
    if ordering.removeprefix("-") not in view.orderings:
        raise ValidationError(
            {"ordering": f"Order by one of {', '.join(view.orderings)}."}, code="invalid_choice"
        )
    return ordering


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise ValidationError({"limit": f"Give a number from 1 to {MAX_LIMIT}."})
    return int(text)


def _cursor(request: Request, ordering: str) -> Cursor | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        cursor = Cursor.decode(text)
    except BadSignature as error:
        raise _bad_cursor() from error
    if cursor.ordering != ordering:
        raise _bad_cursor()
    return cursor


def _bad_cursor() -> ValidationError:
    return ValidationError(
        {"cursor": "Take the cursor from `next` or `previous` of a page in the same order."}
    )


def _after(rows: QuerySet[Any], cursor: Cursor) -> QuerySet[Any]:
    """The rows beyond the cursor, in its direction."""
    comparison = "lt" if cursor.ordering.startswith("-") != cursor.backwards else "gt"
    position = _typed(rows, cursor.position)
    beyond = Q(**{f"{POSITION}__{comparison}": position}) | Q(**{f"pk__{comparison}": cursor.pk})
    # The first condition follows from the second; it is what an index can use.
    return rows.filter(beyond, **{f"{POSITION}__{comparison}e": position})


def _typed(rows: QuerySet[Any], position: str) -> Any:
    """The position as the column's type; a cursor of another list may not fit."""
    try:
        return rows.query.annotations[POSITION].output_field.to_python(position)
    except DjangoValidationError as error:
        raise _bad_cursor() from error


def _in_order(rows: QuerySet[Any], ordering: str) -> QuerySet[Any]:
    sign = "-" if ordering.startswith("-") else ""
    return rows.order_by(f"{sign}{POSITION}", f"{sign}pk")


def _turned(ordering: str) -> str:
    return ordering[1:] if ordering.startswith("-") else f"-{ordering}"
