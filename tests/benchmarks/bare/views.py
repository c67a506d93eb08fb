"""The least that shows the same 50 leads as a page or as JSON, and that adds a lead: one INSERT, nothing else."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from rest_framework import generics, pagination, serializers

from crm.models import Lead, LeadQuerySet, LeadStatus, StatusCategory
from crm.tenancy import every_company

ROWS = 50


def _leads() -> LeadQuerySet:
    """Of the one company, with all that a row shows."""
    return (
        Lead.objects.filter(company=UUID(os.environ["BENCHMARK_COMPANY"]))
        .select_related("status", "lead_type", "organization", "owner")
        .prefetch_related("emails")
    )


@every_company()  # type: ignore[untyped-decorator]
def leads(request: HttpRequest) -> HttpResponse:
    """The same 50 rows as the product's list in its usual order."""
    working = (StatusCategory.OPEN, StatusCategory.QUALIFIED)
    rows = _leads().filter(archived_at=None, status__category__in=working)
    return render(request, "leads.html", {"leads": rows.order_by("-last_touch_at", "-id")[:ROWS]})


class LeadSerializer(serializers.ModelSerializer[Lead]):
    status = serializers.SlugRelatedField[LeadStatus](slug_field="key", read_only=True)
    organization = serializers.StringRelatedField[Any]()
    owner = serializers.SlugRelatedField[Any](slug_field="email", read_only=True)
    emails = serializers.SlugRelatedField[Any](slug_field="address", many=True, read_only=True)

    class Meta:
        model = Lead
        fields = (
            "id",
            "first_name",
            "last_name",
            "emails",
            "title",
            "organization",
            "country_code",
            "status",
            "source",
            "owner",
            "consent",
            "created_at",
            "updated_at",
        )


class NewestFirst(pagination.CursorPagination):
    page_size = ROWS
    ordering = "-id"


class LeadList(generics.ListCreateAPIView[Lead]):
    serializer_class = LeadSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> LeadQuerySet:
        return _leads()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with every_company():
            return super().dispatch(request, *args, **kwargs)

    def perform_create(self, serializer: serializers.BaseSerializer[Lead]) -> None:
        serializer.save(company_id=UUID(os.environ["BENCHMARK_COMPANY"]), status=_first_status())


@lru_cache
def _first_status() -> LeadStatus:
    return LeadStatus.objects.get(company=UUID(os.environ["BENCHMARK_COMPANY"]), key="new")
