"""Every address below /api/v1/. Other apps add theirs through `crm.panels.api_routes`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.routers import SimpleRouter

from crm import panels
from crm.api.base import UnknownRoute
from crm.api.company import CompanyDetail, MemberViewSet
from crm.api.customfields import CustomFieldViewSet
from crm.api.deals import DealViewSet
from crm.api.docs import DocsView, SchemaView
from crm.api.exports import Exports
from crm.api.imports import ImportRowViewSet, ImportViewSet
from crm.api.invitations import InvitationViewSet
from crm.api.leads import LeadViewSet
from crm.api.notes import NoteViewSet
from crm.api.organizations import ActivityViewSet, OrganizationViewSet
from crm.api.tasks import TaskViewSet
from crm.api.views import ViewViewSet
from crm.api.webhooks import WebhookDeliveryViewSet, WebhookViewSet
from crm.api.words import PipelineViewSet, StageViewSet, StatusViewSet, TagViewSet, TypeViewSet

router = SimpleRouter()
router.register("leads", LeadViewSet, basename="api-lead")
router.register("deals", DealViewSet, basename="api-deal")
router.register("tasks", TaskViewSet, basename="api-task")
router.register("organizations", OrganizationViewSet, basename="api-organization")
router.register("notes", NoteViewSet, basename="api-note")
router.register("activities", ActivityViewSet, basename="api-activity")
router.register("views", ViewViewSet, basename="api-view")
router.register("statuses", StatusViewSet, basename="api-status")
router.register("types", TypeViewSet, basename="api-type")
router.register("stages", StageViewSet, basename="api-stage")
router.register("pipelines", PipelineViewSet, basename="api-pipeline")
router.register("tags", TagViewSet, basename="api-tag")
router.register("custom-fields", CustomFieldViewSet, basename="api-custom-field")
router.register("webhooks/deliveries", WebhookDeliveryViewSet, basename="api-webhook-delivery")
router.register("webhooks", WebhookViewSet, basename="api-webhook")
router.register("members", MemberViewSet, basename="api-member")
router.register("invitations", InvitationViewSet, basename="api-invitation")
router.register("imports", ImportViewSet, basename="api-import")

urlpatterns: list[URLPattern | URLResolver] = [
    *router.urls,
    path("imports/<str:pk>/rows/", ImportRowViewSet.as_view({"get": "list"}), name="api-import-rows"),
    path("company/", CompanyDetail.as_view(), name="api-company"),
    path("exports/", Exports.as_view(), name="api-export"),
    *(route for routes in panels.api_routes for route in routes()),
    path("schema/", SchemaView.as_view(), name="api-schema"),
    path("docs/", DocsView.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"^.*$", UnknownRoute.as_view(), name="api-unknown"),
]
