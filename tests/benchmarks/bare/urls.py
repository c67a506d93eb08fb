"""The addresses of the bare project."""

from __future__ import annotations

from django.urls import path

from tests.benchmarks.bare.views import LeadList, leads

urlpatterns = [path("leads/", leads), path("api/leads/", LeadList.as_view())]
