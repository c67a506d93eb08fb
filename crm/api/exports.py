"""`exports/`: everything that the filters of a list find, as a file."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crm import exporting, search
from crm.api import idempotency
from crm.api.base import CompanyView
from crm.api.deals import DealFilters
from crm.api.fields import StrictSerializer
from crm.api.filters import LONGEST_SEARCH
from crm.api.leads import LeadFilters
from crm.api.organizations import OrganizationFilters
from crm.api.texts import printable
from crm.customfilters import names_of, read_custom
from crm.models import custom_fields_of
from crm.views.exports import as_download

_FILTERS: dict[str, Any] = {
    "leads": LeadFilters,
    "deals": DealFilters,
    "organizations": OrganizationFilters,
}
_EXPORTS: dict[str, Any] = {
    "leads": exporting.export_leads,
    "deals": exporting.export_deals,
    "organizations": exporting.export_organizations,
}
_SEARCHES: dict[str, Any] = {
    "leads": search.search_leads,
    "deals": search.search_deals,
    "organizations": search.search_organizations,
}


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class FilterValues(serializers.Field[Any, Any, Any, Any]):
    """Filters by name, each a text."""

    default_error_messages = {"invalid": "Send an object whose values are texts."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        return data


class ExportSerializer(StrictSerializer):
    """What to take along. `filters` are those of the list's address, and `search`."""

    kind = serializers.ChoiceField(choices=list(_FILTERS))
    format = serializers.ChoiceField(choices=["csv", "xlsx"], default="csv")
    columns = serializers.ChoiceField(choices=["all", "shown"], default="all")
    filters = FilterValues(required=False)


class Exports(CompanyView):
    """Files of leads, deals and organizations."""

    write_scope = "read"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Without the memory for repeats: a file is not kept, and making it anew changes nothing.
        APIView.initial(self, request, *args, **kwargs)
        if idempotency.HEADER in request.headers:
            idempotency.checked(request.headers[idempotency.HEADER])

    @extend_schema(
        operation_id="exports_create",
        request=ExportSerializer,
        responses={
            (200, "text/csv"): OpenApiResponse(
                OpenApiTypes.BINARY, "The file; X-Row-Count says how many rows."
            ),
            (200, exporting.FORMATS["xlsx"]): OpenApiTypes.BINARY,
        },
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Everything that the caller may see and the filters find, newest first; written into the audit log."""
        body = ExportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked: dict[str, Any] = body.validated_data
        found = _found(self, asked["kind"], asked.get("filters", {}))
        most = exporting.most_rows(asked["format"])
        if most and found.count() > most:
            raise ValidationError({"format": f"A sheet holds {most} records. Ask for csv, or filter."})
        export = _EXPORTS[asked["kind"]]
        every_column = asked["columns"] == "all"
        made = export(self.principal, self.actor, found, kind=asked["format"], every_column=every_column)
        return cast("Response", as_download(made))  # a file, which needs no rendering


def _found(view: CompanyView, kind: str, values: dict[str, str]) -> QuerySet[Any]:
    principal = view.principal
    filterset = _FILTERS[kind]
    own = tuple(field.values for field in custom_fields_of(kind.removesuffix("s")))
    named = {name for field in own for name in names_of(field)}
    unknown = set(values) - set(filterset.base_filters) - {"search"} - named
    if unknown:
        wrong = [
            ErrorDetail(f"{kind.capitalize()} have no filter {printable(min(unknown))}.", "unknown_filter")
        ]
        raise ValidationError({"filters": wrong})
    text = values.get("search", "")
    if "\x00" in text or len(text) > LONGEST_SEARCH:
        raise ValidationError(
            {"filters": f"Search for at most {LONGEST_SEARCH} characters, none of them NUL."}
        )
    asked = QueryDict(mutable=True)
    asked.update(values)
    records: Any = getattr(principal, kind)()
    custom = read_custom(own, asked)
    if custom.wrong:
        raise ValidationError({"filters": [each.sentence for each in custom.wrong]})
    chosen = filterset(asked, queryset=records, request=view.request)
    if not chosen.is_valid():
        sentences = [f"{name}: {sentence}" for name, found in chosen.errors.items() for sentence in found]
        raise ValidationError({"filters": sentences})
    found: QuerySet[Any] = _SEARCHES[kind](custom.narrow(chosen.qs), text).order_by("-created_at", "-pk")
    return found
